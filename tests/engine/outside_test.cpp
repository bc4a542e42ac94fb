// The way to the outside beside Docker's firewall, and what must not pass.
#include <gmock/gmock.h>

#include "tests/engine/engine.h"

namespace engine {
namespace {

using ::testing::HasSubstr;

class Outside : public Engine {
 protected:
  /// A network of netd's with the container `ours`, Docker's own bridge with `theirs`.
  void make_containers() {
    create_network("shop", "--subnet 10.5.0.0/24");
    run("ours", "--network shop -p 8080:80");
    run("theirs", "");
  }
};

TEST_F(Outside, IsReachedThroughDockersForwardPolicy) {
  // As on a machine that boots: the engine turns forwarding on, and sets its policy to drop.
  stop_engine();
  stop_netd();
  shell("echo 0 >/proc/sys/net/ipv4/ip_forward; iptables -P FORWARD ACCEPT");
  start_engine();
  ASSERT_THAT(shell("iptables -S FORWARD"), HasSubstr("-P FORWARD DROP"));
  start_netd();
  const e2e::WebServer far("/run/netns/outside", 80, "far");

  make_containers();
  // The neighbour has no route to 10.5.0.0/24: its answer came back to the host's address.
  EXPECT_EQ(in_container("ours", fetch_with_busybox("http://192.0.2.2/")), "far");
  EXPECT_TRUE(is_published("ours"));
  const std::string rules = shell("iptables -S FORWARD | grep -c netd");
  restart_netd();
  EXPECT_EQ(shell("iptables -S FORWARD | grep -c netd"), rules);
  EXPECT_EQ(in_container("ours", fetch_with_busybox("http://192.0.2.2/")), "far");
  expect_no_trace();
}

TEST_F(Outside, DockersBridgeIsAnotherNetwork) {
  make_containers();
  const std::string ours = container_address("ours", "shop");
  const std::string theirs = container_address("theirs", "bridge");
  for (const auto& [from, to] : {std::pair("ours", theirs), std::pair("theirs", ours)}) {
    const Result result = attempt("docker exec " + std::string(from) + " " +
                                  fetch_with_busybox("http://" + to + "/"));
    EXPECT_NE(result.status, 0) << "from " << from << " to " << to;
    EXPECT_NE(attempt("docker exec " + std::string(from) + " ping -c1 -W1 " + to).status, 0);
  }
  // The host reaches both.
  EXPECT_EQ(shell(e2e::fetch("http://" + ours + "/")), "ours");
  EXPECT_EQ(shell(e2e::fetch("http://" + theirs + "/")), "theirs");
}

}  // namespace
}  // namespace engine
