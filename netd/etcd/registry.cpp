#include <exception>

#include "netd/etcd/watches.h"

namespace netd::etcd {

std::shared_ptr<void> Registry::add(Watch watch) {
  const std::lock_guard lock(mutex_);
  const std::int64_t id = ++last_id_;  // never again: an old answer finds nobody
  watch.id = id;
  watches_[id] = std::make_shared<Watch>(std::move(watch));
  changed_.notify_all();
  if (wake_) wake_();
  return {nullptr, [self = shared_from_this(), id](void*) { self->remove(id); }};
}

void Registry::remove(std::int64_t id) {
  std::shared_ptr<Watch> removed;  // what its watcher owns goes after the lock
  std::unique_lock lock(mutex_);
  if (const auto found = watches_.find(id); found != watches_.end()) {
    removed = std::move(found->second);
    watches_.erase(found);
    if (wake_) wake_();
  }
  if (visitor_ != std::this_thread::get_id()) changed_.wait(lock, [&] { return visited_ != id; });
  lock.unlock();
}

std::vector<std::int64_t> Registry::ids() {
  const std::lock_guard lock(mutex_);
  std::vector<std::int64_t> ids;
  for (const auto& [id, watch] : watches_)
    ids.push_back(id);
  return ids;
}

bool Registry::has(std::int64_t id) {
  const std::lock_guard lock(mutex_);
  return watches_.contains(id);
}

void Registry::visit(std::int64_t id, const std::function<void(Watch&)>& act) {
  std::shared_ptr<Watch> watch;
  {
    const std::lock_guard lock(mutex_);
    const auto found = watches_.find(id);
    if (found == watches_.end()) return;
    watch = found->second;
    visited_ = id;
    visitor_ = std::this_thread::get_id();
  }
  std::optional<StoreError> failure;
  try {
    act(*watch);
  } catch (const std::exception& thrown) {
    failure.emplace(StoreError::Kind::failed, thrown.what());
  }
  watch.reset();  // before a waiting remove() returns
  {
    const std::lock_guard lock(mutex_);
    visited_ = 0;
    visitor_ = {};
  }
  changed_.notify_all();
  if (failure) end(id, *failure);
}

void Registry::end(std::int64_t id, const StoreError& error) {
  std::function<void(const StoreError&)> ended;
  visit(id, [&](Watch& watch) {
    ended = std::move(watch.watcher.ended);
    {
      const std::lock_guard lock(mutex_);
      watches_.erase(id);
    }
    if (ended) ended(error);
    ended = nullptr;
  });
}

void Registry::end_all(const StoreError& error) {
  for (const std::int64_t id : ids())
    end(id, error);
}

bool Registry::wait(const std::stop_token& stop, std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  if (time.count() > 0)
    changed_.wait_for(lock, stop, time, [] { return false; });
  else
    changed_.wait(lock, stop, [&] { return !watches_.empty(); });
  return !watches_.empty();
}

void Registry::set_wake(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

}  // namespace netd::etcd
