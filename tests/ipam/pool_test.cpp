#include "ipam/pool.h"

#include <gtest/gtest.h>

#include <iterator>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace ipam {
namespace {

constexpr std::uint64_t saturated = 18446744073709551615u;

Prefix prefix(std::string_view text) {
  return Prefix::parse(text).value();
}
Address address(std::string_view text) {
  return Address::parse(text).value();
}

std::string text(const std::optional<Address>& found) {
  return found ? found->to_string() : "none";
}

/// Everything the pool still gives, at most `most` addresses.
std::vector<std::string> drain(Pool& pool, std::size_t most = 1000) {
  std::vector<std::string> given;
  while (given.size() < most) {
    const auto next = pool.allocate();
    if (!next) break;
    given.push_back(next->to_string());
  }
  return given;
}

using Texts = std::vector<std::string>;

TEST(Pool, NeverGivesNetworkAndBroadcastOfAnIpv4Subnet) {
  Pool pool(prefix("10.5.0.0/29"));
  EXPECT_EQ(drain(pool),
            (Texts{"10.5.0.1", "10.5.0.2", "10.5.0.3", "10.5.0.4", "10.5.0.5", "10.5.0.6"}));
  EXPECT_EQ(pool.in_use(), 8u);
  EXPECT_EQ(pool.available(), 0u);
  EXPECT_FALSE(pool.allocate_first());
}

TEST(Pool, NeverGivesTheRouterAnycastAddressOfAnIpv6Subnet) {
  Pool pool(prefix("fd00::/126"));
  EXPECT_EQ(drain(pool), (Texts{"fd00::1", "fd00::2", "fd00::3"}));
}

TEST(Pool, GivesEveryAddressOfPointToPointAndHostSubnets) {
  Pool v4_pair(prefix("10.0.0.0/31"));
  Pool v4_host(prefix("10.0.0.7/32"));
  Pool v6_pair(prefix("fd00::/127"));
  Pool v6_host(prefix("fd00::9/128"));
  EXPECT_EQ(v4_pair.in_use(), 0u);
  EXPECT_EQ(v6_pair.available(), 2u);
  EXPECT_EQ(drain(v4_pair), (Texts{"10.0.0.0", "10.0.0.1"}));
  EXPECT_EQ(drain(v4_host), (Texts{"10.0.0.7"}));
  EXPECT_EQ(drain(v6_pair), (Texts{"fd00::", "fd00::1"}));
  EXPECT_EQ(drain(v6_host), (Texts{"fd00::9"}));
}

TEST(Pool, ReleasesTheEndsOfAPointToPointSubnet) {
  Pool pool(prefix("10.0.0.0/31"));
  drain(pool);
  pool.release(address("10.0.0.0"));
  EXPECT_EQ(text(pool.allocate()), "10.0.0.0");
}

TEST(Pool, ReusesAReleasedAddressLast) {
  Pool pool(prefix("10.5.0.0/29"));
  EXPECT_EQ(text(pool.allocate()), "10.5.0.1");
  EXPECT_EQ(text(pool.allocate()), "10.5.0.2");
  pool.release(address("10.5.0.1"));
  EXPECT_EQ(drain(pool), (Texts{"10.5.0.3", "10.5.0.4", "10.5.0.5", "10.5.0.6", "10.5.0.1"}));
}

TEST(Pool, GivesTheOnlyFreeAddressHoweverOftenItIsReleased) {
  Pool pool(prefix("10.5.0.0/29"));
  drain(pool);
  for (int round = 0; round < 3; ++round) {
    pool.release(address("10.5.0.4"));
    EXPECT_EQ(text(pool.allocate()), "10.5.0.4");
    EXPECT_FALSE(pool.allocate());
  }
}

TEST(Pool, GatewayIsTheLowestFreeAddressAndDoesNotMoveThePlace) {
  Pool pool(prefix("10.5.0.0/24"));
  EXPECT_EQ(text(pool.allocate_first()), "10.5.0.1");
  EXPECT_EQ(text(pool.allocate()), "10.5.0.2");
  EXPECT_EQ(text(pool.allocate()), "10.5.0.3");
  pool.release(address("10.5.0.2"));
  EXPECT_EQ(text(pool.allocate_first()), "10.5.0.2");
  EXPECT_EQ(text(pool.allocate()), "10.5.0.4");
}

TEST(Pool, GatewayOfARangeIsItsFirstAddress) {
  Pool pool(prefix("10.0.0.0/24"), prefix("10.0.0.128/25"));
  EXPECT_EQ(text(pool.allocate_first()), "10.0.0.128");
  EXPECT_EQ(text(pool.allocate()), "10.0.0.129");
}

TEST(Pool, AllocatesWithinTheRangeAndReservesAnywhereInTheSubnet) {
  Pool pool(prefix("10.0.0.0/24"), prefix("10.0.0.252/30"));
  EXPECT_TRUE(pool.reserve(address("10.0.0.5")));
  EXPECT_TRUE(pool.reserve(address("10.0.0.253")));
  EXPECT_EQ(drain(pool), (Texts{"10.0.0.252", "10.0.0.254"}));  // .255 is the subnet's broadcast
}

TEST(Pool, CountsInUseInTheSubnetAndAvailableInTheRange) {
  Pool pool(prefix("10.0.0.0/24"), prefix("10.0.0.252/30"));
  EXPECT_EQ(pool.in_use(), 2u);
  EXPECT_EQ(pool.available(), 3u);
  pool.reserve(address("10.0.0.5"));
  EXPECT_EQ(pool.in_use(), 3u);
  EXPECT_EQ(pool.available(), 3u);
  pool.allocate();
  EXPECT_EQ(pool.in_use(), 4u);
  EXPECT_EQ(pool.available(), 2u);
}

TEST(Pool, ARangeOutsideTheSubnetMeansTheSubnet) {
  Pool pool(prefix("10.0.0.0/24"), prefix("10.0.0.0/16"));
  EXPECT_EQ(pool.range().to_string(), "10.0.0.0/24");
  EXPECT_EQ(text(pool.allocate()), "10.0.0.1");
}

TEST(Pool, IgnoresHostBits) {
  Pool pool(prefix("10.0.0.77/24"), prefix("10.0.0.131/25"));
  EXPECT_EQ(pool.subnet().to_string(), "10.0.0.0/24");
  EXPECT_EQ(pool.range().to_string(), "10.0.0.128/25");
}

TEST(Pool, RefusesToReserveWhatIsTakenOrElsewhere) {
  Pool pool(prefix("10.0.0.0/24"));
  EXPECT_TRUE(pool.reserve(address("10.0.0.9")));
  EXPECT_FALSE(pool.reserve(address("10.0.0.9")));
  EXPECT_FALSE(pool.reserve(address("10.0.0.0")));
  EXPECT_FALSE(pool.reserve(address("10.0.0.255")));
  EXPECT_FALSE(pool.reserve(address("10.0.1.9")));
  EXPECT_FALSE(pool.reserve(address("::9")));
  EXPECT_EQ(pool.in_use(), 3u);
}

TEST(Pool, ReleasingWhatIsFreeOrTheSubnetsOwnChangesNothing) {
  Pool pool(prefix("10.0.0.0/24"));
  for (const char* other : {"10.0.0.0", "10.0.0.255", "10.0.0.7", "10.0.1.7", "fd00::1"}) {
    pool.release(address(other));
  }
  EXPECT_EQ(pool.in_use(), 2u);
  EXPECT_TRUE(pool.is_allocated(address("10.0.0.0")));
  EXPECT_FALSE(pool.is_allocated(address("10.0.1.0")));
}

TEST(Pool, ReservedAddressesAreSkippedByAllocation) {
  Pool pool(prefix("10.0.0.0/29"));
  pool.reserve(address("10.0.0.1"));
  pool.reserve(address("10.0.0.3"));
  EXPECT_EQ(drain(pool), (Texts{"10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"}));
}

TEST(Pool, CountsOfHugeSubnetsSaturate) {
  EXPECT_EQ(Pool(prefix("fd00::/64")).available(), saturated);  // 2^64 less the anycast address
  EXPECT_EQ(Pool(prefix("fd00::/63")).available(), saturated);
  EXPECT_EQ(Pool(prefix("::/0")).available(), saturated);
  EXPECT_EQ(Pool(prefix("fd00::/65")).available(), 9223372036854775807u);
  EXPECT_EQ(Pool(prefix("10.0.0.0/8")).available(), 16777214u);
}

TEST(Pool, WorksAtBothEndsOfHugeSubnets) {
  Pool pool(prefix("::/0"));
  EXPECT_TRUE(pool.reserve(address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")));
  EXPECT_EQ(text(pool.allocate()), "::1");
  Pool half(prefix("::/1"));
  EXPECT_TRUE(half.reserve(address("7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")));
  EXPECT_FALSE(half.reserve(address("8000::")));
  EXPECT_EQ(half.in_use(), 2u);
}

TEST(Pool, AllocatesAcrossChunksAndWrapsAround) {
  Pool pool(prefix("10.0.0.0/20"));
  EXPECT_EQ(drain(pool, 5000).size(), 4094u);
  pool.release(address("10.0.5.5"));
  pool.release(address("10.0.15.254"));
  EXPECT_EQ(text(pool.allocate()), "10.0.5.5");
  EXPECT_EQ(text(pool.allocate()), "10.0.15.254");
  EXPECT_FALSE(pool.allocate());
}

TEST(Pool, HundredsOfThousandsOfAddressesOfASlash64TakeTurns) {
  // One million rounds over a /64 with 10 addresses in use: would need 128 kB a million bits if
  // chunks were kept, and forever if free space were walked over bit by bit.
  Pool pool(prefix("fd00::/64"));
  std::vector<Address> in_use;
  for (int round = 0; round < 1'000'000; ++round) {
    in_use.push_back(pool.allocate().value());
    if (in_use.size() <= 10) continue;
    pool.release(in_use.front());
    in_use.erase(in_use.begin());
  }
  EXPECT_EQ(in_use.back().to_string(), "fd00::f:4240");
  EXPECT_EQ(pool.in_use(), 11u);
  EXPECT_LE(pool.memory_bytes(), 1024u);
}

TEST(Pool, MemoryFollowsWhatIsInUse) {
  EXPECT_LE(Pool(prefix("fd00::/64")).memory_bytes(), 512u);
  EXPECT_LE(Pool(prefix("10.0.0.0/8")).memory_bytes(), 512u);
  Pool pool(prefix("::/1"));
  for (int bit = 0; bit < 127; ++bit) {
    pool.reserve(Address::from_value(Family::v6, Offset{1} << bit));
  }
  EXPECT_LE(pool.memory_bytes(), 128u * 256u);
  drain(pool, 100'000);
  EXPECT_LE(pool.memory_bytes(), 128u * 256u + 100'000u / 2);
}

/// The plain way to do what Pool does.
class Model {
 public:
  Model(const Prefix& subnet, const Prefix& range)
      : subnet_(subnet), range_(range), next_(range.network().value()) {
    if (subnet.length < subnet.address.bits() - 1) {
      own_.insert(subnet.network().value());
      if (subnet.address.is_v4()) own_.insert(subnet.last().value());
    }
    taken_ = own_;
  }

  std::optional<Offset> allocate() {
    const Offset size = range_.size();
    const Offset first = range_.network().value();
    for (Offset step = 0; step < size; ++step) {
      const Offset candidate = first + (next_ - first + step) % size;
      if (!taken_.insert(candidate).second) continue;
      next_ = candidate == range_.last().value() ? first : candidate + 1;
      return candidate;
    }
    return std::nullopt;
  }
  bool reserve(Offset value) { return taken_.insert(value).second; }
  void release(Offset value) {
    if (!own_.contains(value)) taken_.erase(value);
  }
  std::size_t in_use() const { return taken_.size(); }
  std::size_t available() const {
    const auto begin = taken_.lower_bound(range_.network().value());
    const auto end = taken_.upper_bound(range_.last().value());
    return static_cast<std::size_t>(range_.size()) -
           static_cast<std::size_t>(std::distance(begin, end));
  }

 private:
  Prefix subnet_;
  Prefix range_;
  Offset next_;
  std::set<Offset> own_;
  std::set<Offset> taken_;
};

struct Case {
  const char* subnet;
  const char* range;
};

class PoolProperty : public ::testing::TestWithParam<Case> {};

TEST_P(PoolProperty, BehavesLikeASetOfAddresses) {
  const Prefix subnet = prefix(GetParam().subnet);
  const Prefix range = prefix(GetParam().range);
  Pool pool(subnet, range);
  Model model(subnet, range);
  std::mt19937 random(20260823);
  const auto size = static_cast<unsigned>(subnet.size());
  for (int round = 0; round < 4000; ++round) {
    const Offset value = subnet.address.value() + random() % size;
    const Address some = Address::from_value(subnet.family(), value);
    switch (random() % 4) {
      case 0:
      case 1: {
        const auto given = pool.allocate();
        const auto expected = model.allocate();
        ASSERT_EQ(given.has_value(), expected.has_value()) << "round " << round;
        ASSERT_TRUE(!given || given->value() == *expected) << "round " << round;
        break;
      }
      case 2:
        ASSERT_EQ(pool.reserve(some), model.reserve(value)) << "round " << round;
        break;
      default:
        pool.release(some);
        model.release(value);
    }
    ASSERT_EQ(pool.in_use(), model.in_use()) << "round " << round;
    ASSERT_EQ(pool.available(), model.available()) << "round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Subnets, PoolProperty,
    ::testing::Values(Case{"10.0.0.0/24", "10.0.0.0/24"}, Case{"10.0.0.0/22", "10.0.1.128/25"},
                      Case{"10.0.0.0/21", "10.0.4.0/22"}, Case{"10.0.0.0/30", "10.0.0.0/30"},
                      Case{"10.0.0.0/31", "10.0.0.0/31"}, Case{"10.0.0.1/32", "10.0.0.1/32"},
                      Case{"fd00::/118", "fd00::/118"}, Case{"fd00::/116", "fd00::400/118"},
                      Case{"fd00::/127", "fd00::/127"}, Case{"fd00::/128", "fd00::/128"},
                      Case{"255.255.252.0/22", "255.255.255.0/24"}));

}  // namespace
}  // namespace ipam
