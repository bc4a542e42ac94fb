// What every engine behind netd::Store has to do. An engine's test program instantiates the suite
// with a factory: see sqlite_store_test.cpp.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "netd/store.h"

namespace tests {

/// Where one engine keeps one store: `open` is called again after the former store is destroyed,
/// and then finds what that one left.
class StoreHome {
 public:
  virtual ~StoreHome() = default;
  virtual std::unique_ptr<netd::Store> open() = 0;
  /// Changes up to this revision are no longer kept for watches, from the next `open` on at the
  /// latest.
  virtual void forget_history(netd::Revision until) = 0;
  /// Lets that much time pass, as leases see it.
  virtual void pass(std::chrono::seconds time) = 0;
};

struct Engine {
  std::string name;
  std::function<std::unique_ptr<StoreHome>()> make_home;
};
inline void PrintTo(const Engine& engine, std::ostream* stream) {
  *stream << engine.name;
}

/// What a watch was told, as "revision key=value" or "revision key gone". Revisions count from
/// where the test began.
class Notes {
 public:
  explicit Notes(netd::Revision base) : base_(base) {}
  /// A watcher that notes here.
  netd::Watcher watcher();
  /// What was told, once these are as many and nothing more is on its way: or after ten seconds.
  std::vector<std::string> first(std::size_t count);
  std::vector<std::string> all();
  /// Waits until all up to this revision was told.
  void await_progress(netd::Revision revision);
  /// Waits until the watch has ended.
  netd::StoreError::Kind await_end();

 private:
  void wait_until(const std::function<bool()>& done);

  netd::Revision base_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> notes_;
  netd::Revision progress_ = 0;
  std::optional<netd::StoreError::Kind> end_;
};

class StoreConformance : public ::testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    home_ = GetParam().make_home();
    store_ = home_->open();
    base_ = store_->snapshot("").revision;
  }
  void reopen() {
    store_.reset();
    store_ = home_->open();
  }
  netd::Outcome make(const std::vector<netd::Compare>& compares,
                     const std::vector<netd::Change>& changes) {
    return store_->txn(compares, changes, netd::Durability::process);
  }
  /// Revisions of these count from where the test began; 0 = refused.
  netd::Revision put(const std::string& key, const std::string& value, netd::Lease lease = 0) {
    return relative(make({}, {{key, value, lease}}));
  }
  netd::Revision erase(const std::string& key) { return relative(make({}, {{key, std::nullopt}})); }
  netd::Revision relative(const netd::Outcome& outcome) const {
    return outcome ? outcome.revision - base_ : 0;
  }
  /// The store's revision of one that counts from the beginning.
  netd::Revision at(netd::Revision number) const { return base_ + number; }
  std::shared_ptr<void> watch(const std::string& prefix, netd::Revision since, Notes& notes) {
    return store_->watch(prefix, since, notes.watcher());
  }
  /// "key=value@revision", or "none".
  std::string show(const std::string& key) {
    const auto entry = store_->get(key);
    return entry ? show(*entry) : "none";
  }
  std::string show(const netd::Entry& entry) const {
    return entry.key + "=" + entry.value + "@" + std::to_string(entry.revision - base_);
  }
  std::vector<std::string> show(const std::vector<netd::Entry>& entries) const {
    std::vector<std::string> texts;
    for (const auto& entry : entries)
      texts.push_back(show(entry));
    return texts;
  }

  std::unique_ptr<StoreHome> home_;
  std::unique_ptr<netd::Store> store_;
  netd::Revision base_ = 0;
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreConformance);

}  // namespace tests
