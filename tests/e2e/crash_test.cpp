// kill -9 at random moments of random operations: whatever was interrupted, it has happened or it
// has not.
#include <sys/wait.h>

#include <random>

#include "tests/e2e/end_to_end.h"

namespace e2e {
namespace {

constexpr int operations = 200;
constexpr int sandboxes = 4;
constexpr int networks = 3;

class Crash : public EndToEnd {
 protected:
  std::string pick(const char* kind, int count) {
    return kind + std::to_string(random_() % static_cast<unsigned>(count));
  }

  std::vector<std::string> operation() {
    const std::string network = pick("net", networks), sandbox = pick("box", sandboxes);
    switch (random_() % 8) {
      case 0:
        return {"network", "create", network};
      case 1:
        return {"network", "rm", network};
      case 2:
        return {"sandbox", "rm", sandbox};
      case 3:
        return {"sandbox", "create", "--network", network, sandbox};
      case 4:
        return {"sandbox", "create", "--network",
                network,   "-p",     "80" + std::to_string(10 + random_() % 3) + ":80",
                sandbox};
      case 5:
      case 6:
        return {"network", "connect", network, sandbox};
      default:
        return {"network", "disconnect", network, sandbox};
    }
  }

  /// Lets the operation run for a random while and kills netd.
  void crash_during(Process& client) {
    client.wait(std::chrono::milliseconds(random_() % 60));
    crash_netd();
    EXPECT_TRUE(client.pid() < 0 || client.wait(std::chrono::seconds(20)).has_value());
    start_netd();
  }

  std::mt19937 random_{2};
};

TEST_F(Crash, AtRandomMomentsLeavesNothingHalfDone) {
  int done = 0;
  for (int i = 0; i < operations && !HasFatalFailure(); ++i) {
    std::vector<std::string> command = operation();
    command.insert(command.begin(), "netctl");
    Process client(command, {}, "/run/clients.log");
    if (random_() % 4 == 0) {
      crash_during(client);
      continue;
    }
    // Refused (there is no such network, it is in use) is as good as done: 0 or 1, nothing else.
    const auto status = client.wait(std::chrono::seconds(20));
    ASSERT_TRUE(status.has_value());
    EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) <= 1)
        << ::testing::PrintToString(command);
    done += *status == 0;
  }
  EXPECT_GT(done, operations / 5) << "most operations were refused: the test does not say much";
  expect_agreement();
  const auto before = api("/sandboxes"), networks_before = api("/networks");
  restart_netd();
  EXPECT_EQ(api("/sandboxes"), before) << "the store and the daemon disagree";
  EXPECT_EQ(api("/networks"), networks_before);
  expect_agreement();
  expect_nothing_left();
}

}  // namespace
}  // namespace e2e
