// podman without a network of its own, whose hooks are netd's (oci-hooks(5)).
#include <gmock/gmock.h>

#include "tests/podman/machine.h"

namespace podman {
namespace {

using ::testing::HasSubstr;

class PodmanHooksTest : public PodmanTest {
 protected:
  std::string network_section() const override { return ""; }
  std::string engine_section() const override { return "hooks_dir=[\"/run/hooks.d\"]\n"; }
  void SetUp() override {
    PodmanTest::SetUp();
    shell("mkdir /run/hooks.d");
    for (const std::string stage : {"createRuntime", "poststop"})
      shell("sed 's,@NETD_HOOK@," NETD_PROGRAMS "/netd-hook,; s,@NETD_STAGE@," + stage +
            ",' " NETD_SOURCE_DIR "/packaging/oci-hook.json >/run/hooks.d/netd-" + stage + ".json");
  }
};

TEST_F(PodmanHooksTest, ConnectsContainersThatAskForIt) {
  shell("netctl network create --subnet 10.5.0.0/24 shop");
  run("--name web --network none --annotation io.netd.networks=shop");
  EXPECT_THAT(inside("web", "ip -o -4 address show eth0"), HasSubstr("10.5.0."));
  podman("rm --force --time 0 web");
  EXPECT_EQ(api("/sandboxes"), nlohmann::json::array());
}

TEST_F(PodmanHooksTest, RefusesAnAnnotationThatItDoesNotKnow) {
  const e2e::Result refused = attempt_podman(
      "run --network none --annotation io.netd.network=shop "
      "--annotation run.oci.hooks.stderr=/run/hook.log --rootfs /run/rootfs true");
  EXPECT_NE(refused.status, 0) << refused.output;
  EXPECT_THAT(shell("cat /run/hook.log"), HasSubstr("unknown annotation io.netd.network;"));
}

TEST_F(PodmanHooksTest, LeavesOtherContainersAlone) {
  run("--name web --network none --annotation org.example=1");
  EXPECT_EQ(api("/sandboxes"), nlohmann::json::array());
}

}  // namespace
}  // namespace podman
