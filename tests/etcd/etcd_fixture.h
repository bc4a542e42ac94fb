// A test with an etcd of its own. gRPC's threads stay in the namespace in which they began, so each
// of these tests is a process of its own (ctest does so).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "netd/etcd/load.h"
#include "tests/support/etcd_cluster.h"
#include "tests/support/namespace_test.h"

namespace tests {

class EtcdTest : public NamespaceTest {
 public:
  using NamespaceTest::enter_fresh_namespaces;

  /// Short deadlines: tests wait for them.
  static netd::EtcdOptions options_for(const EtcdCluster& cluster);
  static std::unique_ptr<netd::SharedStore> open(const EtcdCluster& cluster) {
    return netd::open_etcd(options_for(cluster));
  }
  static netd::Outcome put(netd::Store& store, const std::string& key, const std::string& value) {
    return store.txn({}, {{key, value}}, netd::Durability::power);
  }
  /// The StoreError that `act` throws; fails the test when it doesn't.
  static netd::StoreError refusal(const std::function<void()>& act);
  static std::chrono::milliseconds duration_of(const std::function<void()>& act);
};

}  // namespace tests
