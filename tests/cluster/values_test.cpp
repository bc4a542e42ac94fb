#include "netd/cluster/values.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace {

using namespace netd::cluster;

Network shop() {
  Network network{.id = "aa", .name = "shop", .vni = 4097, .mtu = 1450, .ipv6 = true};
  network.pools.push_back({.subnet = *ipam::Prefix::parse("10.0.0.0/24"),
                           .gateway = ipam::Address::parse("10.0.0.1"),
                           .range = std::nullopt,
                           .auxiliary = {{"router", *ipam::Address::parse("10.0.0.9")}}});
  network.options["com.docker.network.driver.mtu"] = "1450";
  network.labels["team"] = "a";
  network.token = "t";
  return network;
}

TEST(ClusterValues, OfANetworkComeBack) {
  const std::string text = to_text(shop());
  const auto network = parse_value<Network>(text);
  EXPECT_EQ(to_text(network), text);
  EXPECT_EQ(network.vni, 4097u);
  EXPECT_EQ(network.pools.at(0).auxiliary.at("router"), ipam::Address::parse("10.0.0.9"));
  EXPECT_EQ(network.rest, "");
}

TEST(ClusterValues, KeepWhatANewerNetdWrote) {
  auto json = nlohmann::json::parse(to_text(shop()));
  json["colour"] = "red";
  const auto network = parse_value<Network>(json.dump());
  EXPECT_EQ(nlohmann::json::parse(to_text(network)), json);
}

TEST(ClusterValues, OfAnEndpointComeBack) {
  const Endpoint endpoint{.id = "ee",
                          .network = "aa",
                          .host = "h1",
                          .mac = *ipam::Mac::parse("02:42:0a:00:00:02"),
                          .ipv4 = ipam::Prefix::parse("10.0.0.2/24"),
                          .ipv6 = std::nullopt,
                          .names = {"web", "www"},
                          .token = "t"};
  EXPECT_EQ(parse_value<Endpoint>(to_text(endpoint)), endpoint);
}

TEST(ClusterValues, OfAHostComeBack) {
  const HostInfo host{.id = "h1",
                      .name = "one",
                      .vtep = *ipam::Address::parse("192.0.2.1"),
                      .mtu = 1500,
                      .boot = "b",
                      .version = "0.1"};
  EXPECT_EQ(parse_value<HostInfo>(to_text(host)), host);
  HostInfo encrypts = host;
  encrypts.encryption = {
      .key = "k", .next = "n", .inside = *ipam::Address::parse("169.254.64.1"), .port = 51871};
  encrypts.expects = {{"h2", "its next key"}};
  EXPECT_EQ(parse_value<HostInfo>(to_text(encrypts)), encrypts);
  const auto meta = parse_value<Meta>(
      to_text(Meta{.cluster = "c", .vxlan_port = 8472, .underlay = ipam::Family::v6}));
  EXPECT_EQ(meta.underlay, ipam::Family::v6);
  EXPECT_EQ(meta.vxlan_port, 8472);
  EXPECT_EQ(parse_value<HostLive>(to_text(HostLive{"n", "b"})).nonce, "n");
}

TEST(ClusterValues, ThatCantBeReadSayWhatIsWrong) {
  for (const char* text : {"", "{", "[]", "7", R"({"v":1})", R"({"v":"1"})",
                           R"({"v":1,"host":1,"endpoint":"","token":""})"}) {
    EXPECT_THROW(parse_value<Holder>(text), BadValue) << text;
    EXPECT_THROW(parse_value<Network>(text), BadValue) << text;
    EXPECT_THROW(parse_value<Endpoint>(text), BadValue) << text;
    EXPECT_THROW(parse_value<Meta>(text), BadValue) << text;
  }
  auto json = nlohmann::json::parse(to_text(shop()));
  json["vni"] = 1 << 24;
  EXPECT_THROW(parse_value<Network>(json.dump()), BadValue);
  json["v"] = 2;
  try {
    parse_value<Network>(json.dump());
    FAIL() << "a newer version was read";
  } catch (const BadValue& error) {
    EXPECT_STREQ(error.what(), "network of version 2: this netd knows version 1 only, upgrade it");
  }
}

TEST(ClusterValues, HaveATokenOrNone) {
  EXPECT_EQ(token_of(to_text(shop())), "t");
  EXPECT_EQ(token_of(to_text(Holder{"h", "e", "x"})), "x");
  for (const char* text : {"", "{}", "[]", R"({"token":1})", "nonsense"})
    EXPECT_EQ(token_of(text), "") << text;
}

}  // namespace
