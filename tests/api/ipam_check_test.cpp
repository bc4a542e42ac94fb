#include "netd/ipam_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace netd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

PoolRequest pool(const char* subnet, const char* gateway = nullptr, const char* range = nullptr) {
  PoolRequest request;
  if (subnet) request.subnet = ipam::Prefix::parse(subnet);
  if (gateway) request.gateway = ipam::Address::parse(gateway);
  if (range) request.range = ipam::Prefix::parse(range);
  return request;
}

TEST(IpamCheck, AcceptsWhatFits) {
  EXPECT_THAT(check_pools({}, false), IsEmpty());
  EXPECT_THAT(check_pools({PoolRequest{}}, false), IsEmpty());
  auto request = pool("10.0.0.0/16", "10.0.0.1", "10.0.1.0/24");
  request.auxiliary["router"] = *ipam::Address::parse("10.0.0.9");
  EXPECT_THAT(check_pools({request, pool("fd00::/64", "fd00::1")}, true), IsEmpty());
}

TEST(IpamCheck, NamesHostBits) {
  EXPECT_THAT(check_pools({pool("10.0.0.1/8")}, false),
              ElementsAre("invalid subnet 10.0.0.1/8: it should be 10.0.0.0/8"));
  EXPECT_THAT(check_pools({pool("10.0.0.0/16", nullptr, "10.0.1.1/24")}, false),
              ElementsAre("invalid ip-range 10.0.1.1/24: it should be 10.0.1.0/24"));
}

TEST(IpamCheck, NamesRangesThatDoNotFit) {
  EXPECT_THAT(
      check_pools({pool("10.0.0.0/16", nullptr, "10.0.0.0/8")}, false),
      ElementsAre("invalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent subnet "
                  "10.0.0.0/16"));
  EXPECT_THAT(check_pools({pool("10.0.0.0/16", nullptr, "192.168.0.0/24")}, false),
              ElementsAre("invalid ip-range 192.168.0.0/24: parent subnet 10.0.0.0/16 doesn't "
                          "contain ip-range"));
  EXPECT_THAT(check_pools({pool("10.0.0.0/16", nullptr, "fd00::/64")}, false),
              ElementsAre("invalid ip-range fd00::/64: parent subnet is an IPv4 block"));
}

TEST(IpamCheck, NamesAddressesOutsideTheSubnet) {
  auto request = pool("10.0.0.0/16", "10.1.0.1");
  request.auxiliary["router"] = *ipam::Address::parse("10.2.0.1");
  EXPECT_THAT(
      check_pools({request}, false),
      ElementsAre(
          "invalid gateway 10.1.0.1: parent subnet 10.0.0.0/16 doesn't contain this address",
          "invalid auxiliary address router: parent subnet 10.0.0.0/16 doesn't contain this "
          "address"));
  EXPECT_THAT(check_pools({pool("fd00::/64", "10.0.0.1")}, true),
              ElementsAre("invalid gateway 10.0.0.1: parent subnet is an IPv6 block"));
}

TEST(IpamCheck, WantsASubnetForEverythingElse) {
  EXPECT_THAT(check_pools({pool(nullptr, "10.0.0.1")}, false),
              ElementsAre("invalid gateway 10.0.0.1: there is no parent subnet: give one with "
                          "--subnet"));
}

TEST(IpamCheck, SkipsIpv6UnlessEnabled) {
  EXPECT_THAT(check_pools({pool("fd00::1/64", "10.0.0.1")}, false), IsEmpty());
}

}  // namespace
}  // namespace netd
