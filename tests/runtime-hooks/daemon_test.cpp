#include "runtime-hooks/daemon.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/runtime-hooks/scripted_daemon.h"

namespace runtime_hooks {
namespace {

using std::chrono::milliseconds;

TEST(Daemon, IsAskedAgainWhenItWentAwayBeforeItAnswered) {
  const ScriptedDaemon netd({hang_up, hang_up, answer("200 OK", R"({"a":1})")});
  Daemon daemon(netd.path(), {});
  EXPECT_EQ(daemon.get("/x")["a"], 1);
}

TEST(Daemon, SaysNoInItsOwnWords) {
  const ScriptedDaemon netd({answer("404 Not Found", R"({"message":"network shop not found"})")});
  Daemon daemon(netd.path(), {});
  try {
    daemon.get("/x");
    FAIL() << "no refusal";
  } catch (const Refusal& refusal) {
    EXPECT_EQ(refusal.status, 404);
    EXPECT_STREQ(refusal.what(), "network shop not found");
  }
}

TEST(Daemon, ThatIsNotThereIsWaitedForButNotForEver) {
  Daemon daemon("/tmp/netd-hook-nobody.sock", {.without_daemon = milliseconds(100)});
  const auto begin = Daemon::Clock::now();
  EXPECT_THROW(daemon.ask("GET", "/x"), netd::client::NoDaemon);
  EXPECT_GE(Daemon::Clock::now() - begin, milliseconds(60));
}

TEST(Daemon, ThatHangsIsGivenUp) {
  const ScriptedDaemon netd({hang});
  Daemon daemon(netd.path(), {.in_all = milliseconds(100)});
  EXPECT_THROW(daemon.ask("GET", "/x"), std::runtime_error);
  EXPECT_FALSE(daemon.wait_a_moment());
}

TEST(Daemon, HasWhatIsLeftOfThePatienceWithThoseBefore) {
  const ScriptedDaemon netd({answer("200 OK", "{}"), hang});
  Daemon daemon(netd.path(), {.in_all = milliseconds(1000)});
  daemon.get("/x");
  while (daemon.wait_a_moment()) {
  }
  const auto begin = Daemon::Clock::now();
  EXPECT_THROW(daemon.ask("GET", "/x"), std::runtime_error);
  EXPECT_LT(Daemon::Clock::now() - begin, milliseconds(500));
}

}  // namespace
}  // namespace runtime_hooks
