// Containers of two engines on one network of the cluster.
#include <gmock/gmock.h>

#include "tests/engine/cluster_engines.h"

namespace engine {
namespace {

using overlay::ping;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class OnOverlay : public ClusterEngines {
 protected:
  void SetUp() override {
    ClusterEngines::SetUp();
    on(1, "netctl network create -d overlay --subnet 10.1.0.0/24 -o io.netd.gateway_dns=true shop");
    ASSERT_TRUE(within(5, [] { return knows(2, "shop"); }));
    bind(1, "shop");
    bind(2, "shop");
  }
  static void run(int host, const std::string& name, const std::string& options = "") {
    docker(host, "run -d --name " + name + " --env NAME=" + name +
                     " --network shop --dns 10.1.0.1 " + options + " box");
  }
  static std::string in_container(int host, const std::string& name, const std::string& command) {
    return docker(host, "exec " + name + " " + command);
  }
  static std::vector<std::string> entries() { return keys("/netd/v1/ep/"); }
};

TEST_F(OnOverlay, ContainersReachEachOtherByNameAndAddress) {
  run(1, "web", "--network-alias www");
  const std::string web = address(1, "web", "shop");
  docker(2, "run --rm --network shop box ping -c1 -W2 " + web);
  EXPECT_TRUE(within(20, [] {
    return attempt_docker(2, "run --rm --network shop --dns 10.1.0.1 box wget -qO- http://www/")
               .output == "web";
  }));
  docker(2, "run --rm --network shop --dns 10.1.0.1 box ping -c1 -W2 web");
  // Sandboxes of netd's are beside them.
  on(2, "netctl sandbox create --network shop box");
  EXPECT_EQ(in(2, "box", e2e::fetch("http://www/")), "web");
  in_container(1, "web", "ping -c1 -W2 box");
  in_container(1, "web", "ping -c1 -W2 " + address_of(2, "box"));
}

TEST_F(OnOverlay, TheWayOutAndInIsTheEnginesOwn) {
  run(1, "web", "-p 8080:80");
  in_container(1, "web", "ping -c1 -W2 192.0.2.101");
  EXPECT_EQ(shell("curl -sS --max-time 5 http://192.0.2.1:8080/"), "web");
  EXPECT_THAT(docker(1, "port web"), HasSubstr("8080"));
}

TEST_F(OnOverlay, NothingStaysOfWhatIsRemoved) {
  run(1, "web");
  // The engine takes --ip only on a network whose subnet was named.
  for (const int host : {1, 2})
    bind(host, "shop", "--subnet 10.1.0.0/24 named");
  docker(2, "run -d --name db --network named --ip 10.1.0.77 box");
  EXPECT_EQ(address(2, "db", "named"), "10.1.0.77");
  EXPECT_THAT(attempt_docker(1, "run --rm --network named --ip 10.1.0.77 box true").output,
              HasSubstr("Address already in use"));
  in_container(1, "web", "ping -c1 -W2 10.1.0.77");
  EXPECT_THAT(entries(), SizeIs(2));
  docker(1, "rm -f web");
  docker(2, "rm -f db");
  EXPECT_THAT(entries(), IsEmpty());
  EXPECT_THAT(keys("/netd/v1/ip/"), IsEmpty());
  for (const int host : {1, 2})
    docker(host, "network rm shop named");
  EXPECT_TRUE(knows(1, "shop")) << "the cluster's network stays";
  EXPECT_EQ(attempt_on(1, "iptables -S FORWARD | grep nb").output, "");
  on(2, "netctl network rm shop");
}

TEST_F(OnOverlay, AKilledNetdLosesNoPacket) {
  run(1, "web");
  on(2, "netctl sandbox create --network shop box");
  overlay::Pings pings(netns_of(2, "box"), address(1, "web", "shop"), "/run/pings");
  crash_netd(1);
  start_netd(1);
  EXPECT_TRUE(within(20, [] { return sees(1, 2, "live"); }));
  run(1, "more");
  EXPECT_EQ(pings.lost(), 0);
  docker(1, "rm -f web more");
  EXPECT_THAT(entries(), SizeIs(1));
}

TEST_F(OnOverlay, ARestartedEngineStartsItsContainersAgain) {
  run(1, "web", "--restart always");
  stop_engine(1);
  start_engine(1);
  EXPECT_TRUE(within(30, [] {
    return attempt_docker(2, "run --rm --network shop --dns 10.1.0.1 box wget -qO- http://web/")
               .output == "web";
  }));
  EXPECT_THAT(entries(), SizeIs(1));
}

TEST_F(OnOverlay, OfAnEngineThatIsGoneNothingStaysInTheBooks) {
  run(1, "web");
  kill_engine(1);
  EXPECT_THAT(entries(), SizeIs(1));
  stop_netd(1);
  start_netd(1);
  EXPECT_TRUE(within(30, [] { return entries().empty(); }));
}

TEST_F(OnOverlay, WhatIsWrongIsSaidToTheUser) {
  const auto refused = [](const std::string& arguments) {
    const e2e::Result result = attempt_docker(1, "network create -d netd " + arguments + " more");
    EXPECT_NE(result.status, 0) << arguments;
    return result.output;
  };
  EXPECT_THAT(
      refused("--ipam-driver netd --ipam-opt io.netd.network=nothing -o io.netd.network=nothing"),
      HasSubstr("the cluster has no such network: netctl network create -d overlay nothing"));
  EXPECT_THAT(refused("-o io.netd.network=shop"), HasSubstr("give --ipam-driver netd and both"));
  EXPECT_THAT(refused("--ipam-driver netd --ipam-opt io.netd.network=shop"),
              HasSubstr("without -o io.netd.network=shop"));
}

}  // namespace
}  // namespace engine
