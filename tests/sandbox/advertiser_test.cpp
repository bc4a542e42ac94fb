#include "sandbox/advertiser.h"

#include <fmt/format.h>

#include "tests/sandbox/kernel_fixture.h"

namespace {

using namespace sandbox;
using namespace std::chrono_literals;

constexpr std::uint16_t arp = 0x0806;
constexpr std::uint16_t ipv6 = 0x86dd;

const std::string gratuitous_arp =
    "ffffffffffff"
    "020000000102"
    "0806"
    "0001080006040001"
    "020000000102"
    "0a010002"
    "000000000000"
    "0a010002";
const std::string unsolicited_advertisement =
    "333300000001"
    "020000000102"
    "86dd"
    "6000000000203aff"
    "fd000000000000000000000000000002"
    "ff020000000000000000000000000001"
    "88005998"
    "20000000"
    "fd000000000000000000000000000002"
    "0201020000000102";

const ipam::Mac mac = *ipam::Mac::parse("02:00:00:00:01:02");
const ipam::Address v4 = *ipam::Address::parse("10.1.0.2");
const ipam::Address v6 = *ipam::Address::parse("fd00::2");

std::string hex(const std::vector<std::uint8_t>& bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes)
    text += fmt::format("{:02x}", byte);
  return text;
}

TEST(Announcement, IsAGratuitousArpForIpv4) {
  EXPECT_EQ(hex(announcement(mac, v4)), gratuitous_arp);
}

TEST(Announcement, IsAnUnsolicitedNeighbourAdvertisementForIpv6) {
  EXPECT_EQ(hex(announcement(mac, v6)), unsolicited_advertisement);
}

class AdvertiserTest : public tests::KernelTest {
 protected:
  /// A bridge with one neighbour, whose end of the cable is `wire`.
  void SetUp() override {
    KernelTest::SetUp();
    shell("ip link add br0 index 100 type bridge && ip link set br0 up");
    shell("ip link add port index 199 type veth peer name wire index 200");
    shell(
        "ip link set wire addrgenmode none up && ip link set port addrgenmode none master br0 up");
    await_carrier("port");
    await_carrier("br0");
  }
};

TEST_F(AdvertiserTest, ReachesTheNeighboursOfTheBridgeCountTimes) {
  const Fd wire = tests::open_capture(200);
  kernel().advertise(100, mac, {v4}, 3, 1);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(tests::next_frame(wire, arp), gratuitous_arp);
  EXPECT_EQ(tests::next_frame(wire, arp), "");
}

TEST_F(AdvertiserTest, AdvertisesIpv6) {
  const Fd wire = tests::open_capture(200);
  kernel().advertise(100, mac, {v6}, 1, 1);
  // The bridge itself speaks, too, some time after it came up: of the groups that it joins, of its
  // own address, to routers.
  std::string frame = tests::next_frame(wire, ipv6);
  while (!frame.empty() && frame != unsolicited_advertisement)
    frame = tests::next_frame(wire, ipv6);
  EXPECT_EQ(frame, unsolicited_advertisement);
}

TEST_F(AdvertiserTest, NeighboursLearnTheNewMac) {
  shell("ip addr add 10.1.0.9/16 dev wire && ip addr add fd00::9/64 dev wire nodad");
  shell("ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:99 nud stale dev wire");
  shell("ip neigh add fd00::2 lladdr 02:00:00:00:00:99 nud stale dev wire");
  const Fd wire = tests::open_capture(200);
  kernel().advertise(100, mac, {v4, v6}, 1, 1);
  tests::next_frame(wire, arp);
  std::string frame = tests::next_frame(wire, ipv6);
  while (!frame.empty() && frame != unsolicited_advertisement)
    frame = tests::next_frame(wire, ipv6);
  EXPECT_NE(shell("ip neigh show 10.1.0.2").find("02:00:00:00:01:02"), std::string::npos);
  EXPECT_NE(shell("ip -6 neigh show fd00::2").find("02:00:00:00:01:02"), std::string::npos);
}

TEST_F(AdvertiserTest, TheHostForgetsWhoHadTheAddress) {
  shell("ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:99 nud stale dev br0");
  const Fd wire = tests::open_capture(200);
  kernel().advertise(100, mac, {v4}, 1, 1);
  EXPECT_EQ(tests::next_frame(wire, arp), gratuitous_arp);
  EXPECT_EQ(shell("ip neigh show 10.1.0.2"), "");
}

TEST_F(AdvertiserTest, AWithdrawnMacIsSilent) {
  Advertiser advertiser;
  advertiser.advertise(100, mac, {v4, v6}, 3, 1h);
  EXPECT_EQ(advertiser.waiting(), 2u);
  advertiser.withdraw(mac);
  EXPECT_EQ(advertiser.waiting(), 0u);
}

TEST_F(AdvertiserTest, GivesUpWhenTheBridgeIsGone) {
  Advertiser advertiser;
  advertiser.advertise(999, mac, {v4}, 1000, 1ms);
  const auto deadline = std::chrono::steady_clock::now() + 5s;
  while (advertiser.waiting() > 0)
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
}

TEST_F(AdvertiserTest, TakesNoMoreThanItsLimit) {
  Advertiser advertiser;
  const std::vector<ipam::Address> many(10'000, v4);
  advertiser.advertise(100, mac, many, 2, 1h);
  EXPECT_EQ(advertiser.waiting(), 4096u);
}

TEST_F(AdvertiserTest, StopsAtOnceWithAnnouncementsToCome) {
  const auto start = std::chrono::steady_clock::now();
  { Advertiser().advertise(100, mac, {v4}, 3, 1h); }
  EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
}

}  // namespace
