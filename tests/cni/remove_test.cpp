// DEL may be called at any time, any number of times, with nothing left to find.
#include <gmock/gmock.h>

#include "tests/cni/machine.h"

namespace cni {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class RemoveTest : public CniTest {};

TEST_F(RemoveTest, TakesAllAwayAgain) {
  add("c1",
      conf({{"runtimeConfig", {{"portMappings", {{{"hostPort", 8080}, {"containerPort", 80}}}}}}}));
  EXPECT_EQ(run("DEL", "c1", conf()).text, "");
  EXPECT_EQ(api("/sandboxes"), json::array());
  EXPECT_TRUE(eventually([] { return inside("c1", "ip -o link | wc -l") == "1\n"; }));
  shell("ip netns del c1");
  expect_nothing_left();
}

TEST_F(RemoveTest, IsFineTwiceAndBeforeAnyAdd) {
  EXPECT_EQ(run("DEL", "c1", conf()).status, 0);
  add("c1", conf());
  for (int turn = 0; turn < 2; ++turn)
    EXPECT_EQ(run("DEL", "c1", conf()).status, 0);
}

TEST_F(RemoveTest, NeedsNoNamespace) {
  add("c1", conf());
  Environment environment = environment_of("DEL", "c1");
  environment.erase("CNI_NETNS");
  const Answer answer = call(environment, conf().dump());
  EXPECT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(api("/sandboxes"), json::array());
}

TEST_F(RemoveTest, WorksWhenTheNamespaceIsGone) {
  add("c1", conf());
  const Environment environment = environment_of("DEL", "c1");
  shell("ip netns del c1");
  EXPECT_EQ(call(environment, conf().dump()).status, 0);
  EXPECT_EQ(api("/sandboxes"), json::array());
}

TEST_F(RemoveTest, IgnoresArgumentsAndResultsThatAddWouldNotTake) {
  add("c1", conf());
  Environment environment = environment_of("DEL", "c1");
  environment["CNI_ARGS"] = "COLOUR=red";
  EXPECT_EQ(call(environment, conf({{"prevResult", {{"cniVersion", "1.0.0"}}}}).dump()).status, 0);
  EXPECT_EQ(api("/sandboxes"), json::array());
}

TEST_F(RemoveTest, IgnoresWhatHasBecomeWrongInTheConfiguration) {
  for (const char* wrong :
       {R"({"cni.dev/valid-attachments":[{"containerID":"c2"}]})",
        R"({"ipam":{"subnet":"10.5.0.0/24","rangeStart":"10.5.0.9"}})",
        R"({"runtimeConfig":{"portMappings":[{"hostPort":0,"containerPort":80}]}})"}) {
    add("c1", conf());
    const Answer answer = run("DEL", "c1", conf(json::parse(wrong)));
    EXPECT_EQ(answer.status, 0) << answer.text;
    EXPECT_EQ(api("/sandboxes"), json::array());
  }
}

TEST_F(RemoveTest, TakesOneInterfaceOfSeveral) {
  const auto mappings = [](int port) {
    return json{{"portMappings", {{{"hostPort", port}, {"containerPort", port}}}}};
  };
  const json first = conf({{"runtimeConfig", mappings(80)}});
  const json second = conf({{"name", "backend"}, {"runtimeConfig", mappings(81)}});
  add("c1", first);
  add("c1", second, "net1");
  EXPECT_EQ(run("DEL", "c1", first).status, 0);
  const json sandbox = api("/sandboxes/c1");
  EXPECT_EQ(sandbox["Networks"].size(), 1u);
  EXPECT_FALSE(sandbox["Ports"].contains("80/tcp"));
  EXPECT_TRUE(sandbox["Ports"].contains("81/tcp"));
  expect_agreement();
  EXPECT_EQ(run("DEL", "c1", second, "net1").status, 0);
  EXPECT_EQ(api("/sandboxes"), json::array());
}

TEST_F(RemoveTest, LeavesOtherNetworksInterfaceOfThatNameAlone) {
  add("c1", conf());
  EXPECT_EQ(run("DEL", "c1", conf({{"name", "backend"}})).status, 0);
  EXPECT_EQ(api("/sandboxes").size(), 1u);
}

TEST_F(RemoveTest, WorksAfterNetdWasKilled) {
  add("c1", conf());
  crash_netd();
  start_netd();
  EXPECT_EQ(run("DEL", "c1", conf()).status, 0);
  EXPECT_EQ(api("/sandboxes"), json::array());
  expect_agreement();
}

TEST_F(RemoveTest, WaitsForANetdThatStartsAgain) {
  add("c1", conf());
  stop_netd();
  const Environment environment = environment_of("DEL", "c1");
  shell("cat >/run/conf <<'END'\n" + conf().dump() + "\nEND");
  const e2e::Process removal(
      {"sh", "-c",
       "env CNI_COMMAND=DEL CNI_CONTAINERID=c1 CNI_IFNAME=eth0 CNI_PATH=/ netd-cni </run/conf "
       ">/run/out; echo $? >/run/status"},
      {}, "/run/log");
  start_netd();
  EXPECT_EQ(
      shell("timeout 20 sh -c 'until [ -s /run/status ]; do :; done'; cat /run/status /run/out"),
      "0\n");
  EXPECT_EQ(api("/sandboxes"), json::array());
}

}  // namespace
}  // namespace cni
