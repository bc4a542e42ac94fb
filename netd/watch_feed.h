// Who watches a store, and the last changes for those who begin late. For engines that see all
// changes themselves.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "netd/store.h"

namespace netd {

class WatchFeed {
 public:
  struct Limits {
    std::size_t changes = 0;
    std::size_t bytes = 0;  // of keys and values
  };

  /// `revision` is the store's now: what came before isn't kept.
  WatchFeed(Revision revision, const Limits& limits)
      : revision_(revision), forgotten_(revision), limits_(limits) {}

  /// Tells the watches, in order. Called within a callback it only queues: the call under way tells
  /// it when all have heard what is being told.
  void tell(Revision revision, std::vector<Change> changes);
  /// As Store::watch; what is kept since `since` is told before it returns, or StoreError
  /// `compacted` thrown.
  std::shared_ptr<void> watch(const std::string& prefix, Revision since, Watcher watcher);

 private:
  struct Watch {
    std::string prefix;
    Watcher watcher;
    std::size_t position;  // of the next change to tell, counted from the first ever
    Revision progress;     // told of
    bool over = false;
  };

  void deliver();
  bool deliver_next(const std::weak_ptr<Watch>& handle);
  static void call(Watch& watch, const std::function<void()>& callback);
  void forget_old();

  Revision revision_;   // of the last transaction told
  Revision forgotten_;  // changes up to here aren't kept
  const Limits limits_;
  std::deque<Watched> history_;
  std::size_t first_position_ = 0;  // of history_.front()
  std::size_t bytes_ = 0;
  std::vector<std::weak_ptr<Watch>> watches_;
  bool delivering_ = false;
};

}  // namespace netd
