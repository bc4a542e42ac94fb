#include "netd/dhcp/message.h"

#include <gtest/gtest.h>

#include "netd/dhcp/arp_probe.h"
#include "netd/dhcp/frame.h"
#include "tests/dhcp/values.h"

namespace netd::dhcp {
namespace {

using tests::bytes;
using tests::hex;
using tests::ip;
using tests::mac;

// The header up to the magic cookie: op, htype, hlen, hops, xid, secs, flags, ciaddr, yiaddr,
// siaddr, giaddr, chaddr, then sname and file.
const std::string reply_header =
    "02010600 11223344 0000 8000 00000000 c0000207 c0000201 00000000 0242c0000207"
    "00000000000000000000";
const std::string empty_names = std::string(2 * (64 + 128), '0');
const std::string cookie = "63825363";

Bytes reply(const std::string& options) {
  return bytes(reply_header + empty_names + cookie + options);
}

std::string without_padding(Bytes payload) {
  while (!payload.empty() && payload.back() == 0)
    payload.pop_back();
  return hex(payload);
}

TEST(DhcpMessage, IsWrittenAsRfc2131Draws) {
  Message discover{.xid = 0x11223344, .seconds = 3, .mac = mac("02:42:c0:00:02:07")};
  discover.broadcast = true;
  discover.set(option::requested_address, ip("192.0.2.7"));
  discover.set(option::hostname, std::string_view("web"));
  discover.options[option::parameters] = {1, 3, 6};
  discover.set(option::message_size, std::uint16_t{1280});
  const Bytes payload = encode(discover);
  EXPECT_EQ(payload.size(), 300u);
  EXPECT_EQ(
      without_padding(payload),
      hex(bytes("01010600 11223344 0003 8000 00000000 00000000 00000000 00000000 0242c0000207"
                "00000000000000000000" +
                empty_names + cookie + "350101 0c03776562 3204c0000207 3703010306 39020500 ff")));
}

TEST(DhcpMessage, ReadsAnOffer) {
  const auto offer =
      parse(reply("350102 3604c0000201 330400000e10 0104ffffff00 0304c0000201"
                  "0608c0000202c0000203 0f076c616e2e776901 1a0205dc ff"));
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->type, Type::offer);
  EXPECT_TRUE(offer->is_reply);
  EXPECT_TRUE(offer->broadcast);
  EXPECT_EQ(offer->xid, 0x11223344u);
  EXPECT_EQ(offer->your_address, ip("192.0.2.7"));
  EXPECT_EQ(offer->mac, mac("02:42:c0:00:02:07"));
  EXPECT_EQ(offer->address(option::server), ip("192.0.2.1"));
  EXPECT_EQ(offer->duration(option::lease_time), std::chrono::seconds(3600));
  EXPECT_EQ(offer->addresses(option::dns_server), (std::vector{ip("192.0.2.2"), ip("192.0.2.3")}));
  EXPECT_EQ(offer->text(option::domain), "lan.wi?");
  EXPECT_EQ(offer->number(option::mtu), 1500);
}

TEST(DhcpMessage, ReadsOptionsInFileAndServerName) {
  std::string names = empty_names;
  names.replace(0, 12, "0304c0000201");           // sname: router
  names.replace(2 * 64, 16, "0604c0000202ff11");  // file: DNS, end, rubbish
  const auto both = parse(bytes(reply_header + names + cookie + "350102 340103 ff"));
  ASSERT_TRUE(both);
  EXPECT_EQ(both->address(option::router), ip("192.0.2.1"));
  EXPECT_EQ(both->address(option::dns_server), ip("192.0.2.2"));
  EXPECT_FALSE(both->options.contains(option::overload));
  const auto file = parse(bytes(reply_header + names + cookie + "350102 340101 ff"));
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->address(option::router));
  EXPECT_EQ(file->address(option::dns_server), ip("192.0.2.2"));
}

TEST(DhcpMessage, JoinsThePiecesOfALongOption) {
  const auto message = parse(reply("350102 0604c0000201 00 0604c0000202 ff"));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->addresses(option::dns_server),
            (std::vector{ip("192.0.2.1"), ip("192.0.2.2")}));
  Message sent = *message;
  sent.options[option::text] = Bytes(300, 'x');
  EXPECT_EQ(parse(encode(sent)), sent);
}

TEST(DhcpMessage, ForgivesAMissingEndMark) {
  EXPECT_TRUE(parse(reply("350102 3604c0000201")));
}

TEST(DhcpMessage, DropsWhatIsNoDhcpForEthernet) {
  EXPECT_FALSE(parse({}));
  EXPECT_FALSE(parse(bytes(reply_header + empty_names + "638253")));              // short
  EXPECT_FALSE(parse(bytes(reply_header + empty_names + "63825364 350102 ff")));  // cookie
  EXPECT_FALSE(parse(reply("3604c0000201 ff")));                                  // BOOTP: no type
  EXPECT_FALSE(parse(reply("350100 ff")));
  EXPECT_FALSE(parse(reply("350109 ff")));
  EXPECT_FALSE(parse(reply("35020202 ff")));
  Bytes token_ring = reply("350102 ff");
  token_ring[1] = 6;
  EXPECT_FALSE(parse(token_ring));
  Bytes long_address = reply("350102 ff");
  long_address[2] = 16;
  EXPECT_FALSE(parse(long_address));
}

TEST(DhcpMessage, DropsOptionsThatRunOverTheirField) {
  EXPECT_FALSE(parse(reply("350102 3604c00002")));
  EXPECT_FALSE(parse(reply("350102 36")));
  std::string names = empty_names;
  names.replace(2 * (64 + 126), 4, "0604");  // the last two bytes of file
  EXPECT_FALSE(parse(bytes(reply_header + names.substr(0, 384) + cookie + "350102 340101 ff")));
}

TEST(DhcpMessage, AnOptionOfTheWrongSizeIsAbsent) {
  const auto message =
      parse(reply("350102 3603c00002 33020001 1a03000001 0605c000020101 7904200a0000 ff"));
  ASSERT_TRUE(message);
  EXPECT_FALSE(message->address(option::server));
  EXPECT_FALSE(message->duration(option::lease_time));
  EXPECT_FALSE(message->number(option::mtu));
  EXPECT_TRUE(message->addresses(option::dns_server).empty());
  EXPECT_TRUE(message->routes().empty());
  EXPECT_EQ(message->text(option::hostname), "");
}

TEST(DhcpMessage, ReadsClasslessRoutes) {
  // RFC 3442's forms: 0/0, 10.0.0.0/8, 10.17.0.0/16 with a set bit too many, a host.
  const auto message =
      parse(reply("350105 7920 00c0000201 080ac0000202 0f0a11c0000203"
                  "20c0000263c0000204 00000000 ff"));
  ASSERT_TRUE(message);
  const auto routes = message->routes();
  ASSERT_EQ(routes.size(), 5u);
  EXPECT_EQ(routes[0], (Route{tests::prefix("0.0.0.0/0"), ip("192.0.2.1")}));
  EXPECT_EQ(routes[1], (Route{tests::prefix("10.0.0.0/8"), ip("192.0.2.2")}));
  EXPECT_EQ(routes[2], (Route{tests::prefix("10.16.0.0/15"), ip("192.0.2.3")}));
  EXPECT_EQ(routes[3], (Route{tests::prefix("192.0.2.99/32"), ip("192.0.2.4")}));
  Message sent = *message;
  sent.set_routes(routes);
  EXPECT_EQ(sent.routes(), routes);
}

const std::string frame_text =
    "ffffffffffff 0242c0000207 0800"
    "4500 0020 0000 0000 40 11 7ace 00000000 ffffffff"
    "0044 0043 000c 61b2 deadbeef";

Datagram small_datagram() {
  return {.from = mac("02:42:c0:00:02:07"),
          .to = broadcast_mac,
          .source = ip("0.0.0.0"),
          .destination = ip("255.255.255.255"),
          .source_port = client_port,
          .destination_port = server_port,
          .payload = {0xde, 0xad, 0xbe, 0xef}};
}

TEST(DhcpFrame, IsUdpOverIpOverEthernet) {
  EXPECT_EQ(hex(encode_frame(small_datagram())), hex(bytes(frame_text)));
}

TEST(DhcpFrame, ReadsItsOwnFramesWithPaddingBehind) {
  Bytes frame = encode_frame(small_datagram());
  frame.resize(60);
  const auto datagram = parse_frame(frame, Checksum::done);
  ASSERT_TRUE(datagram);
  EXPECT_EQ(datagram->from, mac("02:42:c0:00:02:07"));
  EXPECT_EQ(datagram->destination, ip("255.255.255.255"));
  EXPECT_EQ(datagram->source_port, 68);
  EXPECT_EQ(datagram->destination_port, 67);
  EXPECT_EQ(hex(datagram->payload), "deadbeef");
}

TEST(DhcpFrame, ReadsOddLengthsAndIpOptions) {
  Datagram odd = small_datagram();
  odd.payload.push_back(1);
  EXPECT_TRUE(parse_frame(encode_frame(odd), Checksum::done));
  EXPECT_TRUE(parse_frame(bytes("ffffffffffff 0242c0000207 0800"
                                "4600 0024 0000 0000 40 11 78c9 00000000 ffffffff 01010000"
                                "0044 0043 000c 61b2 deadbeef"),
                          Checksum::done));
}

TEST(DhcpFrame, ChecksTheUdpChecksumWhereThereIsOne) {
  Bytes frame = bytes(frame_text);
  frame.back() ^= 1;
  EXPECT_FALSE(parse_frame(frame, Checksum::done));
  EXPECT_TRUE(parse_frame(frame, Checksum::pending));
  frame[40] = frame[41] = 0;  // RFC 768: none
  EXPECT_TRUE(parse_frame(frame, Checksum::done));
}

TEST(DhcpFrame, DropsBrokenOnes) {
  const Bytes whole = bytes(frame_text);
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(parse_frame(View(whole).first(size), Checksum::done)) << size;
  // byte, value: EtherType, version, header length, total length, fragment, protocol, checksum
  const std::vector<std::pair<std::size_t, std::uint8_t>> changes = {
      {12, 0x86}, {14, 0x65}, {14, 0x44}, {17, 0x1b}, {17, 0x21},
      {20, 0x20}, {21, 0x01}, {23, 6},    {24, 0x78}, {39, 0x0d}};
  for (const auto& [at, value] : changes) {
    Bytes frame = whole;
    frame[at] = value;
    EXPECT_FALSE(parse_frame(frame, Checksum::pending)) << at;
  }
}

TEST(ArpFrame, IsWrittenAndRead) {
  const Arp probe{
      .sender_mac = mac("02:42:c0:00:02:07"), .sender = ip("0.0.0.0"), .target = ip("192.0.2.7")};
  const Bytes frame = encode_arp(probe);
  EXPECT_EQ(hex(frame), hex(bytes("ffffffffffff 0242c0000207 0806 0001 0800 06 04 0001"
                                  "0242c0000207 00000000 000000000000 c0000207")));
  EXPECT_EQ(parse_arp(frame), probe);
  for (std::size_t size = 0; size < frame.size(); ++size)
    EXPECT_FALSE(parse_arp(View(frame).first(size))) << size;
}

TEST(ArpFrame, AReplyGoesToItsTarget) {
  const Arp answer{.operation = Arp::Operation::reply,
                   .sender_mac = mac("02:00:00:00:00:01"),
                   .sender = ip("192.0.2.7"),
                   .target_mac = mac("02:42:c0:00:02:07"),
                   .target = ip("0.0.0.0")};
  const Bytes frame = encode_arp(answer);
  EXPECT_EQ(hex(View(frame).first(6)), "0242c0000207");
  EXPECT_EQ(parse_arp(frame), answer);
}

}  // namespace
}  // namespace netd::dhcp
