#include "sandbox/flow_forgetter.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace sandbox {

FlowForgetter::FlowForgetter() : thread_([this] { run(); }) {}

FlowForgetter::~FlowForgetter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void FlowForgetter::forget(const std::vector<ipam::Address>& addresses,
                           const std::vector<Element>& ports) {
  if (addresses.empty() && ports.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    last_asked_ = Clock::now();
    if (addresses_.empty() && ports_.empty()) first_asked_ = last_asked_;
    addresses_.insert(addresses_.end(), addresses.begin(), addresses.end());
    ports_.insert(ports_.end(), ports.begin(), ports.end());
  }
  changed_.notify_all();
}

void FlowForgetter::drain() {
  std::unique_lock lock(mutex_);
  ++in_a_hurry_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return is_idle(); });
  --in_a_hurry_;
}

void FlowForgetter::finish(const ipam::Address& address) {
  {
    const std::lock_guard lock(mutex_);
    if (!concerns(address)) return;
  }
  drain();
}

bool FlowForgetter::concerns(const ipam::Address& address) const {
  const auto leads_there = [&](const Element& element) {
    return std::ranges::find(element.value, ElementField(address)) != element.value.end();
  };
  const auto named = [&](const std::vector<ipam::Address>& addresses) {
    return std::ranges::find(addresses, address) != addresses.end();
  };
  return named(addresses_) || named(at_work_) || std::ranges::any_of(ports_, leads_there);
}

/// Returns when it is time to begin.
void FlowForgetter::await_pause(std::unique_lock<std::mutex>& lock) {
  while (!stopping_ && in_a_hurry_ == 0) {
    const Clock::time_point due = std::min(last_asked_ + pause, first_asked_ + patience);
    if (Clock::now() >= due) return;
    changed_.wait_until(lock, due);
  }
}

void FlowForgetter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !addresses_.empty() || !ports_.empty(); });
    await_pause(lock);
    if (addresses_.empty() && ports_.empty()) return;
    const FlowFilter filter(addresses_, ports_);
    at_work_ = std::exchange(addresses_, {});
    for (const Element& port : std::exchange(ports_, {}))
      for (const ElementField& field : port.value)
        if (const auto* address = std::get_if<ipam::Address>(&field)) at_work_.push_back(*address);
    busy_ = true;
    lock.unlock();
    try {
      conntrack_.forget(filter);
    } catch (const std::exception&) {
      // Best effort: a flow that stays ends by its own timeout.
    }
    lock.lock();
    busy_ = false;
    at_work_.clear();
    changed_.notify_all();
  }
}

}  // namespace sandbox
