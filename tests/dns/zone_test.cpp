#include "dns/zone.h"

#include <gmock/gmock.h>

#include <string>

namespace dns {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ipam::Address address(std::string_view text) {
  return *ipam::Address::parse(text);
}

const Zone empty("Shop", {*ipam::Prefix::parse("10.5.0.0/16")});

TEST(Zone, FindsAHostByEachOfItsNamesInAnyCase) {
  const auto zone = empty.with({"1", {"Web", "www"}, {address("10.5.0.2"), address("fd00::2")}});
  EXPECT_THAT(zone->find("web"), ElementsAre(address("10.5.0.2"), address("fd00::2")));
  EXPECT_THAT(zone->find("www"), ElementsAre(address("10.5.0.2"), address("fd00::2")));
  EXPECT_THAT(zone->find("db"), IsEmpty());
}

TEST(Zone, AnswersAllHostsOfASharedNameEachAddressOnce) {
  const auto zone = empty.with({"1", {"a", "web"}, {address("10.5.0.3")}})
                        ->with({"2", {"b", "WEB"}, {address("10.5.0.2"), address("10.5.0.3")}});
  EXPECT_THAT(zone->find("web"), ElementsAre(address("10.5.0.2"), address("10.5.0.3")));
}

TEST(Zone, TakesOnlyTheEndpointThatLeavesOutOfASharedName) {
  const auto zone = empty.with({"1", {"a", "web"}, {address("10.5.0.2")}})
                        ->with({"2", {"b", "web"}, {address("10.5.0.3")}})
                        ->without("1");
  EXPECT_THAT(zone->find("web"), ElementsAre(address("10.5.0.3")));
  EXPECT_THAT(zone->find("a"), IsEmpty());
  EXPECT_EQ(zone->find_name(address("10.5.0.2")), "");
}

TEST(Zone, ReplacesAHostOfTheSameEndpoint) {
  const auto zone = empty.with({"1", {"old"}, {address("10.5.0.2")}})
                        ->with({"1", {"new"}, {address("10.5.0.9")}});
  EXPECT_THAT(zone->find("old"), IsEmpty());
  EXPECT_THAT(zone->find("new"), ElementsAre(address("10.5.0.9")));
}

TEST(Zone, LeavesTheZoneItCameFromAlone) {
  const auto before = empty.with({"1", {"web"}, {address("10.5.0.2")}});
  const auto after = before->without("1");
  EXPECT_THAT(before->find("web"), ElementsAre(address("10.5.0.2")));
  EXPECT_THAT(after->find("web"), IsEmpty());
}

TEST(Zone, NamesAnAddressByTheFirstNameAsItWasGiven) {
  const auto zone = empty.with({"1", {"Web", "alias"}, {address("10.5.0.2")}});
  EXPECT_EQ(zone->find_name(address("10.5.0.2")), "Web");
  EXPECT_EQ(zone->find_name(address("10.5.0.3")), "");
}

TEST(Zone, KnowsANameWithoutAddresses) {
  const auto zone = empty.with({"1", {"web"}, {}});
  std::vector<ipam::Address> addresses = {address("10.5.0.2")};
  EXPECT_TRUE(zone->find("web", addresses));
  EXPECT_THAT(addresses, IsEmpty());
  EXPECT_FALSE(zone->find("db", addresses));
}

TEST(Zone, HoldsThousandsOfHostsAndIsEmptyAfterTheirRemoval) {
  std::shared_ptr<const Zone> zone = empty.without("nobody");
  for (std::uint32_t i = 0; i < 3000; ++i)
    zone = zone->with({std::to_string(i), {"host" + std::to_string(i)}, {ipam::Address::v4(i)}});
  EXPECT_THAT(zone->find("host2999"), ElementsAre(ipam::Address::v4(2999)));
  for (std::uint32_t i = 0; i < 3000; ++i) {
    zone = zone->without(std::to_string(i));
    ASSERT_THAT(zone->find("host" + std::to_string(i)), IsEmpty());
    ASSERT_EQ(zone->find_host(ipam::Address::v4(i)), nullptr);
  }
}

}  // namespace
}  // namespace dns
