#include "dns/upstream_message.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "tests/dns/packets.h"

namespace dns {
namespace {

using tests::bytes;
using tests::operator+;
using tests::hex;
using tests::opt;
using tests::query;
using tests::summary;

constexpr const char* question = "03'wWw'03'com'00 0001 0001 ";
constexpr const char* record = "c00c 0001 0001 0000003c 0004 5db8d822 ";
constexpr const char* soa =
    "c010 0006 0001 0000003c 0018 c010 c010 00000001 00000002 00000003 00000004 00000005 ";

class UpstreamMessageTest : public ::testing::Test {
 protected:
  /// The response as a client gets it that asked `query`; empty when it was refused.
  tests::Bytes relay(const tests::Bytes& packet, const tests::Bytes& asked) {
    Query parsed;
    EXPECT_EQ(parse_query(asked, parsed), Rcode::no_error);
    const auto response = UpstreamResponse::parse(packet, parsed.question);
    if (!response) return {};
    const auto limited = std::span(buffer_).first(udp_response_limit(parsed));
    const std::size_t size = response->write(parsed, limited);
    return {buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(size)};
  }
  tests::Bytes relay(const std::string& packet) {
    return relay(bytes(packet), query("www.com", 1));
  }

 private:
  std::array<std::uint8_t, max_udp_response> buffer_{};
};

TEST_F(UpstreamMessageTest, BuildsAQueryThatEndsWithAnEmptyOpt) {
  const auto asked = query("Www", 1, {opt(4096, 0x8000, bytes("000a 0008 0102030405060708"))});
  Query parsed;
  ASSERT_EQ(parse_query(asked, parsed), Rcode::no_error);
  std::array<std::uint8_t, max_upstream_query> buffer;
  std::size_t size = write_upstream_query(parsed, 0xabcd, true, buffer);
  EXPECT_EQ(hex(std::span(buffer).first(size)),
            "abcd 0100 0001 0000 0000 0001 0357 7777 0000 0100 0100 0029 04d0 0000 8000 0000");
  size = write_upstream_query(parsed, 0xabcd, false, buffer);
  EXPECT_EQ(hex(std::span(buffer).first(size)),
            "abcd 0100 0001 0000 0000 0000 0357 7777 0000 0100 01");
}

TEST_F(UpstreamMessageTest, RestoresTheIdAndTheSpellingOfTheQuestion) {
  EXPECT_EQ(hex(relay(std::string("9999 8100 0001 0001 0000 0000 ") + question + record)),
            "1234 8180 0001 0001 0000 0000 0377 7777 0363 6f6d 0000 0100 01"
            "c0 0c00 0100 0100 0000 3c00 045d b8d8 22");
}

TEST_F(UpstreamMessageTest, KeepsCodeAaAndAd) {
  EXPECT_EQ(summary(relay(std::string("9999 85a3 0001 0000 0001 0000 ") + question + soa)),
            "nxdomain aa ad 0/1/0");
}

TEST_F(UpstreamMessageTest, GivesAnOptToThoseWhoSentOneOnly) {
  const auto packet =
      bytes(std::string("9999 8180 0001 0001 0000 0001 ") + question + record) + opt(4000);
  EXPECT_EQ(summary(relay(packet, query("www.com", 1))), "noerror 1/0/0");
  const auto response = relay(packet, query("www.com", 1, {opt(4096, 0x8000)}));
  EXPECT_EQ(summary(response), "noerror 1/0/1");
  EXPECT_EQ(hex(std::span(response).last(11)), "0000 2904 d000 0080 0000 00");
}

TEST_F(UpstreamMessageTest, LeavesOutWhatComesBehindTheOpt) {
  const auto packet =
      bytes(std::string("9999 8180 0001 0001 0000 0003 ") + question + record + record) + opt() +
      bytes(record);
  EXPECT_EQ(summary(relay(packet, query("www.com", 1, {opt()}))), "noerror 1/0/2");
}

TEST_F(UpstreamMessageTest, TruncatesAtARecordAndDropsTheOtherSections) {
  std::string packet = std::string("9999 8180 0001 0028 0001 0000 ") + question;
  for (int i = 0; i < 40; ++i)
    packet += record;
  const auto response = relay(packet + soa);
  // 25 bytes of header and question, then 16 each.
  EXPECT_EQ(summary(response), "noerror tc 30/0/0");
  EXPECT_EQ(response.size(), 25u + 30 * 16);
}

TEST_F(UpstreamMessageTest, DropsOnlyTheAdditionalSectionWithoutTruncation) {
  std::string packet = std::string("9999 8180 0001 0001 0000 0028 ") + question;
  for (int i = 0; i < 41; ++i)
    packet += record;
  EXPECT_EQ(summary(relay(packet)), "noerror 1/0/0");
}

TEST_F(UpstreamMessageTest, RefusesWhatIsNoResponseToTheQuestion) {
  const struct {
    const char* what;
    std::string packet;
  } cases[] = {
      {"a query", std::string("9999 0100 0001 0000 0000 0000 ") + question},
      {"another opcode", std::string("9999 a100 0001 0000 0000 0000 ") + question},
      {"no question", "9999 8180 0000 0000 0000 0000"},
      {"another name", "9999 8180 0001 0000 0000 0000 03'wwx'03'com'00 0001 0001"},
      {"another type", "9999 8180 0001 0000 0000 0000 03'www'03'com'00 001c 0001"},
      {"another class", "9999 8180 0001 0000 0000 0000 03'www'03'com'00 0001 0003"},
      {"a cut record", std::string("9999 8180 0001 0001 0000 0000 ") + question + "c00c 0001 0001"},
      {"a missing record", std::string("9999 8180 0001 0002 0000 0000 ") + question + record},
      {"an OPT as answer",
       std::string("9999 8180 0001 0001 0000 0000 ") + question + "00 0029 04d0 00000000 0000"},
  };
  for (const auto& [what, packet] : cases)
    EXPECT_EQ(summary(relay(packet)), "no response") << what;
}

TEST_F(UpstreamMessageTest, DoesNotFoldTheCaseOfTheType) {
  // 65 (HTTPS) is 'A', 97 is 'a'.
  EXPECT_EQ(summary(relay(bytes("9999 8180 0001 0000 0000 0000 03'www'03'com'00 0061 0001"),
                          query("www.com", 65))),
            "no response");
}

TEST_F(UpstreamMessageTest, ReadsTheExtendedCode) {
  const auto packet =
      bytes(std::string("9999 8180 0001 0000 0000 0001 ") + question) + opt(1232, 0x01000000);
  const auto asked = query("www.com", 1);
  Query parsed;
  ASSERT_EQ(parse_query(asked, parsed), Rcode::no_error);
  const auto response = UpstreamResponse::parse(packet, parsed.question);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->rcode(), 16);
}

}  // namespace
}  // namespace dns
