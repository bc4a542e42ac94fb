// All watches on one stream, and their thread, which calls the watchers. When the stream breaks, it
// is made anew at another member, each watch from where it was.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "netd/etcd/member.h"
#include "netd/store.h"

namespace netd::etcd {

struct Watch {
  std::int64_t id = 0;
  std::string key;
  std::string range_end;
  Watcher watcher{};
  // Of the watches' thread:
  Revision next = 0;                    // the first revision that it wasn't told of
  std::vector<Watched> fragments{};     // of an answer that is still coming
  std::optional<Revision> held_mark{};  // see WatchStream::mark
};

/// Who watches. Handles hold it: they may outlive the store.
class Registry : public std::enable_shared_from_this<Registry> {
 public:
  std::shared_ptr<void> add(Watch watch);
  std::vector<std::int64_t> ids();
  bool has(std::int64_t id);
  /// Calls `act` with the watch while it can't end elsewhere; an exception of a watcher's ends it.
  void visit(std::int64_t id, const std::function<void(Watch&)>& act);
  /// The watch is over; tells it so.
  void end(std::int64_t id, const StoreError& error);
  void end_all(const StoreError& error);
  /// Waits for a watch or the stop, or that time if it isn't 0; false without watches.
  bool wait(const std::stop_token& stop, std::chrono::milliseconds time = {});
  /// Called when watches come or go, with the mutex held.
  void set_wake(std::function<void()> wake);

 private:
  void remove(std::int64_t id);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::int64_t, std::shared_ptr<Watch>> watches_;
  std::int64_t last_id_ = 0;
  std::int64_t visited_ = 0;  // its watcher may be running, on:
  std::thread::id visitor_;
  std::function<void()> wake_;
};

class Watches {
 public:
  explicit Watches(Members& members);
  /// Waits for a callback that is running.
  ~Watches();
  std::shared_ptr<void> add(std::string key, std::string range_end, Revision since,
                            Watcher watcher);

 private:
  void run(const std::stop_token& stop);
  std::optional<Member::Problem> serve(Member& member, const std::stop_token& stop);
  std::optional<Member::Problem> look_at(Member& member, const std::stop_token& stop);

  Members& members_;
  std::shared_ptr<Registry> registry_ = std::make_shared<Registry>();
  std::mutex mutex_;  // of what follows
  bool stopped_ = false;
  std::jthread thread_;  // begins with the first watch
};

}  // namespace netd::etcd
