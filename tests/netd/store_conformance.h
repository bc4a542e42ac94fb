// What every engine behind netd::Store has to do. An engine's test program instantiates the suite
// with a factory: see sqlite_store_test.cpp.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "netd/store.h"

namespace tests {

/// Where one engine keeps one store: `open` is called again after the former store is destroyed,
/// and then finds what that one left.
class StoreHome {
 public:
  virtual ~StoreHome() = default;
  virtual std::unique_ptr<netd::Store> open() = 0;
};

struct Engine {
  std::string name;
  std::function<std::unique_ptr<StoreHome>()> make_home;
};
inline void PrintTo(const Engine& engine, std::ostream* stream) {
  *stream << engine.name;
}

class StoreConformance : public ::testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    home_ = GetParam().make_home();
    store_ = home_->open();
  }
  void reopen() {
    store_.reset();
    store_ = home_->open();
  }
  netd::Revision put(const std::string& key, const std::string& value) {
    return store_->txn({}, {{key, value}}, netd::Durability::process).value();
  }
  netd::Revision erase(const std::string& key) {
    return store_->txn({}, {{key, std::nullopt}}, netd::Durability::process).value();
  }
  /// "key=value@revision", or "none".
  std::string show(const std::string& key) {
    const auto entry = store_->get(key);
    return entry ? entry->key + "=" + entry->value + "@" + std::to_string(entry->revision) : "none";
  }

  std::unique_ptr<StoreHome> home_;
  std::unique_ptr<netd::Store> store_;
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreConformance);

}  // namespace tests
