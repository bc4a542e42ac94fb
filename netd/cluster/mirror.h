// What is below a prefix of a store that others write to, told as it is and as it changes, on one
// thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "netd/store.h"
#include "netd/workers.h"

namespace netd::cluster {

class Mirror {
 public:
  /// Has a function run on the thread that `Listener` is told on, in the order of posting.
  using Post = std::function<void(std::function<void()>)>;

  struct Listener {
    /// All that there is: at first, and again when changes may have been missed. What is not in it
    /// is gone. False: so much is gone that it wants to see that twice; `confirmed` then says that
    /// this is the second time.
    std::function<bool(const Snapshot&, bool confirmed)> replaced;
    std::function<void(const Watched&)> changed;
    std::function<void(Revision)> progressed = {};
    /// Asked on a worker before a snapshot is told: whether it is of the right store. It throws
    /// StoreError when not, and nothing is told.
    std::function<void()> check = {};
    /// The store did not answer; it is asked again.
    std::function<void(const StoreError&)> failed = {};
  };

  struct Pace {
    std::chrono::milliseconds first_retry{100};
    std::chrono::milliseconds last_retry{2000};
    std::chrono::milliseconds confirmation{10000};
  };

  /// Begins at once. `store` and `workers` outlive this.
  Mirror(Store& store, std::string prefix, Post post, Workers& workers, Listener listener,
         Pace pace);
  Mirror(Store& store, std::string prefix, Post post, Workers& workers, Listener listener)
      : Mirror(store, std::move(prefix), std::move(post), workers, std::move(listener), Pace()) {}
  /// On the listener's thread: nothing is told afterwards. Waits for nobody.
  ~Mirror();
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace netd::cluster
