#include "netd/events.h"

#include <algorithm>
#include <chrono>
#include <exception>

#include "netd/log.h"

namespace netd {
namespace {

std::int64_t now_nano() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count();
}

/// False when it threw.
bool call(const Events::Callback& callback, const Event& event) {
  try {
    callback(event);
    return true;
  } catch (const std::exception& failure) {
    log::warn("event subscriber failed; it gets no more events", {{"error", failure.what()}});
  } catch (...) {
    log::warn("event subscriber failed; it gets no more events");
  }
  return false;
}

}  // namespace

void Events::publish(Event event) {
  std::vector<std::shared_ptr<Callback>> callbacks;
  {
    const std::lock_guard lock(mutex_);
    // Times are unique and rise even when the clock steps back: a reader that joins the history and
    // its subscription can tell what it has seen by the time alone.
    event.time_nano = now_nano();
    if (!history_.empty())
      event.time_nano = std::max(event.time_nano, history_.back().time_nano + 1);
    history_.push_back(event);
    if (history_.size() > kept) history_.pop_front();
    std::erase_if(subscribers_, [](const auto& subscriber) { return subscriber.expired(); });
    for (const auto& subscriber : subscribers_)
      if (auto callback = subscriber.lock()) callbacks.push_back(std::move(callback));
  }
  // Without the lock: a callback may subscribe, end a subscription or read the history.
  for (const auto& callback : callbacks) {
    if (call(*callback, event)) continue;
    const std::lock_guard lock(mutex_);
    std::erase_if(subscribers_, [&](const auto& other) { return other.lock() == callback; });
  }
}

std::shared_ptr<void> Events::subscribe(Callback callback) {
  auto handle = std::make_shared<Callback>(std::move(callback));
  const std::lock_guard lock(mutex_);
  subscribers_.push_back(handle);
  return handle;
}

std::vector<Event> Events::history(std::int64_t since_nano, std::int64_t until_nano) const {
  const std::lock_guard lock(mutex_);
  std::vector<Event> found;
  for (const Event& event : history_)
    if (since_nano <= event.time_nano && event.time_nano <= until_nano) found.push_back(event);
  return found;
}

}  // namespace netd
