#include "netd/cluster/keys.h"

#include <gtest/gtest.h>

namespace {

using ipam::Address;
using netd::cluster::Keys;

TEST(ClusterKeys, AreBelowThePrefix) {
  const Keys keys("/netd/v1");
  EXPECT_EQ(keys.prefix(), "/netd/v1/");
  EXPECT_EQ(Keys("/netd/v1/").prefix(), "/netd/v1/");
  EXPECT_EQ(keys.meta(), "/netd/v1/meta");
  EXPECT_EQ(keys.network("aa"), "/netd/v1/net/aa");
  EXPECT_EQ(keys.network_name("shop"), "/netd/v1/netname/shop");
  EXPECT_EQ(keys.vni(4096), "/netd/v1/vni/001000");
  EXPECT_EQ(keys.pool(*ipam::Prefix::parse("10.1.2.3/24")), "/netd/v1/pool/10.1.2.0/24");
  EXPECT_EQ(keys.address("aa", *Address::parse("10.0.0.2")), "/netd/v1/ip/aa/0a000002");
  EXPECT_EQ(keys.address("aa", *Address::parse("fd00::1")),
            "/netd/v1/ip/aa/fd000000000000000000000000000001");
  EXPECT_EQ(keys.endpoint("aa", "h1", "ee"), "/netd/v1/ep/aa/h1/ee");
  EXPECT_EQ(keys.host_live("h1"), "/netd/v1/host/h1/live");
}

TEST(ClusterKeys, RefuseAPrefixThatIsNoPath) {
  EXPECT_THROW(Keys("netd"), std::invalid_argument);
  EXPECT_THROW(Keys(""), std::invalid_argument);
}

TEST(ClusterKeys, AreReadBack) {
  const Keys keys("/c/");
  const auto endpoint = keys.parse_endpoint(keys.endpoint("aa", "h1", "ee"));
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->network, "aa");
  EXPECT_EQ(endpoint->host, "h1");
  EXPECT_EQ(endpoint->endpoint, "ee");
  for (const char* text : {"10.0.0.2", "fd00::1", "255.255.255.255", "::"})
    EXPECT_EQ(keys.parse_address(keys.address("aa", *Address::parse(text))), Address::parse(text));
  EXPECT_EQ(keys.parse_host("/c/host/h1/dead")->what, "dead");
  EXPECT_EQ(keys.parse_network("/c/net/aa"), "aa");
  EXPECT_EQ(keys.parse_pool("/c/pool/10.0.0.0/24"), ipam::Prefix::parse("10.0.0.0/24"));
}

TEST(ClusterKeys, OfAnotherShapeAreNone) {
  const Keys keys("/c/");
  for (const char* key :
       {"", "/c/", "/c/ep/", "/c/ep/aa/h1", "/c/ep/aa//ee", "/c/ep/a/b/c/d", "/d/ep/a/b/c"})
    EXPECT_FALSE(keys.parse_endpoint(key)) << key;
  for (const char* key :
       {"/c/ip/aa/", "/c/ip/aa/0a00", "/c/ip/aa/0a00000g", "/c/ip/0a000002", "/c/ip/aa/ 1000002"})
    EXPECT_FALSE(keys.parse_address(key)) << key;
  EXPECT_FALSE(keys.parse_host("/c/host/h1"));
  EXPECT_FALSE(keys.parse_network("/c/net/"));
  EXPECT_FALSE(keys.parse_network("/c/net/a/b"));
  EXPECT_FALSE(keys.parse_pool("/c/pool/ten"));
}

}  // namespace
