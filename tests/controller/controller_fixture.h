// A controller on a fake kernel and a real store. Published ports bind real sockets, hence the
// namespace.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/registry.h"
#include "netd/config.h"
#include "netd/controller.h"
#include "netd/error.h"
#include "netd/events.h"
#include "netd/sqlite_store.h"
#include "tests/support/fake_kernel.h"
#include "tests/support/fake_listeners.h"
#include "tests/support/fault_sweep.h"
#include "tests/support/namespace_test.h"

namespace tests {

/// Thrown where netd is killed.
struct Killed {};

/// A kernel that takes netd down with it: after `calls` more calls that change something, this and
/// every later one throws Killed.
class DeadlyKernel : public FaultyKernel {
 public:
  explicit DeadlyKernel(sandbox::Kernel& kernel) : FaultyKernel(kernel) {}
  void apply(const sandbox::Step& step) override;
  void revert(const sandbox::Step& step) override;
  std::optional<std::size_t> calls;  // left; absent = immortal
  bool is_dead() const { return calls == 0u; }

 private:
  void live();
};

/// The store of the same netd: nothing is written once it is dead.
class DeadlyStore : public netd::Store {
 public:
  DeadlyStore(netd::Store& store, const DeadlyKernel& kernel) : store_(store), kernel_(kernel) {}
  std::optional<netd::Entry> get(const std::string& key) override { return store_.get(key); }
  netd::Snapshot snapshot(const std::string& prefix) override { return store_.snapshot(prefix); }
  netd::Outcome txn(const std::vector<netd::Compare>& compares,
                    const std::vector<netd::Change>& changes, netd::Durability durability) override;
  std::shared_ptr<void> watch(const std::string& prefix, netd::Revision since,
                              netd::Watcher watcher) override {
    return store_.watch(prefix, since, std::move(watcher));
  }
  netd::Lease grant(std::chrono::seconds time_to_live) override {
    return store_.grant(time_to_live);
  }
  void keep_alive(netd::Lease lease) override { store_.keep_alive(lease); }
  void revoke(netd::Lease lease) override { store_.revoke(lease); }

 private:
  netd::Store& store_;
  const DeadlyKernel& kernel_;
};

class ControllerTest : public NamespaceTest {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// A new netd on the same store and kernel. Expects a start without problems.
  void restart(const std::string& host_identity = "boot:1");
  /// The same; the problems that it started with.
  std::vector<std::string> start_again(const std::string& host_identity = "boot:1");

  std::string create_network(const std::string& name, netd::NetworkSpec spec = {});
  netd::SandboxView create_sandbox(const std::string& name,
                                   const std::vector<std::string>& networks,
                                   netd::SandboxSpec spec = {});
  const netd::EndpointRecord& endpoint(const std::string& network, const std::string& sandbox);
  /// The default routes and such, as the kernel has them.
  bool kernel_has(const std::string& text) const;
  /// What can differ between before and after: kernel, store (records), addresses in use.
  std::string world();
  /// The message of the netd::Error, std::invalid_argument or drivers::Refused that `act` throws.
  static std::string refusal(const std::function<void()>& act);

  std::filesystem::path directory_;
  netd::Config config_;
  FakeKernel kernel_;
  DeadlyKernel deadly_{kernel_};
  std::unique_ptr<netd::SqliteStore> store_;
  std::unique_ptr<DeadlyStore> deadly_store_;
  drivers::Registry drivers_;
  FakeListeners listeners_;
  netd::Events events_;
  std::unique_ptr<netd::Controller> controller_;
};

}  // namespace tests
