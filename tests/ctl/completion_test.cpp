#include <gtest/gtest.h>

#include "tests/ctl/fake_api.h"

namespace tests {
namespace {

std::string candidates(std::vector<std::string> words) {
  FakeApi api;
  api.answers["GET /networks"] = {200, "application/json",
                                  R"([{"Name":"shop"},{"Name":"bridge"}])"};
  api.answers["GET /sandboxes"] = {200, "application/json", R"([{"Name":"web"}])"};
  words.insert(words.begin(), "__complete");
  return netctl(api, words).output;
}

TEST(Completion, KnowsTheCommands) {
  EXPECT_EQ(candidates({""}),
            "cluster\ncompletion\ndoctor\nevents\nnetwork\noci\noverlay\nport\nsandbox\nsystem\ntop"
            "ology\n");
  EXPECT_EQ(candidates({"s"}), "sandbox\nsystem\n");
  EXPECT_EQ(candidates({"network", "c"}), "connect\ncreate\n");
}

TEST(Completion, KnowsTheFlags) {
  EXPECT_EQ(candidates({"network", "create", "--ip"}),
            "--ip-range\n--ipam-driver\n--ipam-opt\n--ipv4\n--ipv6\n");
}

TEST(Completion, AsksTheDaemonForNames) {
  EXPECT_EQ(candidates({"network", "rm", ""}), "bridge\nshop\n");
  EXPECT_EQ(candidates({"network", "connect", ""}), "bridge\nshop\n");
  EXPECT_EQ(candidates({"network", "connect", "--alias", "db", "shop", ""}), "web\n");
  EXPECT_EQ(candidates({"network", "inspect", "a", "b", "s"}), "shop\n");
  EXPECT_EQ(candidates({"sandbox", "exec", "w"}), "web\n");
}

TEST(Completion, KnowsTheValuesOfFlags) {
  EXPECT_EQ(candidates({"sandbox", "create", "--network", "s"}), "shop\n");
  EXPECT_EQ(candidates({"network", "ls", "--format", ""}), "json\ntable\n");
  EXPECT_EQ(candidates({"topology", "--format", ""}), "json\ntree\n");
  EXPECT_EQ(candidates({"completion", ""}), "bash\nfish\nzsh\n");
}

TEST(Completion, IsSilentWithoutADaemon) {
  FakeApi api;
  api.is_running = false;
  const Outcome outcome = netctl(api, {"__complete", "network", "rm", ""});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.output + outcome.errors, "");
}

TEST(Completion, LeavesTheCommandOfExecToTheShell) {
  EXPECT_EQ(candidates({"sandbox", "exec", "web", "--", "l"}), "");
}

TEST(Completion, PrintsAScriptForEachShell) {
  FakeApi api;
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Outcome outcome = netctl(api, {"completion", shell});
    EXPECT_EQ(outcome.status, 0) << outcome.errors;
    EXPECT_NE(outcome.output.find("netctl __complete"), std::string::npos);
  }
  EXPECT_EQ(netctl(api, {"completion", "tcsh"}).status, 2);
}

}  // namespace
}  // namespace tests
