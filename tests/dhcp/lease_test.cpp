#include "netd/dhcp/lease.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/dhcp/values.h"

namespace netd::dhcp {
namespace {

using std::chrono::seconds;
using tests::ip;
using tests::mac;
using tests::prefix;

const ipam::Mac server_mac = mac("02:00:00:00:00:01");
const Time noon{std::chrono::milliseconds(1'790'000'000'000)};

Message ack() {
  Message message{.type = Type::ack, .is_reply = true, .your_address = ip("192.0.2.7")};
  message.set(option::server, ip("192.0.2.1"));
  message.set(option::subnet_mask, ip("255.255.255.0"));
  message.set(option::lease_time, seconds(3600));
  return message;
}

std::optional<Lease> lease(const Message& message) {
  return lease_of(message, server_mac, noon);
}

TEST(Lease, HoldsWhatTheServerSaid) {
  Message message = ack();
  message.set(option::router, std::vector{ip("192.0.2.1"), ip("192.0.2.2")});
  message.set(option::dns_server, std::vector{ip("192.0.2.53")});
  message.set(option::domain, std::string_view("lan.example."));
  message.set(option::mtu, std::uint16_t{1400});
  message.set(option::renewal_time, seconds(600));
  message.set(option::rebinding_time, seconds(1200));
  const auto granted = lease(message);
  ASSERT_TRUE(granted);
  EXPECT_EQ(granted->address, prefix("192.0.2.7/24"));
  EXPECT_EQ(granted->routers, (std::vector{ip("192.0.2.1"), ip("192.0.2.2")}));
  EXPECT_EQ(granted->dns, std::vector{ip("192.0.2.53")});
  EXPECT_EQ(granted->domain, "lan.example");
  EXPECT_EQ(granted->mtu, 1400);
  EXPECT_EQ(granted->server, ip("192.0.2.1"));
  EXPECT_EQ(granted->server_mac, server_mac);
  EXPECT_EQ(granted->renewal(), noon + seconds(600));
  EXPECT_EQ(granted->rebinding(), noon + seconds(1200));
  EXPECT_EQ(granted->expiry(), noon + seconds(3600));
}

TEST(Lease, NeedsAnAddressAServerAndALifetime) {
  for (const std::uint8_t code : {option::server, option::lease_time}) {
    Message message = ack();
    message.options.erase(code);
    EXPECT_FALSE(lease(message));
  }
  for (const char* address : {"0.0.0.0", "0.0.0.1", "127.0.0.1", "224.0.0.1", "255.255.255.255"}) {
    Message message = ack();
    message.your_address = ip(address);
    EXPECT_FALSE(lease(message)) << address;
  }
  Message short_lived = ack();
  short_lived.set(option::lease_time, seconds(0));
  EXPECT_FALSE(lease(short_lived));
}

TEST(Lease, RefusesAMaskWithHoles) {
  for (const char* mask : {"255.0.255.0", "0.0.0.255", "0.0.0.0"}) {
    Message message = ack();
    message.set(option::subnet_mask, ip(mask));
    EXPECT_FALSE(lease(message)) << mask;
  }
}

TEST(Lease, AMissingMaskIsThatOfTheClass) {
  Message message = ack();
  message.options.erase(option::subnet_mask);
  EXPECT_EQ(lease(message)->address, prefix("192.0.2.7/24"));
  message.your_address = ip("172.16.0.7");
  EXPECT_EQ(lease(message)->address, prefix("172.16.0.7/16"));
  message.your_address = ip("10.0.0.7");
  EXPECT_EQ(lease(message)->address, prefix("10.0.0.7/8"));
}

TEST(Lease, MissingTimesAreAHalfAndSevenEighths) {
  EXPECT_EQ(lease(ack())->renew_after, seconds(1800));
  EXPECT_EQ(lease(ack())->rebind_after, seconds(3150));
}

TEST(Lease, TimesThatMakeNoSenseCountAsMissing) {
  Message message = ack();
  message.set(option::renewal_time, seconds(3000));
  message.set(option::rebinding_time, seconds(2000));
  EXPECT_EQ(lease(message)->renew_after, seconds(1800));
  message.set(option::rebinding_time, seconds(4000));
  EXPECT_EQ(lease(message)->rebind_after, seconds(3150));
}

TEST(Lease, CanBeForEver) {
  Message message = ack();
  message.set(option::lease_time, seconds(0xffffffff));
  const auto granted = lease(message);
  ASSERT_TRUE(granted);
  EXPECT_TRUE(granted->is_for_ever());
  EXPECT_GT(granted->renewal(), noon + std::chrono::years(60));
}

TEST(Lease, ClasslessRoutesReplaceTheRouters) {
  Message message = ack();
  message.set(option::router, ip("192.0.2.1"));
  message.set_routes({{prefix("0.0.0.0/0"), ip("192.0.2.254")},
                      {prefix("10.0.0.0/8"), ip("192.0.2.2")},
                      {prefix("10.9.0.0/16"), ip("0.0.0.0")}});
  const auto granted = lease(message);
  ASSERT_TRUE(granted);
  EXPECT_EQ(granted->routers, std::vector{ip("192.0.2.254")});
  EXPECT_EQ(granted->routes, (std::vector<Route>{{prefix("10.0.0.0/8"), ip("192.0.2.2")},
                                                 {prefix("10.9.0.0/16"), ip("0.0.0.0")}}));
}

TEST(Lease, LeavesOutSettingsThatMakeNoSense) {
  Message message = ack();
  message.set(option::router, std::vector{ip("0.0.0.0"), ip("192.0.2.1")});
  message.set(option::dns_server, std::vector{ip("255.255.255.255"), ip("192.0.2.53")});
  message.set(option::mtu, std::uint16_t{68});
  message.set_routes({});
  message.options.erase(option::classless_routes);
  const auto granted = lease(message);
  ASSERT_TRUE(granted);
  EXPECT_EQ(granted->routers, std::vector{ip("192.0.2.1")});
  EXPECT_EQ(granted->dns, std::vector{ip("192.0.2.53")});
  EXPECT_FALSE(granted->mtu);
}

TEST(Lease, ADomainCannotWriteIntoAResolvConf) {
  for (const char* domain : {"lan\nnameserver 192.0.2.66", "lan example", "a..b", ".lan", "l;n"}) {
    Message message = ack();
    message.set(option::domain, std::string_view(domain));
    EXPECT_EQ(lease(message)->domain, "") << domain;
  }
}

Bytes bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

std::vector<std::string> search_of(std::string_view option) {
  Message message = ack();
  message.options[option::domain_search] = bytes_of(option);
  return lease(message)->search;
}

TEST(Lease, HasTheSearchListOfRfc3397) {
  using namespace std::string_view_literals;
  using Names = std::vector<std::string>;
  // The example of RFC 3397 2: the second name ends where the first one has "apple.com".
  EXPECT_EQ(search_of("\3eng\5apple\3com\0\x9marketing\xc0\4"sv),
            (Names{"eng.apple.com", "marketing.apple.com"}));
  EXPECT_EQ(search_of(""sv), Names{});
  EXPECT_EQ(search_of("\3lan\0\0\4home\0"sv), (Names{"lan", "home"})) << "the root is no domain";
}

TEST(Lease, AMalformedSearchListIsReadAsFarAsItGoes) {
  using namespace std::string_view_literals;
  using Names = std::vector<std::string>;
  EXPECT_EQ(search_of("\3lan\0\4hom"sv), Names{"lan"}) << "cut off";
  EXPECT_EQ(search_of("\3lan"sv), Names{}) << "no end";
  EXPECT_EQ(search_of("\3lan\0\xc0"sv), Names{"lan"}) << "half a pointer";
  EXPECT_EQ(search_of("\3lan\0\xc0\5"sv), Names{"lan"}) << "a pointer to itself";
  EXPECT_EQ(search_of("\3lan\xc0\0"sv), Names{}) << "a pointer back for ever";
  EXPECT_EQ(search_of('\x40' + std::string(64, 'a') + '\0'), Names{}) << "a long label";
  EXPECT_EQ(search_of("\5a\nb c\0\3lan\0"sv), Names{"lan"}) << "no line of its own";
}

TEST(Lease, IsTheSameConfigurationWhateverItsTimesAndServer) {
  const Lease one = *lease(ack());
  Lease other = one;
  other.server = ip("192.0.2.9");
  other.obtained += seconds(5);
  EXPECT_TRUE(is_same_configuration(one, other));
  other.dns = {ip("192.0.2.53")};
  EXPECT_FALSE(is_same_configuration(one, other));
  other = one;
  other.search = {"lan"};
  EXPECT_FALSE(is_same_configuration(one, other));
}

TEST(Lease, ComesBackFromJson) {
  Message message = ack();
  message.set(option::router, ip("192.0.2.1"));
  message.set(option::dns_server, ip("192.0.2.53"));
  message.set(option::domain, std::string_view("lan"));
  message.options[option::domain_search] = bytes_of(std::string_view("\4home", 6));
  message.set(option::mtu, std::uint16_t{1400});
  message.set_routes(
      {{prefix("0.0.0.0/0"), ip("192.0.2.1")}, {prefix("10.0.0.0/8"), ip("192.0.2.2")}});
  const Lease granted = *lease(message);
  const std::string text = nlohmann::json(granted).dump();
  EXPECT_EQ(
      text,
      R"({"address":"192.0.2.7/24","dns":["192.0.2.53"],"domain":"lan","lifetime":3600,)"
      R"("mtu":1400,"obtained_ms":1790000000000,"rebind_after":3150,"renew_after":1800,)"
      R"("routers":["192.0.2.1"],"routes":[{"destination":"10.0.0.0/8","gateway":"192.0.2.2"}],)"
      R"("search":["home"],"server":"192.0.2.1","server_mac":"02:00:00:00:00:01"})");
  EXPECT_EQ(nlohmann::json::parse(text).get<Lease>(), granted);
  nlohmann::json older = granted;  // a record of before there were search lists
  older.erase("search");
  EXPECT_EQ(older.get<Lease>().search, std::vector<std::string>());
  EXPECT_EQ(nlohmann::json(*lease(ack())).get<Lease>(), *lease(ack()));
}

TEST(ClientId, IsADuidOfRfc4361ThatANameAlwaysHas) {
  EXPECT_EQ(tests::hex(client_id_of("lan/web")), tests::hex(client_id_of("lan/web")));
  EXPECT_NE(client_id_of("lan/web"), client_id_of("lan/web2"));
  // FNV-1a of nothing is its offset basis.
  EXPECT_EQ(tests::hex(client_id_of("")), "ff6c62272e00046c62272e07bb014262b821756295c58d");
}

}  // namespace
}  // namespace netd::dhcp
