#include "sandbox/reaper.h"

#include <algorithm>
#include <system_error>

#include "sandbox/links.h"
#include "sandbox/netns.h"

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

void delete_inside(int netns, std::uint32_t index) noexcept {
  try {
    run_in_netns(netns, [index] {
      RtnlSocket rtnl;
      delete_each(rtnl, {index});
    });
  } catch (const std::exception&) {
    // It stays in its group, as above.
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

void Reaper::note_time() {
  last_told_ = Clock::now();
  if (count() == 0) waiting_since_ = last_told_;
}

void Reaper::notify_inside(Fd netns, std::uint32_t index) {
  {
    const std::lock_guard lock(mutex_);
    note_time();
    inside_.push_back({std::move(netns), index});
  }
  changed_.notify_all();
}

void Reaper::notify(std::uint32_t index, Kind kind) {
  {
    const std::lock_guard lock(mutex_);
    note_time();
    (kind == Kind::bridge ? bridges_ : links_).insert(index);
  }
  changed_.notify_all();
}

std::size_t Reaper::waiting() const {
  const std::lock_guard lock(mutex_);
  return count() + at_work_;
}

void Reaper::drain() {
  std::unique_lock lock(mutex_);
  ++in_a_hurry_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return (count() == 0 && at_work_ == 0) || stopping_; });
  --in_a_hurry_;
}

void Reaper::run() {
  for (Batch batch = next_batch(); batch.size() != 0; batch = next_batch()) {
    reap(batch);
    batch = {};  // lets the namespace go
    {
      const std::lock_guard lock(mutex_);
      at_work_ = 0;
    }
    changed_.notify_all();
  }
}

/// Returns when it is time to begin.
void Reaper::await_pause(std::unique_lock<std::mutex>& lock) {
  while (!stopping_ && in_a_hurry_ == 0 && count() < most_waiting) {
    const Clock::time_point due = std::min(last_told_ + pause, waiting_since_ + patience);
    if (Clock::now() >= due) return;
    changed_.wait_until(lock, due);
  }
}

/// Waits for links; empty when it is time to stop.
Reaper::Batch Reaper::next_batch() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || count() != 0; });
  await_pause(lock);
  Batch batch;
  if (stopping_) return batch;
  if (links_.empty() && !inside_.empty()) {
    batch.inside = std::move(inside_.front());
    inside_.pop_front();
  } else {
    std::set<std::uint32_t>& from = links_.empty() ? bridges_ : links_;
    const std::size_t most = links_.empty() ? 1 : batch_size;
    const auto end =
        std::next(from.begin(), static_cast<std::ptrdiff_t>(std::min(most, from.size())));
    batch.links.assign(from.begin(), end);
    from.erase(from.begin(), end);
  }
  at_work_ = batch.size();
  waiting_since_ = Clock::now();
  return batch;
}

void Reaper::reap(const Batch& batch) {
  if (batch.inside.netns) return delete_inside(batch.inside.netns.get(), batch.inside.index);
  try {
    if (!gather(rtnl_, batch.links).empty()) delete_group(rtnl_, reaping_group);
  } catch (const std::system_error&) {
    delete_each(rtnl_, batch.links);
  }
}

}  // namespace sandbox
