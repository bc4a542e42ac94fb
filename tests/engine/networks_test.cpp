// Kinds of networks, and what is refused.
#include <gmock/gmock.h>

#include "tests/engine/engine.h"

namespace engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Networks : public Engine {};

TEST_F(Networks, HaveTheAddressesThatWereAskedFor) {
  create_network("shop",
                 "--subnet 10.5.0.0/24 --ip-range 10.5.0.128/30 --gateway 10.5.0.254 "
                 "--aux-address printer=10.5.0.128");
  run("boxa", "--network shop");
  run("boxb", "--network shop");
  run("boxc", "--network shop");
  EXPECT_EQ(container_address("boxa", "shop") + " " + container_address("boxb", "shop") + " " +
                container_address("boxc", "shop"),
            "10.5.0.129 10.5.0.130 10.5.0.131");
  EXPECT_THAT(refused("run --rm --network shop box true"), HasSubstr("address"));
  EXPECT_THAT(refused("run --rm --network shop --ip 10.5.0.129 box true"), HasSubstr("in use"));
  EXPECT_THAT(in_container("boxa", "ip route"), HasSubstr("default via 10.5.0.254"));
  docker("rm -f boxb");
  run("boxd", "--network shop");
  EXPECT_EQ(container_address("boxd", "shop"), "10.5.0.130");
  expect_no_trace();
}

TEST_F(Networks, OfBothFamilies) {
  create_network("shop", "--ipv6 --subnet 10.5.0.0/24 --subnet fd00:5::/64");
  run("web", "--network shop --ip6 fd00:5::9 -p 8080:80");
  const Result client = run_once(
      "--network shop", "ping -c1 -W2 fd00:5::1 && ping -c1 -W2 fd00:5::9 && ip -6 route &&" +
                            fetch_with_busybox("http://[fd00:5::9]/"));
  EXPECT_EQ(client.status, 0) << client.output;
  EXPECT_THAT(client.output, HasSubstr("default via fd00:5::1"));
  EXPECT_TRUE(is_published("web"));
  EXPECT_EQ(outside(e2e::fetch("http://[2001:db8::1]:8080/")), "web");
  const e2e::WebServer far("/run/netns/outside", 80, "far");
  EXPECT_EQ(in_container("web", fetch_with_busybox("http://[2001:db8::2]/")), "far");
  expect_no_trace();
}

TEST_F(Networks, OfOneFamilyEachPublishAContainerTogether) {
  if (docker("network create --help").find("--ipv4") == std::string::npos) {
    // 20.10 has no networks without IPv4, so no container has two gateways.
    EXPECT_THAT(refused("network create -d netd --ipv4=false six"), HasSubstr("--ipv4"));
    return;
  }
  create_network("shop", "--subnet 10.5.0.0/24");
  create_network("six", "--ipv4=false --ipv6 --subnet fd00:5::/64");
  const auto expect_published = [] {
    EXPECT_TRUE(is_published("web"));
    EXPECT_EQ(outside(e2e::fetch("http://[2001:db8::1]:8080/")), "web");
    EXPECT_EQ(shell(e2e::fetch("http://127.0.0.1:8080/")), "web");
  };
  docker("create --name web --env NAME=web --network shop -p 8080:80 box");
  docker("network connect six web");
  docker("start web");
  expect_published();
  EXPECT_THAT(shell("netctl topology"), HasSubstr("[::]:8080"));
  docker("network disconnect six web");
  expect_published();
  docker("network connect six web");
  docker("network disconnect shop web");
  expect_published();
  expect_no_trace();
}

TEST_F(Networks, InternalOnesHaveNoWayOut) {
  create_network("vault", "--internal --subnet 10.5.0.0/24");
  run("safe", "--network vault");
  EXPECT_THAT(in_container("safe", "ip route"), Not(HasSubstr("default")));
  EXPECT_NE(run_once("--network vault", "ping -c1 -W1 192.0.2.2").status, 0);
  EXPECT_EQ(run_once("--network vault", fetch_with_busybox("http://safe/")).output, "safe");
  // Not even with a route that root in a container adds.
  EXPECT_NE(run_once("--network vault --cap-add NET_ADMIN",
                     "ip route add default via 10.5.0.1; ping -c1 -W1 192.0.2.2")
                .status,
            0);
  EXPECT_THAT(shell("netctl topology"), HasSubstr("internal"));
  expect_no_trace();
}

TEST_F(Networks, WorkWithTheEnginesAddresses) {
  docker("network create -d netd --subnet 10.5.0.0/24 shop");
  run("web", "--network shop -p 8080:80");
  EXPECT_TRUE(is_published("web"));
  EXPECT_EQ(run_once("--network shop", fetch_with_busybox("http://web/")).output, "web");
  docker("network create -d netd yard");
  run("other", "--network yard");
  expect_no_trace();
}

TEST_F(Networks, AreRefusedWithTheReason) {
  EXPECT_THAT(refused("network create -d netd --ipam-driver null shop"),
              HasSubstr("--ipam-driver"));
  EXPECT_THAT(refused("network create -d netd --ipam-driver netd -o io.netd.driver=moon shop"),
              HasSubstr("moon"));
  create_network("shop", "--subnet 10.5.0.0/24 -o io.netd.name=store");
  EXPECT_THAT(shell("netctl network ls"), HasSubstr("store"));
  EXPECT_THAT(refused("network create -d netd --ipam-driver netd --subnet 10.5.0.0/25 yard"),
              HasSubstr("10.5.0.0/24"));
  EXPECT_THAT(docker("network ls --format '{{.Name}}'"), Not(HasSubstr("yard")));
  expect_no_trace();
}

TEST_F(Networks, AreRemovedWhenNobodyUsesThem) {
  create_network("shop", "--subnet 10.5.0.0/24");
  create_network("yard", "--subnet 10.6.0.0/24");
  run("web", "--network shop");
  EXPECT_THAT(refused("network rm shop"), HasSubstr("has active endpoints"));
  EXPECT_THAT(docker("network prune -f"), HasSubstr("yard"));
  EXPECT_THAT(shell("netctl network ls"), Not(HasSubstr("yard")));
  EXPECT_THAT(shell("netctl network ls"), HasSubstr("shop"));
  docker("rm -f web");
  docker("network rm shop");
  EXPECT_THAT(shell("netctl network ls"), Not(HasSubstr("shop")));
  create_network("shop", "--subnet 10.5.0.0/24");
  run("web", "--network shop");
  EXPECT_EQ(container_address("web", "shop"), "10.5.0.2");
  expect_no_trace();
}

}  // namespace
}  // namespace engine
