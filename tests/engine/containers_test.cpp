// What a user does with containers on a network of netd's.
#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/engine/engine.h"

namespace engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Containers : public Engine {
 protected:
  void SetUp() override {
    Engine::SetUp();
    if (!IsSkipped()) create_network("shop", "--subnet 10.5.0.0/24");
  }
  static std::string route(const std::string& container) {
    return in_container(container, "ip route show default");
  }
};

TEST_F(Containers, ReachEachOtherAndSandboxes) {
  run("web", "--network shop --ip 10.5.0.77 --mac-address 02:42:0a:05:00:4d --network-alias fe");
  EXPECT_EQ(container_address("web", "shop"), "10.5.0.77");
  EXPECT_THAT(in_container("web", "ip link show eth0"), HasSubstr("02:42:0a:05:00:4d"));
  const Result client =
      run_once("--network shop",
               "ping -c1 -W2 web && ping -c1 -W2 10.5.0.77 && " + fetch_with_busybox("http://fe/"));
  EXPECT_EQ(client.status, 0) << client.output;
  EXPECT_THAT(client.output, HasSubstr("web"));

  shell("netctl sandbox create --network shop box");
  EXPECT_EQ(in("box", e2e::fetch("http://10.5.0.77/")), "web");
  in_container("web", "ping -c1 -W2 " + address_of("box", "shop"));
  EXPECT_THAT(shell("netctl network ls"), HasSubstr("shop"));
  EXPECT_THAT(shell("netctl topology"), HasSubstr("10.5.0.77"));

  // An engine makes it for networks whose driver leaves the way outside to it.
  EXPECT_THAT(docker("network ls"), Not(HasSubstr("docker_gwbridge")));
  EXPECT_THAT(shell("ip link"), Not(HasSubstr("docker_gwbridge")));
  expect_no_trace();
}

TEST_F(Containers, PublishPorts) {
  create_network("yard", "--subnet 10.6.0.0/24");
  run("web", "--network shop -p 8080:80 -p 9000:9/udp -p 192.0.2.1:8081:80 -p 81");
  const e2e::EchoServer echo(netns_of_container("web"), 9, "echo ");

  EXPECT_EQ(outside(e2e::fetch("http://192.0.2.1:8080/")), "web");
  EXPECT_EQ(outside(e2e::fetch("http://192.0.2.1:8081/")), "web");
  EXPECT_EQ(shell(e2e::fetch("http://192.0.2.1:8080/")), "web");
  EXPECT_EQ(shell(e2e::fetch("http://127.0.0.1:8080/")), "web");
  EXPECT_NE(attempt(e2e::fetch("http://127.0.0.1:8081/")).status, 0);
  for (const char* network : {"shop", "yard", "bridge"})
    EXPECT_EQ(
        run_once(std::string("--network ") + network, fetch_with_busybox("http://192.0.2.1:8080/"))
            .output,
        "web")
        << "from a container on " << network;
  EXPECT_EQ(e2e::ask("/run/netns/outside", "192.0.2.1", 9000, "a"), "echo a");
  EXPECT_EQ(e2e::ask("", "192.0.2.1", 9000, "b"), "echo b");

  const std::string topology = shell("netctl topology");
  EXPECT_THAT(topology, HasSubstr("0.0.0.0:8080→80/tcp"));
  EXPECT_THAT(topology, HasSubstr("0.0.0.0:9000→9/udp"));
  EXPECT_THAT(topology, HasSubstr("192.0.2.1:8081→80/tcp"));
  EXPECT_THAT(topology, ::testing::ContainsRegex("0.0.0.0:[0-9]{5}→81/tcp"));

  EXPECT_THAT(refused("run -d --name other --env NAME=other --network shop -p 8080:80 box"),
              HasSubstr("port is already allocated"));
  docker("rm -f web");
  docker("start other");
  EXPECT_TRUE(is_published("other"));
}

TEST_F(Containers, MoveBetweenNetworks) {
  create_network("yard", "--subnet 10.6.0.0/24");
  run("web", "--network shop -p 8080:80");
  run("neighbour", "--network yard");
  docker("network connect yard web");
  EXPECT_THAT(route("web"), HasSubstr("via 10.5.0.1"));
  EXPECT_THAT(in_container("neighbour", fetch_with_busybox("http://web/")), HasSubstr("web"));
  EXPECT_EQ(outside(e2e::fetch("http://192.0.2.1:8080/")), "web");

  docker("network disconnect shop web");
  EXPECT_THAT(route("web"), HasSubstr("via 10.6.0.1"));
  EXPECT_EQ(outside(e2e::fetch("http://192.0.2.1:8080/")), "web");
  EXPECT_EQ(shell(e2e::fetch("http://127.0.0.1:8080/")), "web");

  docker("network disconnect yard web");
  EXPECT_NE(attempt_outside(e2e::fetch("http://192.0.2.1:8080/")).status, 0);
  EXPECT_EQ(in_container("web", "ip -o -4 address | grep -vc 127.0.0.1 || true"), "0");
  docker("network connect --ip 10.5.0.9 shop web");
  EXPECT_EQ(outside(e2e::fetch("http://192.0.2.1:8080/")), "web");
  expect_no_trace();
}

TEST_F(Containers, ComeBackAfterTheirEnd) {
  run("web", "--network shop -p 8080:80 --restart always");
  const auto started = [] { return docker("inspect --format {{.State.StartedAt}} web"); };
  const std::string before = started();
  kill_container("web");
  EXPECT_TRUE(soon([&] { return started() != before; }));
  EXPECT_TRUE(is_published("web"));
  docker("restart -t 0 web");
  EXPECT_TRUE(is_published("web"));
  docker("stop -t 0 web");
  EXPECT_NE(attempt_outside(e2e::fetch("http://192.0.2.1:8080/")).status, 0);
  EXPECT_THAT(shell("netctl topology"), Not(HasSubstr("8080")));
  docker("start web");
  EXPECT_TRUE(is_published("web"));
  expect_no_trace();
}

TEST_F(Containers, ANewerClientStartsThem) {
  // The machine's newest, which is Debian's where there is no other.
  const std::string newer = "/usr/local/bin/docker";
  const std::string client = access(newer.c_str(), X_OK) == 0 ? newer : "/usr/bin/docker";
  shell(client +
        " network create -d netd --ipam-driver netd -o io.netd.name=lab --subnet "
        "10.7.0.0/24 lab");
  shell(client + " run -d --name web --env NAME=newer --network lab -p 8080:80 box");
  EXPECT_TRUE(is_published("newer"));
  EXPECT_THAT(shell("netctl network ls"), HasSubstr("lab"));
  expect_no_trace();
}

}  // namespace
}  // namespace engine
