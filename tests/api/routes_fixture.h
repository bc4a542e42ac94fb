// What the API's routes work on: a real controller with a fake kernel, and a store in /run of fresh
// namespaces. No sockets.
#pragma once

#include <memory>

#include "drivers/registry.h"
#include "netd/api/metrics.h"
#include "netd/api/routes.h"
#include "netd/config.h"
#include "netd/controller.h"
#include "netd/events.h"
#include "netd/sqlite_store.h"
#include "tests/support/fake_kernel.h"
#include "tests/support/fake_listeners.h"
#include "tests/support/namespace_test.h"

namespace tests {

class RoutesTest : public NamespaceTest {
 protected:
  RoutesTest();
  /// Fresh namespaces, and the controller is started with config_.
  void SetUp() override;
  netd::api::Context context() { return {*controller_, events_, config_, metrics_}; }

  netd::Config config_;
  FakeKernel kernel_;
  drivers::Registry drivers_;
  FakeListeners listeners_;
  netd::Events events_;
  netd::api::Metrics metrics_;
  std::unique_ptr<netd::SqliteStore> store_;
  std::unique_ptr<netd::Controller> controller_;
};

}  // namespace tests
