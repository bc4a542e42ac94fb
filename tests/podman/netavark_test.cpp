// podman with netd-netavark as its netavark: nothing but helper_binaries_dir differs.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/podman/machine.h"

namespace podman {
namespace {

using e2e::fetch;
using nlohmann::json;
using ::testing::HasSubstr;

class PodmanNetavarkTest : public PodmanTest {
 protected:
  std::string network_section() const override {
    return "network_backend=\"netavark\"\nnetwork_config_dir=\"/run/networks\"\n";
  }
  std::string engine_section() const override {
    return "helper_binaries_dir=[\"/run/helpers\",\"/usr/lib/podman\",\"/usr/libexec/podman\"]\n";
  }
  void SetUp() override {
    PodmanTest::SetUp();
    // podman gives networks no DNS without an aardvark-dns; nobody runs it.
    shell(
        "mkdir /run/helpers; ln -s $(command -v netd-netavark) /run/helpers/netavark;"
        "ln -s /bin/true /run/helpers/aardvark-dns");
    podman("network create --subnet 10.5.0.0/24 shop");
  }
};

TEST_F(PodmanNetavarkTest, StartsPublishesResolvesAndRemoves) {
  run("--name web --publish 8080:80 --publish 9000-9002:9000-9002/udp --network shop:alias=www");
  run("--name client --network shop:ip=10.5.0.77,mac=02:00:00:00:00:77");
  serve("web", "page");
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page");
  EXPECT_EQ(shell(fetch("http://127.0.0.1:8080/")), "page");
  EXPECT_TRUE(api("/sandboxes/web")["Ports"].contains("9002/udp"));
  EXPECT_EQ(inside("client", "cat /etc/resolv.conf | grep -m1 nameserver"),
            "nameserver 127.0.0.11\n");
  EXPECT_EQ(inside("client", "wget -qO- http://web/"), "page");
  EXPECT_EQ(inside("client", "wget -qO- http://www/"), "page");
  EXPECT_THAT(inside("client", "nslookup example.test"), HasSubstr("198.51.100.7"));
  EXPECT_THAT(inside("client", "ip -o address show eth0; ip link show eth0"),
              ::testing::AllOf(HasSubstr("10.5.0.77/24"), HasSubstr("02:00:00:00:00:77")));
  EXPECT_EQ(podman("inspect web --format '{{.NetworkSettings.Networks.shop.IPAddress}}'"),
            "10.5.0.2\n");
  expect_agreement();
  podman("rm --force --time 0 web client");
  EXPECT_EQ(api("/sandboxes"), json::array());
  EXPECT_EQ(attempt("netctl network inspect shop").status, 1) << "as netavark's bridge";
}

TEST_F(PodmanNetavarkTest, UsesPodmansDefaultNetwork) {
  run("--name web --publish 8080:80");
  serve("web", "page");
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page");
  EXPECT_THAT(shell("ip -o -4 address show podman0"), HasSubstr("10.88.0.1/16"));
  podman("restart --time 0 web");
  serve("web", "again");
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "again");
  EXPECT_EQ(api("/sandboxes").size(), 1u);
}

TEST_F(PodmanNetavarkTest, ConnectsAndDisconnectsRunningContainers) {
  podman("network create --ipv6 --subnet 10.6.0.0/24 --subnet fd00:6::/64 backend");
  run("--name web --network shop --publish 8080:80");
  run("--name other --network backend");
  podman("network connect backend web");
  EXPECT_THAT(inside("web", "ip -o address show eth1"),
              ::testing::AllOf(HasSubstr("10.6.0.3/24"), HasSubstr("fd00:6::3/64")));
  serve("web", "page");
  EXPECT_EQ(inside("other", "wget -qO- http://web/"), "page");
  podman("network disconnect shop web");
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page") << "through the other network now";
  EXPECT_EQ(api("/sandboxes/web")["Networks"].size(), 1u);
  expect_agreement();
}

TEST_F(PodmanNetavarkTest, StartsOnTwoNetworksAtOnceOrOnNone) {
  podman("network create --subnet 10.6.0.0/24 backend");
  run("--name web --network shop --network backend");
  EXPECT_EQ(api("/sandboxes/web")["Networks"].size(), 2u);
  EXPECT_EQ(inside("web", "ip route | grep -c default"), "1\n");
  // The second network fails: the first one's interface goes again.
  shell("netctl sandbox create --network backend:ip=10.6.0.9 mine");
  const e2e::Result failed = attempt_podman(
      "run --name second --network shop --network backend:ip=10.6.0.9 --rootfs /run/rootfs sleep "
      "9");
  EXPECT_NE(failed.status, 0);
  EXPECT_THAT(failed.output, HasSubstr("10.6.0.9"));
  EXPECT_EQ(shell("netctl sandbox ls --format json | jq -r '.[].Name' | sort | xargs"),
            "mine web\n");
  expect_agreement();
}

TEST_F(PodmanNetavarkTest, SharesOneNamespace) {
  run("--name first --network shop");
  run("--name second --network container:first");
  serve("first", "page");
  EXPECT_EQ(inside("second", "wget -qO- http://127.0.0.1/"), "page");
  EXPECT_EQ(api("/sandboxes").size(), 1u);
}

TEST_F(PodmanNetavarkTest, ContainersGoOnWhileNetdIsKilled) {
  run("--name web --publish 8080:80 --network shop");
  serve("web", "page");
  crash_netd();
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page");
  start_netd();
  expect_agreement();
  podman("rm --force --time 0 web");
  EXPECT_EQ(api("/sandboxes"), json::array());
}

TEST_F(PodmanNetavarkTest, SaysWhyAContainerCanNotStart) {
  run("--name web --publish 8080:80");
  const e2e::Result second =
      attempt_podman("run --name second --publish 8080:80 --rootfs /run/rootfs sleep 100");
  EXPECT_NE(second.status, 0);
  EXPECT_THAT(second.output, HasSubstr("Bind for 0.0.0.0:8080 failed: port is already allocated"));
  EXPECT_EQ(api("/sandboxes").size(), 1u);
}

}  // namespace
}  // namespace podman
