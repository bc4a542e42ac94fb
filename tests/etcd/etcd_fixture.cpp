#include "tests/etcd/etcd_fixture.h"

namespace tests {

netd::EtcdOptions EtcdTest::options_for(const EtcdCluster& cluster) {
  return {.endpoints = cluster.endpoints(),
          .deadline = std::chrono::seconds(3),
          .progress_interval = std::chrono::milliseconds(200)};
}

netd::StoreError EtcdTest::refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const netd::StoreError& error) {
    return error;
  }
  ADD_FAILURE() << "it was not refused";
  return {netd::StoreError::Kind::failed, "it was not refused"};
}

std::chrono::milliseconds EtcdTest::duration_of(const std::function<void()>& act) {
  const auto begin = std::chrono::steady_clock::now();
  act();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               begin);
}

}  // namespace tests
