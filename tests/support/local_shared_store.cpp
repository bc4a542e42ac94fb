#include "tests/support/local_shared_store.h"

#include <stdlib.h>

#include <stdexcept>

namespace tests {

using namespace netd;

namespace {

std::string make_directory() {
  std::string path = std::filesystem::temp_directory_path() / "netd-store-XXXXXX";
  if (!mkdtemp(path.data())) throw std::runtime_error("mkdtemp " + path);
  return path;
}

}  // namespace

LocalSharedStore::LocalSharedStore() : directory_(make_directory()) {
  store_.emplace(directory_ + "/store.db");
}

LocalSharedStore::~LocalSharedStore() {
  store_.reset();
  std::filesystem::remove_all(directory_);
}

void LocalSharedStore::lose_answers(int number, Lost lost) {
  const std::lock_guard lock(mutex_);
  lost_answers_ = number;
  lost_ = lost;
}

void LocalSharedStore::check_reachable() const {
  if (unreachable) throw StoreError(StoreError::Kind::unreachable, "the test's store is away");
}

std::optional<Entry> LocalSharedStore::get(const std::string& key) {
  check_reachable();
  const std::lock_guard lock(mutex_);
  return store_->get(key);
}

Snapshot LocalSharedStore::snapshot(const std::string& prefix) {
  check_reachable();
  const std::lock_guard lock(mutex_);
  return store_->snapshot(prefix);
}

Outcome LocalSharedStore::txn(const std::vector<Compare>& compares,
                              const std::vector<Change>& changes, Durability durability) {
  check_reachable();
  if (before_txn) before_txn();
  ++transactions_;
  const std::lock_guard lock(mutex_);
  if (lost_answers_ > 0) {
    --lost_answers_;
    if (lost_ == Lost::made) store_->txn(compares, changes, durability);
    throw StoreError(StoreError::Kind::unknown, "the test's store lost its answer");
  }
  return store_->txn(compares, changes, durability);
}

std::shared_ptr<void> LocalSharedStore::watch(const std::string& prefix, Revision since,
                                              Watcher watcher) {
  const std::lock_guard lock(mutex_);
  return store_->watch(prefix, since, std::move(watcher));
}

Lease LocalSharedStore::grant(std::chrono::seconds time_to_live) {
  check_reachable();
  const std::lock_guard lock(mutex_);
  return store_->grant(time_to_live);
}

void LocalSharedStore::keep_alive(Lease lease) {
  check_reachable();
  const std::lock_guard lock(mutex_);
  store_->keep_alive(lease);
}

void LocalSharedStore::revoke(Lease lease) {
  check_reachable();
  const std::lock_guard lock(mutex_);
  store_->revoke(lease);
}

SharedStore::Status LocalSharedStore::status() {
  return {.cluster = "local", .members = {{.endpoint = "local", .leader = true}}};
}

}  // namespace tests
