#include "sandbox/reaper.h"

#include <algorithm>
#include <system_error>

#include "sandbox/links.h"

namespace sandbox {
namespace {

/// Moves the links that are still there, and still dying, to the group that gets deleted. An index
/// alone is no proof: its link may have gone with its namespace and the number be another's now.
std::vector<std::uint32_t> gather(RtnlSocket& rtnl, const std::vector<std::uint32_t>& batch) {
  std::vector<std::uint32_t> present;
  for (const std::uint32_t index : batch) {
    const auto link = find_link(rtnl, index);
    if (link && link->dying() && set_group(rtnl, index, reaping_group)) present.push_back(index);
  }
  return present;
}

/// One by one, for when the group has a link that the kernel refuses to delete.
void delete_each(RtnlSocket& rtnl, const std::vector<std::uint32_t>& batch) noexcept {
  for (const std::uint32_t index : batch) {
    try {
      const auto link = find_link(rtnl, index);
      if (link && link->dying()) delete_link(rtnl, index);
    } catch (const std::exception&) {
      // It stays in its group, down, and is tried again when netd starts the next time.
    }
  }
}

}  // namespace

Reaper::Reaper() {
  for (const Link& link : list_links(rtnl_))
    if (link.dying()) (link.facts.kind == "bridge" ? bridges_ : links_).insert(link.facts.index);
  thread_ = std::thread([this] { run(); });
}

Reaper::~Reaper() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Reaper::notify(std::uint32_t index, Kind kind) {
  {
    const std::lock_guard lock(mutex_);
    last_told_ = Clock::now();
    if (is_empty()) waiting_since_ = last_told_;
    (kind == Kind::bridge ? bridges_ : links_).insert(index);
  }
  changed_.notify_all();
}

std::size_t Reaper::waiting() const {
  const std::lock_guard lock(mutex_);
  return links_.size() + bridges_.size() + at_work_;
}

void Reaper::drain() {
  std::unique_lock lock(mutex_);
  ++in_a_hurry_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return (is_empty() && at_work_ == 0) || stopping_; });
  --in_a_hurry_;
}

void Reaper::run() {
  for (auto batch = next_batch(); !batch.empty(); batch = next_batch()) {
    reap(batch);
    {
      const std::lock_guard lock(mutex_);
      at_work_ = 0;
    }
    changed_.notify_all();
  }
}

/// Returns when it is time to begin.
void Reaper::await_pause(std::unique_lock<std::mutex>& lock) {
  while (!stopping_ && in_a_hurry_ == 0 && links_.size() + bridges_.size() < most_waiting) {
    const Clock::time_point due = std::min(last_told_ + pause, waiting_since_ + patience);
    if (Clock::now() >= due) return;
    changed_.wait_until(lock, due);
  }
}

/// Waits for links; empty when it is time to stop.
std::vector<std::uint32_t> Reaper::next_batch() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || !is_empty(); });
  await_pause(lock);
  if (stopping_) return {};
  std::set<std::uint32_t>& from = links_.empty() ? bridges_ : links_;
  const std::size_t most = links_.empty() ? 1 : batch_size;
  const auto end =
      std::next(from.begin(), static_cast<std::ptrdiff_t>(std::min(most, from.size())));
  std::vector<std::uint32_t> batch(from.begin(), end);
  from.erase(from.begin(), end);
  at_work_ = batch.size();
  waiting_since_ = Clock::now();
  return batch;
}

void Reaper::reap(const std::vector<std::uint32_t>& batch) {
  try {
    if (!gather(rtnl_, batch).empty()) delete_group(rtnl_, reaping_group);
  } catch (const std::system_error&) {
    delete_each(rtnl_, batch);
  }
}

}  // namespace sandbox
