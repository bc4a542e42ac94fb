// The conformance suite on an etcd of one member, that all of its tests share.
#include <thread>

#include "tests/etcd/etcd_fixture.h"
#include "tests/netd/store_conformance.h"

namespace tests {
namespace {

EtcdCluster& shared_cluster() {
  static const auto cluster = [] {
    EtcdTest::enter_fresh_namespaces();
    return std::make_unique<EtcdCluster>(EtcdCluster::Options{});
  }();
  return *cluster;
}

class EtcdHome final : public StoreHome {
 public:
  EtcdHome() {
    const auto store = open();
    std::vector<netd::Change> changes;
    for (const auto& entry : store->list("")) {
      changes.push_back({entry.key, std::nullopt});
      if (changes.size() < netd::max_changes) continue;
      store->txn({}, changes, netd::Durability::power);
      changes.clear();
    }
    store->txn({}, changes, netd::Durability::power);
  }
  std::unique_ptr<netd::Store> open() override { return EtcdTest::open(shared_cluster()); }
  void forget_history(netd::Revision until) override {
    shared_cluster().control("compact " + std::to_string(until));
  }
  void pass(std::chrono::seconds time) override { std::this_thread::sleep_for(time); }
};

INSTANTIATE_TEST_SUITE_P(Stores, StoreConformance,
                         ::testing::Values(Engine{"Etcd",
                                                  [] { return std::make_unique<EtcdHome>(); }}),
                         [](const auto& engine) { return engine.param.name; });

}  // namespace
}  // namespace tests
