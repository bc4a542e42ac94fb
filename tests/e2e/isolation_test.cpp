// Who does not reach whom.
#include "tests/e2e/end_to_end.h"

namespace e2e {
namespace {

using Isolation = EndToEnd;

TEST_F(Isolation, NetworksDoNotReachEachOther) {
  shell("netctl network create shop && netctl network create other");
  shell(
      "netctl sandbox create --network shop web && netctl sandbox create --network other stranger");
  const WebServer web(netns_of("web"), 80, "page");
  EXPECT_NE(attempt_in("stranger", fetch("http://" + address_of("web", "shop") + "/")).status, 0);
}

TEST_F(Isolation, OutsideDoesNotReachWhatIsNotPublished) {
  shell(
      "netctl network create --subnet 10.5.0.0/24 shop && netctl sandbox create --network shop "
      "web");
  const WebServer web(netns_of("web"), 80, "page");
  outside("ip route add 10.5.0.0/24 via 192.0.2.1");
  EXPECT_NE(attempt_outside(fetch("http://" + address_of("web", "shop") + "/")).status, 0);
}

TEST_F(Isolation, TheHostReachesItsSandboxes) {
  shell("netctl network create shop && netctl sandbox create --network shop web");
  const WebServer web(netns_of("web"), 80, "page");
  EXPECT_EQ(shell(fetch("http://" + address_of("web", "shop") + "/")), "page");
}

TEST_F(Isolation, SandboxesReachOutsideMasqueraded) {
  shell("netctl network create shop && netctl sandbox create --network shop client");
  const WebServer neighbour("/run/netns/outside", 80, "outside page");
  EXPECT_EQ(in("client", fetch("http://192.0.2.2/")), "outside page");
}

TEST_F(Isolation, AnInternalNetworkReachesItselfOnly) {
  shell("netctl network create --internal vault");
  shell("netctl sandbox create --network vault a && netctl sandbox create --network vault b");
  const WebServer a(netns_of("a"), 80, "inner page");
  const WebServer neighbour("/run/netns/outside", 80, "outside page");
  EXPECT_EQ(in("b", fetch("http://a/")), "inner page");
  EXPECT_NE(attempt_in("b", fetch("http://192.0.2.2/")).status, 0);
}

TEST_F(Isolation, WithoutIccSandboxesDoNotReachEachOther) {
  shell("netctl network create -o com.docker.network.bridge.enable_icc=false flats");
  shell(
      "netctl sandbox create --network flats -p 8080:80 a && netctl sandbox create --network flats "
      "b");
  const WebServer a(netns_of("a"), 80, "page");
  EXPECT_NE(attempt_in("b", fetch("http://" + address_of("a", "flats") + "/")).status, 0);
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page");
}

TEST_F(Isolation, LoopbackOfTheHostIsNotReachedFromOutside) {
  shell(
      "netctl network create shop && netctl sandbox create --network shop -p 127.0.0.1:8081:80 "
      "web");
  const WebServer web(netns_of("web"), 80, "page");
  // The neighbour sends what no honest machine sends: 127.0.0.1 on the wire. The host even routes
  // it.
  outside(
      "ip link set lo down; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet;"
      "ip route add 127.0.0.1/32 via 192.0.2.1 dev uplink src 192.0.2.2");
  shell("echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet");
  EXPECT_NE(attempt_outside(fetch("http://127.0.0.1:8081/")).status, 0);
}

// docs/firewall.md, "Your own rules"
TEST_F(Isolation, AUsersTableDecidesBeforeNetds) {
  shell("netctl network create shop && netctl sandbox create --network shop -p 8080:80 web");
  const WebServer web(netns_of("web"), 80, "page");
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page");
  shell(R"(nft 'table inet mine {
    chain forward {
      type filter hook forward priority filter - 10; policy accept;
      ct status dnat meta l4proto tcp ct original proto-dst 8080 ip saddr != 203.0.113.7 drop
    }
  }')");
  EXPECT_NE(attempt_outside(fetch("http://192.0.2.1:8080/")).status, 0);
  EXPECT_EQ(shell(fetch("http://192.0.2.1:8080/")), "page");  // the host does not forward to itself
}

}  // namespace
}  // namespace e2e
