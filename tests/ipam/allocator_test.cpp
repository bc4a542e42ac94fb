#include "ipam/allocator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace ipam {
namespace {

Prefix prefix(std::string_view text) {
  return Prefix::parse(text).value();
}
Lease whole(std::string_view subnet) {
  return {.subnet = prefix(subnet)};
}
Lease ranged(std::string_view subnet, std::string_view range) {
  return {.subnet = prefix(subnet), .range = prefix(range), .shared = true};
}

std::string text(const std::optional<Prefix>& found) {
  return found ? found->to_string() : "none";
}
std::string text(const std::optional<Conflict>& found) {
  return found ? found->with.to_string() : "none";
}

Allocator docker_space() {
  return Allocator(complete_address_pools({}, 0x1122334455667788));
}

std::vector<std::string> choose_all(Allocator& space, Family family, std::size_t most,
                                    std::optional<int> size = std::nullopt) {
  std::vector<std::string> given;
  while (given.size() < most) {
    const auto next = space.choose(family, {}, size);
    if (!next) break;
    given.push_back(next->to_string());
  }
  return given;
}

using Texts = std::vector<std::string>;

TEST(DefaultPools, AreDockersThirtyOneNetworksInOrder) {
  Allocator space = docker_space();
  EXPECT_EQ(choose_all(space, Family::v4, 100),
            (Texts{"172.17.0.0/16",    "172.18.0.0/16",    "172.19.0.0/16",    "172.20.0.0/16",
                   "172.21.0.0/16",    "172.22.0.0/16",    "172.23.0.0/16",    "172.24.0.0/16",
                   "172.25.0.0/16",    "172.26.0.0/16",    "172.27.0.0/16",    "172.28.0.0/16",
                   "172.29.0.0/16",    "172.30.0.0/16",    "172.31.0.0/16",    "192.168.0.0/20",
                   "192.168.16.0/20",  "192.168.32.0/20",  "192.168.48.0/20",  "192.168.64.0/20",
                   "192.168.80.0/20",  "192.168.96.0/20",  "192.168.112.0/20", "192.168.128.0/20",
                   "192.168.144.0/20", "192.168.160.0/20", "192.168.176.0/20", "192.168.192.0/20",
                   "192.168.208.0/20", "192.168.224.0/20", "192.168.240.0/20"}));
}

TEST(DefaultPools, CutSlash64sFromTheHostsUniqueLocalPrefix) {
  Allocator space = docker_space();
  EXPECT_EQ(choose_all(space, Family::v6, 3),
            (Texts{"fd44:5566:7788::/64", "fd44:5566:7788:1::/64", "fd44:5566:7788:2::/64"}));
}

TEST(DefaultPools, UniqueLocalPrefixIsTheLowFortyBitsOfTheDigest) {
  EXPECT_EQ(unique_local_prefix(0x1122334455667788).to_string(), "fd44:5566:7788::/48");
  EXPECT_EQ(unique_local_prefix(0).to_string(), "fd00::/48");
  EXPECT_EQ(unique_local_prefix(~std::uint64_t{0}).to_string(), "fdff:ffff:ffff::/48");
}

TEST(DefaultPools, ConfiguredOnesReplaceTheirFamilyOnly) {
  Allocator v4(complete_address_pools({{prefix("10.0.0.0/8"), 24}}, 1));
  EXPECT_EQ(text(v4.choose(Family::v4, {})), "10.0.0.0/24");
  EXPECT_EQ(text(v4.choose(Family::v6, {})), "fd00:0:1::/64");
  Allocator v6(complete_address_pools({{prefix("2001:db8::/32"), 64}}, 1));
  EXPECT_EQ(text(v6.choose(Family::v6, {})), "2001:db8::/64");
  EXPECT_EQ(text(v6.choose(Family::v4, {})), "172.17.0.0/16");
}

TEST(AddressPool, NeedsASizeBetweenItsLengthAndTheFamilysBits) {
  EXPECT_TRUE((AddressPool{prefix("10.0.0.0/8"), 24}.is_valid()));
  EXPECT_TRUE((AddressPool{prefix("10.0.0.0/8"), 8}.is_valid()));
  EXPECT_FALSE((AddressPool{prefix("10.0.0.0/16"), 8}.is_valid()));
  EXPECT_FALSE((AddressPool{prefix("10.0.0.0/16"), 33}.is_valid()));
  EXPECT_FALSE((AddressPool{prefix("0.0.0.0/0"), 0}.is_valid()));
}

TEST(Allocator, SortsPoolsAndDropsOverlappingOnes) {
  const Allocator space({{prefix("192.168.0.0/16"), 24},
                         {prefix("10.1.0.0/16"), 24},
                         {prefix("10.9.9.9/8"), 20},
                         {prefix("172.16.0.0/12"), 8}});
  EXPECT_EQ(space.pools(),
            (std::vector<AddressPool>{{prefix("10.0.0.0/8"), 20}, {prefix("192.168.0.0/16"), 24}}));
}

TEST(Allocator, ReusesAFreedSubnetLowestFirst) {
  Allocator space = docker_space();
  choose_all(space, Family::v4, 3);
  space.release(whole("172.18.0.0/16"));
  EXPECT_EQ(text(space.choose(Family::v4, {})), "172.18.0.0/16");
  EXPECT_EQ(text(space.choose(Family::v4, {})), "172.20.0.0/16");
}

TEST(Allocator, SkipsReservedPrefixes) {
  Allocator space = docker_space();
  const std::vector<Prefix> reserved{prefix("172.17.3.0/24"), prefix("172.18.0.2/32"),
                                     prefix("172.20.0.0/15"), prefix("fd44:5566:7788::1/128")};
  EXPECT_EQ(text(space.choose(Family::v4, reserved)), "172.19.0.0/16");
  EXPECT_EQ(text(space.choose(Family::v4, reserved)), "172.22.0.0/16");
  EXPECT_EQ(text(space.choose(Family::v6, reserved)), "fd44:5566:7788:1::/64");
}

TEST(Allocator, SkipsWhatUsersTookInsideAndAroundThePools) {
  Allocator space = docker_space();
  EXPECT_EQ(text(space.take(whole("172.17.200.0/24"))), "none");
  EXPECT_EQ(text(space.take(whole("172.18.0.0/15"))), "none");
  EXPECT_EQ(text(space.choose(Family::v4, {})), "172.20.0.0/16");
}

TEST(Allocator, AWiderReservationThanThePoolUsesItUp) {
  Allocator space({{prefix("10.0.0.0/16"), 24}});
  const std::vector<Prefix> reserved{prefix("10.0.0.0/8")};
  EXPECT_EQ(text(space.choose(Family::v4, reserved)), "none");
}

TEST(Allocator, ReachesTheEndOfTheAddressSpace) {
  Allocator v4({{prefix("255.255.255.0/24"), 25}});
  EXPECT_EQ(choose_all(v4, Family::v4, 9), (Texts{"255.255.255.0/25", "255.255.255.128/25"}));
  Allocator v6({{prefix("ffff:ffff:ffff:ffff::/64"), 65}});
  EXPECT_EQ(choose_all(v6, Family::v6, 9),
            (Texts{"ffff:ffff:ffff:ffff::/65", "ffff:ffff:ffff:ffff:8000::/65"}));
}

TEST(Allocator, ASizeRequestCutsThePoolsDifferently) {
  Allocator space = docker_space();
  EXPECT_EQ(choose_all(space, Family::v4, 2, 24), (Texts{"172.17.0.0/24", "172.17.1.0/24"}));
  EXPECT_EQ(text(space.choose(Family::v4, {})), "172.18.0.0/16");
  EXPECT_EQ(text(space.choose(Family::v4, {}, 14)), "172.20.0.0/14");
  EXPECT_EQ(text(space.choose(Family::v6, {}, 56)), "fd44:5566:7788::/56");
}

TEST(Allocator, TellsAnImpossibleSizeFromExhaustion) {
  Allocator space({{prefix("10.0.0.0/16"), 17}});
  EXPECT_EQ(text(space.choose(Family::v4, {}, 12)), "none");
  EXPECT_FALSE(space.can_choose(Family::v4, 12));
  EXPECT_FALSE(space.can_choose(Family::v4, 33));
  EXPECT_FALSE(space.can_choose(Family::v6));
  EXPECT_EQ(choose_all(space, Family::v4, 9), (Texts{"10.0.0.0/17", "10.0.128.0/17"}));
  EXPECT_TRUE(space.can_choose(Family::v4));
}

TEST(Allocator, RecognisesSizeRequests) {
  EXPECT_TRUE(is_size_request(prefix("0.0.0.0/24")));
  EXPECT_TRUE(is_size_request(prefix("::/56")));
  EXPECT_FALSE(is_size_request(prefix("0.0.0.0/0")));
  EXPECT_FALSE(is_size_request(prefix("::/0")));
  EXPECT_FALSE(is_size_request(prefix("0.0.0.1/24")));
}

TEST(Allocator, NamesWhatOverlaps) {
  Allocator space = docker_space();
  ASSERT_EQ(text(space.take(whole("10.1.0.0/16"))), "none");
  EXPECT_EQ(text(space.take(whole("10.1.0.0/16"))), "10.1.0.0/16");
  EXPECT_EQ(text(space.take(whole("10.1.9.0/24"))), "10.1.0.0/16");  // inside
  EXPECT_EQ(text(space.take(whole("10.0.0.0/8"))), "10.1.0.0/16");   // around
  EXPECT_EQ(text(space.take(whole("0.0.0.0/0"))), "10.1.0.0/16");
  EXPECT_EQ(text(space.take(whole("10.2.0.0/16"))), "none");
  EXPECT_EQ(text(space.take(whole("::/0"))), "none");
  EXPECT_EQ(space.size(), 3u);
}

TEST(Allocator, IgnoresHostBitsOfALease) {
  Allocator space = docker_space();
  space.take(whole("10.1.2.3/16"));
  EXPECT_EQ(text(space.find_conflict(whole("10.1.0.0/16"))), "10.1.0.0/16");
  space.release(whole("10.1.9.9/16"));
  EXPECT_EQ(space.size(), 0u);
}

TEST(Allocator, ReleasingAnUnknownLeaseChangesNothing) {
  Allocator space = docker_space();
  space.take(whole("10.1.0.0/16"));
  space.release(whole("10.1.0.0/24"));
  space.release(ranged("10.1.0.0/16", "10.1.1.0/24"));
  EXPECT_EQ(space.size(), 1u);
}

TEST(Allocator, SharersMayDivideOneSubnetByRanges) {
  Allocator space = docker_space();
  EXPECT_EQ(text(space.take(ranged("192.168.1.0/24", "192.168.1.64/26"))), "none");
  EXPECT_EQ(text(space.take(ranged("192.168.1.0/24", "192.168.1.128/26"))), "none");
  EXPECT_EQ(text(space.take(ranged("192.168.0.0/16", "192.168.9.0/24"))), "none");
  EXPECT_EQ(text(space.take(ranged("192.168.1.0/24", "192.168.1.96/27"))), "192.168.1.0/24");
}

TEST(Allocator, WhoDoesNotShareKeepsTheSubnetAlone) {
  Allocator space = docker_space();
  space.take(ranged("192.168.1.0/24", "192.168.1.64/26"));
  Lease exclusive = ranged("192.168.1.0/24", "192.168.1.128/26");
  exclusive.shared = false;
  EXPECT_EQ(text(space.take(exclusive)), "192.168.1.0/24");
  EXPECT_EQ(text(space.take(whole("192.168.1.0/24"))), "192.168.1.0/24");
  space.take(whole("192.168.7.0/24"));
  EXPECT_EQ(text(space.take(ranged("192.168.7.0/24", "192.168.7.128/26"))), "192.168.7.0/24");
}

TEST(Allocator, EachSharerReleasesItsOwnLease) {
  Allocator space = docker_space();
  space.take(ranged("192.168.1.0/24", "192.168.1.64/26"));
  space.take(ranged("192.168.1.0/24", "192.168.1.128/26"));
  space.release(ranged("192.168.1.0/24", "192.168.1.64/26"));
  EXPECT_EQ(text(space.take(ranged("192.168.1.0/24", "192.168.1.128/26"))), "192.168.1.0/24");
  EXPECT_EQ(text(space.take(ranged("192.168.1.0/24", "192.168.1.64/26"))), "none");
}

TEST(Allocator, ChoosesThousandsOfSubnetsQuicklyAndInOrder) {
  Allocator space({{prefix("10.0.0.0/8"), 24}});
  const auto given = choose_all(space, Family::v4, 2000);
  EXPECT_EQ(given.front(), "10.0.0.0/24");
  EXPECT_EQ(given.back(), "10.7.207.0/24");
}

/// Random takes, choices and releases against a plain list that compares everything with
/// everything.
TEST(AllocatorProperty, NeverLeasesOverlappingSubnetsAndAlwaysTheLowest) {
  Allocator space({{prefix("10.0.0.0/22"), 25}, {prefix("10.8.0.0/22"), 26}});
  const std::vector<Prefix> reserved{prefix("10.0.1.0/24"), prefix("10.8.0.77/32")};
  std::vector<Prefix> held;
  std::mt19937 random(7);
  const auto is_free = [&](const Prefix& wanted) {
    return std::none_of(held.begin(), held.end(),
                        [&](const Prefix& p) { return p.overlaps(wanted); });
  };
  for (int round = 0; round < 3000; ++round) {
    const auto pick = random() % 5;
    if (pick < 2) {
      std::optional<Prefix> expected;
      for (const AddressPool& pool : space.pools()) {
        for (Prefix p{pool.base.address, pool.size}; !expected && pool.base.contains(p);
             p.address = Address::from_value(Family::v4, p.last().value() + 1)) {
          if (is_free(p) && !p.overlaps(reserved[0]) && !p.overlaps(reserved[1])) expected = p;
        }
      }
      ASSERT_EQ(text(space.choose(Family::v4, reserved)), text(expected)) << "round " << round;
      if (expected) held.push_back(*expected);
    } else if (pick == 2) {
      const std::uint32_t base = random() % 2 ? 0x0a000000u : 0x0a080000u;
      const Prefix wanted =
          Prefix{Address::v4(base + random() % 1024), 23 + static_cast<int>(random() % 10)}
              .masked();
      ASSERT_EQ(!space.take({.subnet = wanted}), is_free(wanted)) << wanted.to_string();
      if (is_free(wanted)) held.push_back(wanted);
    } else if (!held.empty()) {
      const auto victim = held.begin() + static_cast<std::ptrdiff_t>(random() % held.size());
      space.release({.subnet = *victim});
      held.erase(victim);
    }
    ASSERT_EQ(space.size(), held.size()) << "round " << round;
  }
}

}  // namespace
}  // namespace ipam
