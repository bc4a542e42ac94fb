#include "netd/dhcp/arp_probe.h"

#include <gtest/gtest.h>

#include "tests/dhcp/values.h"

namespace netd::dhcp {
namespace {

using namespace std::chrono_literals;
using tests::ip;
using tests::mac;

const ipam::Mac own = mac("02:42:c0:00:02:07");
const ipam::Mac other = mac("02:00:00:00:00:66");
const Time noon{1'790'000'000s};

ArpProbe probe(std::uint32_t random = 0) {
  return ArpProbe(ip("192.0.2.7"), own, ProbeTiming{}, [random] { return random; });
}

/// The times at which it sends, and at which it is done.
std::vector<Time> schedule(ArpProbe probe) {
  std::vector<Time> times;
  probe.start(noon);
  while (probe.deadline()) {
    times.push_back(*probe.deadline());
    probe.expire(times.back());
  }
  return times;
}

TEST(ArpProbe, AsksThreeTimesAndWaits) {
  EXPECT_EQ(schedule(probe()), (std::vector<Time>{noon, noon + 1s, noon + 2s, noon + 4s}));
  EXPECT_EQ(schedule(probe(1000)), (std::vector<Time>{noon + 1s, noon + 3s, noon + 5s, noon + 7s}));
}

TEST(ArpProbe, SendsRequestsWithoutAnAddressOfItsOwn) {
  ArpProbe asking = probe();
  asking.start(noon);
  const auto frame = asking.expire(noon);
  ASSERT_TRUE(frame);
  EXPECT_EQ(parse_arp(*frame), (Arp{.sender_mac = own, .target = ip("192.0.2.7")}));
  EXPECT_FALSE(asking.expire(noon));
}

TEST(ArpProbe, FindsTheAddressFree) {
  ArpProbe asking = probe();
  asking.start(noon);
  for (const auto time : {0s, 1s, 2s}) {
    asking.expire(noon + time);
    EXPECT_FALSE(asking.is_done());
  }
  asking.expire(noon + 4s);
  EXPECT_TRUE(asking.is_done());
  EXPECT_FALSE(asking.taken_by());
}

TEST(ArpProbe, FindsWhoHasTheAddress) {
  for (const Arp::Operation operation : {Arp::Operation::reply, Arp::Operation::request}) {
    ArpProbe asking = probe();
    asking.start(noon);
    asking.receive({.operation = operation,
                    .sender_mac = other,
                    .sender = ip("192.0.2.7"),
                    .target = ip("192.0.2.99")});
    EXPECT_TRUE(asking.is_done());
    EXPECT_EQ(asking.taken_by(), other);
  }
}

TEST(ArpProbe, FindsWhoProbesForItAtTheSameTime) {
  ArpProbe asking = probe();
  asking.start(noon);
  asking.receive({.sender_mac = other, .target = ip("192.0.2.7")});
  EXPECT_EQ(asking.taken_by(), other);
}

TEST(ArpProbe, IgnoresItselfAndOthersBusiness) {
  ArpProbe asking = probe();
  asking.start(noon);
  asking.receive({.sender_mac = own, .target = ip("192.0.2.7")});
  asking.receive({.sender_mac = own, .sender = ip("192.0.2.7"), .target = ip("192.0.2.7")});
  asking.receive({.sender_mac = other, .target = ip("192.0.2.8")});
  // A neighbour that asks who has it, as a router does when somebody pings it.
  asking.receive({.sender_mac = other, .sender = ip("192.0.2.1"), .target = ip("192.0.2.7")});
  EXPECT_FALSE(asking.is_done());
}

}  // namespace
}  // namespace netd::dhcp
