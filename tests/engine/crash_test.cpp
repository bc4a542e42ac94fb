// The engine and netd are killed at random moments while containers come and go.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <chrono>
#include <random>

#include "tests/engine/engine.h"

namespace engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds duration{20};
constexpr unsigned containers = 4;
constexpr unsigned networks = 2;

class Crash : public Engine {
 protected:
  unsigned pick(unsigned count) { return static_cast<unsigned>(random_() % count); }

  static nlohmann::json addresses_in_use() {
    return {api("/networks/net0").at("Status"), api("/networks/net1").at("Status")};
  }

  std::string operation() {
    const std::string name = "c" + std::to_string(pick(containers));
    const std::string network = "net" + std::to_string(pick(networks));
    switch (pick(6)) {
      case 0:
        return "docker rm -f " + name;
      case 1:
        return "docker network connect " + network + " " + name;
      case 2:
        return "docker network disconnect " + network + " " + name;
      case 3:
        return "docker start " + name;
      default:
        return "docker run -d --name " + name + " --network " + network + " -p 808" +
               std::to_string(pick(3)) + ":80 box sleep 1000";
    }
  }

  /// Starts an operation, and kills one of the two while it is under way.
  void crash_during(const std::string& command) {
    e2e::Process client({"timeout", "30", "sh", "-c", command}, {}, "/run/clients.log");
    client.wait(milliseconds(random_() % 500));
    if (pick(3) == 0) {
      crash_engine();
      start_engine();
    } else {
      crash_netd();
      start_netd();
    }
    EXPECT_TRUE(client.pid() < 0 || client.wait(seconds(40)).has_value()) << command;
  }

  std::mt19937 random_{3};
};

TEST_F(Crash, AtRandomMomentsLeavesNothing) {
  for (unsigned i = 0; i < networks; ++i)
    create_network("net" + std::to_string(i), "--subnet 10." + std::to_string(5 + i) + ".0.0/24");
  const auto unused = addresses_in_use();
  const auto end = steady_clock::now() + duration;
  int done = 0, tried = 0;
  while (steady_clock::now() < end && !HasFatalFailure()) {
    const std::string command = operation();
    if (pick(4) == 0)
      crash_during(command);
    else
      done += attempt("timeout 30 " + command).status == 0, ++tried;
  }
  EXPECT_GT(done, tried / 5) << "most operations were refused: the test does not say much";
  docker("ps -aq | xargs -r docker rm -f");
  // An engine that asked for an address and died before it had a use for it is forgotten when the
  // next one introduces itself.
  EXPECT_TRUE(soon([&] { return addresses_in_use() == unused; })) << addresses_in_use();
  run("c0", "--network net0 -p 8080:80");
  EXPECT_TRUE(is_published("c0"));
  expect_no_trace();
}

}  // namespace
}  // namespace engine
