#include "runtime-hooks/oci/hook.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "runtime-hooks/sandbox_id.h"
#include "sandbox/process.h"
#include "tests/runtime-hooks/scripted_daemon.h"
#include "tests/support/namespace_test.h"
#include "tests/support/netns_process.h"

namespace runtime_hooks::oci {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::StartsWith;

/// A container "c1": a process in a network namespace of its own.
class HookTest : public tests::NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    container_.pid = tests::start_process_in_new_netns();
    container_.id = "c1";
    container_.annotations["io.netd.files"] = "none";
  }
  void TearDown() override {
    kill(container_.pid, SIGKILL);
    waitpid(container_.pid, nullptr, 0);
  }
  std::string netns() const { return fmt::format("/proc/{}/ns/net", container_.pid); }
  /// "4711@815"
  std::string process() const {
    return fmt::format("{}@{}", container_.pid, sandbox::identify_process(container_.pid)->started);
  }

  Container container_;
  std::ostringstream notes_;
};

ScriptedDaemon::Turn conflict(const std::string& message) {
  return answer("409 Conflict", json{{"message", message}}.dump());
}

TEST_F(HookTest, TakesTheSandboxWhoseAnswerWasLostForItsOwn) {
  const json pod{{"Id", "b"},
                 {"Name", "pod"},
                 {"SharedWith", ""},
                 {"NetnsPath", netns()},
                 {"Labels", json::object()}};
  json mine = pod;
  mine["Labels"]["io.netd.process"] = process();
  ScriptedDaemon netd({conflict("this is the network namespace of sandbox pod already"),
                       answer("404 Not Found", "{}"), answer("200 OK", json{pod}.dump()), hang_up,
                       conflict("sandbox name c1 is already in use"),
                       answer("200 OK", mine.dump())});
  Daemon daemon(netd.path(), {});
  Hook(daemon, notes_).attach(container_);
  const std::string get = "GET /sandboxes/" + sandbox_id("oci", "c1");
  EXPECT_THAT(netd.asked(), ElementsAre("POST /sandboxes", get, "GET /sandboxes", "POST /sandboxes",
                                        "POST /sandboxes", get));
}

TEST_F(HookTest, TakesAwayOnlyWhatItMadeItself) {
  const json other{{"NetnsPath", "/proc/self/ns/net"}};
  ScriptedDaemon netd({answer("201 Created", other.dump()), answer("404 Not Found", "{}")});
  Daemon daemon(netd.path(), {});
  EXPECT_THROW(Hook(daemon, notes_).attach(container_), std::runtime_error);
  EXPECT_THAT(
      netd.asked(),
      ElementsAre("POST /sandboxes", "DELETE /sandboxes/" + sandbox_id("oci", "c1") + "?filters=" +
                                         netd::client::encode(R"({"label":["io.netd.process=)" +
                                                              process() + R"("]})")));
}

TEST_F(HookTest, LeavesTheSandboxOfOneThatRunsAlone) {
  const json running{{"Labels", {{"io.netd.process", process()}}}};
  ScriptedDaemon netd({answer("200 OK", running.dump())});
  Daemon daemon(netd.path(), {.in_all = std::chrono::seconds(2)});
  Hook(daemon, notes_).detach(container_);
  EXPECT_THAT(notes_.str(), StartsWith("netd-hook: its network stays"));
  EXPECT_LE(netd.asked().size(), 10u) << "in a second";
}

}  // namespace
}  // namespace runtime_hooks::oci
