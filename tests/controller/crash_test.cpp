// kill -9 at every single kernel call of every verb: after the next start, store, kernel and model
// agree, and the verb has happened wholly or not at all.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "tests/controller/controller_fixture.h"

namespace tests {
namespace {

using testing::AnyOf;

class CrashTest : public ControllerTest {
 protected:
  void SetUp() override {
    ControllerTest::SetUp();
    create_network("front",
                   {.ipv6 = true, .pools = {{.subnet = ipam::Prefix::parse("10.1.0.0/24")}}});
    create_network("back", {.pools = {{.subnet = ipam::Prefix::parse("10.2.0.0/24")}}});
  }

  /// The kernel without what every attempt makes anew (ids, indexes, addresses).
  std::string shape() {
    std::string text;
    for (const auto* network : controller_->networks())
      text += "network " + network->network.name + "\n";
    for (const auto& view : controller_->sandboxes()) {
      text += "sandbox " + view.sandbox->spec.name + "\n";
      std::set<std::string> on;
      for (const auto* record : view.endpoints)
        on.insert(controller_->network_by_id(record->network_id).network.name);
      for (const std::string& network : on)
        text += "  on " + network + "\n";
    }
    kernel_.drain();
    const std::string state = kernel_.state();
    text += std::to_string(std::count(state.begin(), state.end(), '\n')) + " kernel objects\n";
    text += std::to_string(store_->list("").size()) + " entries\n";
    return text;
  }

  /// Kills netd at the 1st, 2nd, … kernel call of `act`, until it survives; restarts it each time.
  /// `undo` brings the world back when the act happened.
  void kill_everywhere(const std::function<void()>& act, const std::function<void()>& undo) {
    const std::string before = shape();
    act();
    const std::string after = shape();
    undo();
    ASSERT_EQ(shape(), before);
    for (std::size_t calls = 0; calls < 200; ++calls) {
      deadly_.calls = calls;
      bool killed = false;
      try {
        act();
      } catch (const Killed&) {
        killed = true;
      }
      restart();
      EXPECT_THAT(shape(), AnyOf(before, after)) << "killed after " << calls << " kernel calls";
      if (shape() == after) undo();
      ASSERT_EQ(shape(), before) << "killed after " << calls << " kernel calls";
      if (!killed) return;
    }
    FAIL() << "never survived";
  }
};

const std::vector<drivers::PortBinding> web_port{
    {.container_port = 80, .host_port_first = 8080, .host_port_last = 8080}};

TEST_F(CrashTest, InNetworkCreate) {
  kill_everywhere([&] { create_network("shop", {.ipv6 = true}); },
                  [&] { controller_->remove_network("shop"); });
}

TEST_F(CrashTest, InNetworkRemove) {
  create_network("shop");
  kill_everywhere([&] { controller_->remove_network("shop"); }, [&] { create_network("shop"); });
}

TEST_F(CrashTest, InSandboxCreate) {
  kill_everywhere(
      [&] {
        create_sandbox("web", {"front", "back"}, {.ports = web_port});
      },
      [&] { controller_->remove_sandbox("web"); });
}

TEST_F(CrashTest, InSandboxRemove) {
  create_sandbox("web", {"front", "back"}, {.ports = web_port});
  kill_everywhere([&] { controller_->remove_sandbox("web"); },
                  [&] {
                    create_sandbox("web", {"front", "back"}, {.ports = web_port});
                  });
}

TEST_F(CrashTest, InConnectThatMovesTheGateway) {
  create_sandbox("web", {"front"}, {.ports = web_port});
  kill_everywhere([&] { controller_->connect("back", "web", {.gateway_priority = 1}); },
                  [&] { controller_->disconnect("back", "web", false); });
}

TEST_F(CrashTest, InDisconnectThatMovesTheGateway) {
  create_sandbox("web", {"front", "back"}, {.ports = web_port});
  kill_everywhere([&] { controller_->disconnect("front", "web", false); },
                  [&] { controller_->connect("front", "web", {}); });
}

TEST_F(CrashTest, InPublish) {
  create_sandbox("web", {"front"});
  kill_everywhere([&] { controller_->change_ports("web", web_port, {}); },
                  [&] { controller_->change_ports("web", {}, web_port); });
}

}  // namespace
}  // namespace tests
