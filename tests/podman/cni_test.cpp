// podman's CNI backend (network_backend="cni", podman 4) with netd-cni as the only plugin.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/podman/machine.h"

namespace podman {
namespace {

using e2e::fetch;
using nlohmann::json;
using ::testing::HasSubstr;

class PodmanCniTest : public PodmanTest {
 protected:
  std::string network_section() const override {
    return std::string("network_backend=\"cni\"\ncni_plugin_dirs=[\"") + NETD_PROGRAMS +
           "\"]\nnetwork_config_dir=\"/run/net.d\"\n";
  }
  void SetUp() override {
    PodmanTest::SetUp();
    shell("mkdir /run/net.d");
    write_network("podman", "10.88.0.0/16");
    write_network("backend", "10.89.0.0/24");
  }
  static void write_network(const std::string& name, const std::string& subnet) {
    std::ofstream("/run/net.d/" + name + ".conflist")
        << R"({"cniVersion":"1.0.0","name":")" + name +
               R"(","plugins":[{"type":"netd-cni","ipam":{"subnet":")" + subnet +
               R"("},"capabilities":{"portMappings":true,"ips":true,"mac":true,"aliases":true,"dns":true}}]})";
  }
};

TEST_F(PodmanCniTest, StartsPublishesResolvesAndRemoves) {
  run("--name web --publish 8080:80 --network podman:alias=www");
  run("--name client --network podman:ip=10.88.0.77,mac=02:00:00:00:00:77");
  serve("web", "page");
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page");
  EXPECT_EQ(shell(fetch("http://127.0.0.1:8080/")), "page");
  EXPECT_EQ(inside("client", "wget -qO- http://web/"), "page");
  EXPECT_EQ(inside("client", "wget -qO- http://www/"), "page");
  EXPECT_THAT(inside("client", "ip -o address show eth0; ip link show eth0"),
              ::testing::AllOf(HasSubstr("10.88.0.77/16"), HasSubstr("02:00:00:00:00:77")));
  EXPECT_EQ(podman("inspect web --format '{{.NetworkSettings.Networks.podman.IPAddress}}'"),
            "10.88.0.2\n");
  expect_agreement();
  podman("rm --force --time 0 web client");
  EXPECT_EQ(api("/sandboxes"), json::array());
}

TEST_F(PodmanCniTest, RestartsContainers) {
  run("--name web --publish 8080:80");
  podman("restart --time 0 web");
  serve("web", "page");
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page");
  EXPECT_EQ(api("/sandboxes").size(), 1u);
  expect_agreement();
}

TEST_F(PodmanCniTest, ConnectsAndDisconnectsRunningContainers) {
  run("--name web --publish 8080:80");
  run("--name other --network backend");
  podman("network connect backend web");
  EXPECT_THAT(inside("web", "ip -o -4 address"), HasSubstr("10.89.0.3/24"));
  serve("web", "page");
  EXPECT_EQ(inside("other", "wget -qO- http://web/"), "page");
  podman("network disconnect podman web");
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page") << "through the other network now";
  EXPECT_EQ(api("/sandboxes/web")["Networks"].size(), 1u);
  expect_agreement();
}

TEST_F(PodmanCniTest, SaysWhyAContainerCanNotStart) {
  run("--name web --publish 8080:80");
  const e2e::Result second =
      attempt_podman("run --name second --publish 8080:80 --rootfs /run/rootfs sleep 100");
  EXPECT_NE(second.status, 0);
  EXPECT_THAT(second.output, HasSubstr("Bind for 0.0.0.0:8080 failed: port is already allocated"));
  EXPECT_EQ(api("/sandboxes").size(), 1u);
}

TEST_F(PodmanCniTest, ContainersGoOnWhileNetdIsKilled) {
  run("--name web --publish 8080:80");
  serve("web", "page");
  crash_netd();
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page");
  start_netd();
  podman("rm --force --time 0 web");
  EXPECT_EQ(api("/sandboxes"), json::array());
}

}  // namespace
}  // namespace podman
