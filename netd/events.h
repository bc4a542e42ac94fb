// What happened, for `docker events` and `netctl events`: the Engine API's event objects
// (libnetwork.md 3.8). The last `kept` events are remembered for ?since=.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace netd {

struct Event {
  std::string type;    // "network", "container", "daemon"
  std::string action;  // "create", "connect", "disconnect", "destroy", "prune", "start", "die"
  std::string id;      // the actor's
  std::map<std::string, std::string> attributes;
  std::string scope = "local";
  std::int64_t time_nano = 0;  // Unix time; set by publish, unique and rising
};

/// Thread-safe: published on the control thread, read by API sessions.
class Events {
 public:
  using Callback = std::function<void(const Event&)>;
  static constexpr std::size_t kept = 1024;

  void publish(Event event);
  /// `callback` runs on the publishing thread and must not block; one that throws is called no
  /// more. Ends when the handle dies; one call may still be under way then.
  std::shared_ptr<void> subscribe(Callback callback);
  /// Remembered events with since <= time_nano <= until, oldest first.
  std::vector<Event> history(std::int64_t since_nano, std::int64_t until_nano) const;

 private:
  mutable std::mutex mutex_;
  std::deque<Event> history_;
  std::vector<std::weak_ptr<Callback>> subscribers_;
};

}  // namespace netd
