// CHECK tells what is not as the result said.
#include <gmock/gmock.h>

#include "tests/cni/machine.h"

namespace cni {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class CheckTest : public CniTest {
 protected:
  void SetUp() override {
    CniTest::SetUp();
    configuration_ = conf(
        {{"cniVersion", "1.1.0"},
         {"ipam", {{"subnet", "10.5.0.0/24"}}},
         {"runtimeConfig", {{"portMappings", {{{"hostPort", 8080}, {"containerPort", 80}}}}}}});
    configuration_["prevResult"] = add("c1", configuration_);
  }
  Answer check() const { return run("CHECK", "c1", configuration_); }
  void expect_difference(const char* message) const {
    const Answer answer = check();
    EXPECT_EQ(answer.status, 1);
    EXPECT_EQ(answer.code(), 101) << answer.text;
    EXPECT_THAT(answer.message(), HasSubstr(message));
  }
  json configuration_;
};

TEST_F(CheckTest, IsFineAfterAdd) {
  const Answer answer = check();
  EXPECT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.text, "");
}

TEST_F(CheckTest, MissesTheInterface) {
  inside("c1", "ip link del eth0");
  expect_difference("interface eth0 is missing in /run/netns/c1");
}

TEST_F(CheckTest, MissesAnAddress) {
  inside("c1", "ip address flush dev eth0; ip address add 10.5.0.77/24 dev eth0");
  expect_difference("interface eth0 does not have the address 10.5.0.2/24");
}

TEST_F(CheckTest, MissesTheDefaultRoute) {
  inside("c1", "ip route del default");
  expect_difference("the route to 0.0.0.0/0 via 10.5.0.1 is missing");
}

TEST_F(CheckTest, LeavesRoutesOfOtherTablesToTheirPlugin) {
  configuration_["prevResult"]["routes"].push_back(
      {{"dst", "198.18.0.0/15"}, {"gw", "10.5.0.1"}, {"table", 100}});
  EXPECT_EQ(check().status, 0);
  configuration_["prevResult"]["routes"].push_back(
      {{"dst", "198.18.0.0/15"}, {"gw", "10.5.0.1"}, {"table", 254}});
  expect_difference("the route to 198.18.0.0/15 via 10.5.0.1 is missing");
}

TEST_F(CheckTest, SeesAnotherMacUnlessALaterPluginSaidSo) {
  inside("c1", "ip link set eth0 address 02:00:00:00:00:77");
  expect_difference("interface eth0 has the MAC address 02:00:00:00:00:77, not ");
  configuration_["prevResult"]["interfaces"][2]["mac"] = "02:00:00:00:00:77";
  EXPECT_EQ(check().status, 0);
}

TEST_F(CheckTest, MissesAPublishedPort) {
  shell("netctl sandbox ports c1 --rm 8080:80");
  expect_difference("port 80/tcp is not published at the host's port 8080");
}

TEST_F(CheckTest, KnowsNoContainerThatNetdDoesNot) {
  shell("netctl sandbox rm c1");
  const Answer answer = check();
  EXPECT_EQ(answer.code(), 3) << answer.text;
}

TEST_F(CheckTest, RefusesAResultWithoutTheInterface) {
  configuration_["prevResult"]["interfaces"] = json::array();
  EXPECT_EQ(check().code(), 7);
}

}  // namespace
}  // namespace cni
