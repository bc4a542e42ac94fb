#include "drivers/remote.h"

#include <gtest/gtest.h>

namespace drivers {
namespace {

using ipam::Family;

const Sandbox web{.id = "web", .netns = "/run/netd/netns/web"};

ipam::Address address(const char* text) {
  return ipam::Address::parse(text).value();
}
ipam::Prefix prefix(const char* text) {
  return ipam::Prefix::parse(text).value();
}

Endpoint joined_endpoint() {
  Endpoint endpoint;
  endpoint.sandbox_link = "eth0";
  endpoint.sandbox_index = 0x10000001;
  endpoint.mac = ipam::Mac::parse("02:42:0a:01:00:02").value();
  endpoint.ipv4 = prefix("10.1.0.2/16");
  endpoint.joined = Joined{.source_link = "vc12",
                           .gateway4 = address("10.1.0.1"),
                           .gateway6 = {},
                           .routes = {{prefix("10.9.0.0/16"), address("169.254.1.1")},
                                      {prefix("169.254.1.1/32"), std::nullopt}}};
  return endpoint;
}

TEST(RemotePlan, MovesThePluginsLinkAndSetsItUp) {
  EXPECT_EQ(sandbox::to_text(Remote().endpoint_plan({}, joined_endpoint(), web)),
            R"(move vc12 to eth0 index 268435457 in /run/netd/netns/web
link 268435457 mac 02:42:0a:01:00:02 in /run/netd/netns/web
address 10.1.0.2/16 link 268435457 in /run/netd/netns/web
link 268435457 ipv6-link-local off up in /run/netd/netns/web
route 169.254.1.1/32 link 268435457 in /run/netd/netns/web
route 10.9.0.0/16 via 169.254.1.1 link 268435457 in /run/netd/netns/web
)");
}

TEST(RemotePlan, IsEmptyUntilThePluginHasAnswered) {
  Endpoint endpoint = joined_endpoint();
  endpoint.joined.reset();
  EXPECT_TRUE(Remote().endpoint_plan({}, endpoint, web).empty());
}

TEST(RemotePlan, IsEmptyWhenThePluginMovesItsLinkItself) {
  Endpoint endpoint = joined_endpoint();
  endpoint.joined->source_link.clear();
  EXPECT_TRUE(Remote().endpoint_plan({}, endpoint, web).empty());
}

TEST(RemoteGateway, IsTheEndpointsOwn) {
  const Endpoint endpoint = joined_endpoint();
  EXPECT_EQ(Remote().gateway({}, endpoint, Family::v4), address("10.1.0.1"));
  EXPECT_EQ(Remote().gateway({}, endpoint, Family::v6), std::nullopt);
  EXPECT_EQ(Remote().gateway({.internal = true}, endpoint, Family::v4), std::nullopt);
}

}  // namespace
}  // namespace drivers
