// Hosts that come, go, stay away and return.
#include <gmock/gmock.h>

#include <cstdio>

#include "tests/overlay/cluster.h"

namespace overlay {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Hosts : public Cluster {
 protected:
  static std::string key_of_address(const std::string& address) {
    int a = 0, b = 0, c = 0, d = 0;
    std::sscanf(address.c_str(), "%d.%d.%d.%d", &a, &b, &c, &d);
    char hex[9];
    std::snprintf(hex, sizeof hex, "%02x%02x%02x%02x", a, b, c, d);
    for (const std::string& key : keys("/netd/v1/ip/"))
      if (key.ends_with(hex)) return key;
    return "none";
  }
};

TEST_F(Hosts, AreShownWithTheirState) {
  const std::string status = on(1, "netctl cluster status");
  EXPECT_THAT(status, HasSubstr("This host: live"));
  EXPECT_THAT(status, HasSubstr("192.0.2.2"));
  EXPECT_THAT(status, HasSubstr("leader"));
  stop_netd(2);
  EXPECT_TRUE(within(5, [] { return sees(1, 2, "unreachable"); }))
      << "an orderly stop is seen at once";
  EXPECT_THAT(on(1, "netctl cluster host ls"), HasSubstr("unreachable"));
  start_netd(2);
  EXPECT_TRUE(within(10, [] { return sees(1, 2, "live"); }));
}

TEST_F(Hosts, AnUnreachableOneKeepsItsPeersItsNamesAndItsAddresses) {
  make_pair();
  const std::string address = address_of(2, "db");
  crash_netd(2);
  EXPECT_TRUE(within(40, [] { return sees(1, 2, "unreachable"); }));
  in(1, "web", ping(address));
  in(1, "web", "getent hosts db");
  EXPECT_THAT(attempt_on(1, "netctl sandbox create --network shop:ip=" + address + " thief").output,
              HasSubstr("already in use"));
}

TEST_F(Hosts, OneThatIsGivenUpLosesAllAndClaimsItAgainWhenItReturns) {
  make_pair();
  const std::string address = address_of(2, "db");
  EXPECT_THAT(attempt_on(1, "netctl cluster host rm 192.0.2.2").output, HasSubstr("no host"));
  const std::string id = api(2, "/cluster").at("Host");
  EXPECT_THAT(attempt_on(1, "netctl cluster host rm " + id).output, HasSubstr("is live"));
  stop_netd(2);
  EXPECT_TRUE(within(5, [] { return sees(1, 2, "unreachable"); }));
  on(1, "netctl cluster host rm " + id.substr(0, 12));
  EXPECT_TRUE(within(5, [] { return attempt_in(1, "web", "getent hosts db").status != 0; }));
  EXPECT_NE(attempt_in(1, "web", ping(address)).status, 0);
  EXPECT_EQ(keys("/netd/v1/ep/").size(), 1u);
  EXPECT_THAT(attempt_on(1, "netctl sandbox create --network shop:ip=" + address + " heir").output,
              HasSubstr("already in use"))
      << "its containers may still run";
  start_netd(2);
  EXPECT_TRUE(within(15, [&] { return attempt_in(1, "web", ping(address)).status == 0; }));
  EXPECT_TRUE(within(5, [] { return attempt_in(1, "web", "getent hosts db").status == 0; }));
}

TEST_F(Hosts, WhatWasGivenToOthersMeanwhileIsLost) {
  make_pair();
  const std::string address = address_of(2, "db");
  const std::string id = api(2, "/cluster").at("Host");
  stop_netd(2);
  EXPECT_TRUE(within(5, [] { return sees(1, 2, "unreachable"); }));
  on(1, "netctl cluster host rm " + id);
  etcdctl("del " + key_of_address(address));  // a minute later
  on(1, "netctl sandbox create --network shop:ip=" + address + " heir");
  start_netd(2);
  EXPECT_TRUE(within(15, [] { return api(2, "/sandboxes/db").at("Networks").empty(); }));
  EXPECT_THAT(log_of(2), HasSubstr("an endpoint lost its addresses"));
  in(1, "web", ping(address));
  EXPECT_EQ(keys("/netd/v1/ip/").size(), 2u);
}

class ImpatientHosts : public Hosts {
 protected:
  std::vector<std::string> flags(int) const override { return {"--dead-after", "2"}; }
};

TEST_F(ImpatientHosts, GiveUpWhoStaysAwayTooLong) {
  make_pair();
  crash_netd(2);
  EXPECT_TRUE(within(60, [] { return keys("/netd/v1/ep/").size() == 1; }));
  EXPECT_TRUE(within(5, [] { return attempt_in(1, "web", "getent hosts db").status != 0; }));
}

TEST_F(Hosts, ACopyOfAHostStaysOut) {
  shell(
      "cp -r /run/host1/state /run/copy; ip netns add h3; ip -n h3 link set lo up;"
      "ip link add to3 type veth peer name eth0 netns h3; ip link set to3 master underlay up;"
      "ip -n h3 address add 192.0.2.3/24 dev eth0; ip -n h3 link set eth0 up;"
      "mkdir -p /run/host3; mv /run/copy /run/host3/state");
  start_netd(3);
  EXPECT_TRUE(within(10, [] {
    const std::string problem = api(3, "/cluster").at("Problem");
    return problem.find("this machine is a copy of it?") != std::string::npos;
  })) << api(3, "/cluster");
  EXPECT_THAT(attempt_on(3, "netctl network create -d overlay shop").output,
              HasSubstr("has not joined its cluster yet"));
  EXPECT_TRUE(sees(2, 1, "live"));
  on(3, "netctl network create local");
}

TEST_F(Hosts, ARebootedOneHasNoEndpointsInTheBooksAnyMore) {
  make_pair();
  crash_netd(2);
  // The machine boots: its namespaces are gone, and the links with them.
  shell(
      "umount -l /run/host2/run/netns; ip netns delete h2; ip link delete to2 2>/dev/null || true;"
      "ip netns add h2; ip -n h2 link set lo up; ip link add to2 type veth peer name eth0 netns h2;"
      "ip link set to2 master underlay up; ip -n h2 address add 192.0.2.2/24 dev eth0; ip -n h2 "
      "link set eth0 up");
  // Its live key goes with the lease; until then it would be taken for a copy.
  EXPECT_TRUE(within(40, [] { return sees(1, 2, "unreachable"); }));
  start_netd(2);
  EXPECT_TRUE(within(15, [] { return sees(1, 2, "live"); }));
  EXPECT_TRUE(within(10, [] { return keys("/netd/v1/ip/").size() == 1; }));
  EXPECT_TRUE(within(5, [] { return attempt_in(1, "web", "getent hosts db").status != 0; }));
  on(2, "netctl sandbox create --network shop db");
  EXPECT_TRUE(
      within(5, [] { return attempt_in(1, "web", ping(address_of(2, "db"))).status == 0; }));
}

TEST_F(Hosts, TwoThatWantDifferentPortsAreNotOneCluster) {
  stop_netd(2);
  start_netd(2, {"--vxlan-port", "8472"});
  EXPECT_TRUE(within(10, [] {
    return api(2, "/cluster").at("Problem") == "--vxlan-port 8472: this cluster uses 4789";
  }));
}

}  // namespace
}  // namespace overlay
