// Either side restarts, crashes, or the machine does.
#include <gmock/gmock.h>

#include "tests/engine/engine.h"

namespace engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Restart : public Engine {
 protected:
  void SetUp() override {
    Engine::SetUp();
    if (!IsSkipped()) create_network("shop", "--subnet 10.5.0.0/24");
  }
  static std::string published() { return outside(e2e::fetch("http://192.0.2.1:8080/")); }
};

TEST_F(Restart, OfNetdLeavesContainersAlone) {
  run("web", "--network shop -p 8080:80");
  for (int i = 0; i < 2; ++i) {
    crash_netd();
    EXPECT_EQ(published(), "web") << "while netd is down";
    start_netd();
    EXPECT_EQ(published(), "web");
    EXPECT_EQ(shell(e2e::fetch("http://127.0.0.1:8080/")), "web");
  }
  EXPECT_THAT(shell("netctl topology"), HasSubstr("8080"));
  EXPECT_EQ(run_once("--network shop", fetch_with_busybox("http://web/")).output, "web");
  EXPECT_THAT(refused("run --rm --network shop -p 8080:80 box true"),
              HasSubstr("port is already allocated"));
  crash_netd();
  kill_container("web");  // nobody tells netd
  start_netd();
  docker("rm -f web");
  run("web", "--network shop -p 8080:80");
  EXPECT_EQ(published(), "web");
  expect_no_trace();
}

TEST_F(Restart, OfTheEngineEndsItsContainers) {
  run("web", "--network shop --ip 10.5.0.9 -p 8080:80");
  run("always", "--network shop --restart always");
  crash_engine();
  start_engine();
  EXPECT_TRUE(soon([] { return docker("inspect --format {{.State.Running}} always") == "true"; }));
  EXPECT_EQ(docker("inspect --format {{.State.Running}} web"), "false");
  EXPECT_THAT(shell("netctl topology"), Not(HasSubstr("10.5.0.9")));
  EXPECT_NE(attempt_outside(e2e::fetch("http://192.0.2.1:8080/")).status, 0);
  docker("start web");
  EXPECT_TRUE(is_published("web"));
  EXPECT_EQ(container_address("web", "shop"), "10.5.0.9");
  run("other", "--network shop");
  EXPECT_EQ(in_container("other", fetch_with_busybox("http://web/")), "web");
  expect_no_trace();
}

TEST_F(Restart, OfAnEngineWithLiveRestoreLeavesContainersAlone) {
  stop_engine();
  start_engine({"--live-restore"});
  run("web", "--network shop -p 8080:80");
  crash_engine();
  EXPECT_EQ(published(), "web") << "while the engine is down";
  start_engine({"--live-restore"});
  EXPECT_EQ(published(), "web");
  EXPECT_EQ(docker("ps --format '{{.Names}}'"), "web");
  EXPECT_EQ(run_once("--network shop", fetch_with_busybox("http://web/")).output, "web");
  docker("stop -t 0 web");
  EXPECT_THAT(shell("netctl topology"), Not(HasSubstr("8080")));
  docker("start web");
  EXPECT_TRUE(is_published("web"));
  expect_no_trace();
}

TEST_F(Restart, OfTheMachineBringsNetworksBack) {
  create_network("yard", "--ipv6 --subnet 10.6.0.0/24 --subnet fd00:6::/64");
  run("web", "--network shop --ip 10.5.0.9 -p 8080:80");
  run("always", "--network yard --restart always");
  reboot_machine();
  EXPECT_TRUE(soon([] { return docker("inspect --format {{.State.Running}} always") == "true"; }));
  EXPECT_THAT(shell("netctl network ls"), HasSubstr("shop"));
  docker("start web");
  EXPECT_TRUE(is_published("web"));
  EXPECT_EQ(container_address("web", "shop"), "10.5.0.9");
  run("other", "--network shop");
  EXPECT_EQ(container_address("other", "shop"), "10.5.0.2");
  expect_no_trace();
}

}  // namespace
}  // namespace engine
