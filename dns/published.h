// A value that one thread replaces whole and others take as it is at that instant.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace dns {

/// What std::atomic<std::shared_ptr> is for. libstdc++ 12's gives up its lock with a relaxed store
/// in `load`: a data race that ThreadSanitizer reports. A mutex that is held for one reference
/// count costs the same.
template <typename Value>
class Published {
 public:
  Published() = default;
  explicit Published(std::shared_ptr<const Value> value) : value_(std::move(value)) {}

  std::shared_ptr<const Value> load() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }
  void store(std::shared_ptr<const Value> value) {
    const std::lock_guard lock(mutex_);
    value_.swap(value);  // the old one is destroyed outside the lock
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Value> value_;
};

}  // namespace dns
