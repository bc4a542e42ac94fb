// The options about routes that all networks have.
#include "drivers/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drivers/bridge.h"
#include "drivers/options.h"

namespace drivers {
namespace {

using testing::HasSubstr;

std::vector<StaticRoute> parse(const std::string& text) {
  return route_options({{std::string(option_routes), text}});
}

std::string refusal(const Options& options) {
  try {
    check_route_options(options);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(RouteOptions, OnTheLinkComesFirst) {
  const auto routes = parse(
      "10.9.0.0/16 via 10.5.0.9 metric 20, 10.8.1.1/24 ,blackhole 10.66.0.0/16,"
      "unreachable fd66::/64 metric 7");
  ASSERT_EQ(routes.size(), 4U);
  EXPECT_EQ(routes[0], (StaticRoute{.destination = *ipam::Prefix::parse("10.8.1.0/24")}));
  EXPECT_EQ(routes[1].type, "blackhole");
  EXPECT_EQ(routes[2].metric, 7U);
  EXPECT_EQ(routes[3], (StaticRoute{.destination = *ipam::Prefix::parse("10.9.0.0/16"),
                                    .next_hop = ipam::Address::parse("10.5.0.9"),
                                    .metric = 20}));
  EXPECT_TRUE(parse("").empty());
}

TEST(RouteOptions, WhatIsWrongIsSaid) {
  for (const auto& [text, why] :
       std::map<std::string, std::string>{{"10.9.0.0/16 via", "no next hop"},
                                          {"10.9.0.0/16 via fd00::1", "no next hop of that family"},
                                          {"10.9.0.0/16 metric x", "no such metric"},
                                          {"10.9.0.0/16 metric -1", "no such metric"},
                                          {"blackhole 10.9.0.0/16 via 10.5.0.9", "unexpected"},
                                          {"0.0.0.0/0 via 10.5.0.9", "default route"},
                                          {"10.9.0.0/16,,", "no destination"},
                                          {"somewhere", "no destination"},
                                          {"10.9.0.0/16 dev eth0", "unexpected \"dev\""}})
    EXPECT_THAT(refusal({{std::string(option_routes), text}}), HasSubstr(why)) << text;
  EXPECT_THAT(refusal({{std::string(option_metric), "-1"}}), HasSubstr("io.netd.metric"));
  EXPECT_THAT(refusal({{std::string(option_no_default_route), "maybe"}}),
              HasSubstr("io.netd.no_default_route"));
}

TEST(RouteOptions, ShapeTheDefaultRoute) {
  Network network;
  network.pools = {
      {.subnet = *ipam::Prefix::parse("10.5.0.0/24"), .gateway = ipam::Address::parse("10.5.0.1")}};
  Endpoint endpoint;
  endpoint.ipv4 = ipam::Prefix::parse("10.5.0.2/24");
  network.options = {{std::string(option_metric), "300"}};
  EXPECT_EQ(Bridge({}).default_route(network, endpoint, ipam::Family::v4)->metric, 300U);
  network.options = {{std::string(option_no_default_route), "true"}};
  EXPECT_FALSE(Bridge({}).default_route(network, endpoint, ipam::Family::v4));
}

TEST(RouteOptions, AreOfTheFamiliesThatTheEndpointHas) {
  Network network;
  network.options = {{std::string(option_routes), "10.9.0.0/16,fd09::/64"}};
  Endpoint endpoint;
  endpoint.ipv4 = ipam::Prefix::parse("10.5.0.2/24");
  EXPECT_EQ(Bridge({}).routes(network, endpoint).size(), 1U);
}

}  // namespace
}  // namespace drivers
