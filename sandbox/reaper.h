// Deletes links in the background. RTM_DELLINK takes 20-45 ms, because the kernel waits for grace
// periods; deleting a whole group waits for them once.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "sandbox/fd.h"
#include "sandbox/rtnl.h"

namespace sandbox {

/// A thread with a socket of its own in the namespace that it is constructed in.
///
/// A dying link is in link group `dying_group` from the moment it is given up (links.h:
/// mark_dying), so that a netd that is killed finds it again. The reaper moves at most `batch_size`
/// at a time to `reaping_group` and deletes that group with one request: deleting 150 at once holds
/// the rtnl lock, and everybody else, for 25 ms; 16 hold it 2.4 ms. A bridge holds it for 17 ms by
/// itself, and a group of them for as long each, so bridges go one by one, after the others.
///
/// It waits for a pause in what it is told, so that the verbs that give links up don't queue behind
/// it for the lock.
///
/// All functions may be called from any thread. None throws.
class Reaper {
 public:
  static constexpr std::size_t batch_size = 16;
  static constexpr std::chrono::milliseconds pause{20};      // nothing new for so long: begin
  static constexpr std::chrono::milliseconds patience{250};  // or after so long all the same
  static constexpr std::size_t most_waiting = 128;           // or with so many

  /// Takes over the links of both groups that an earlier netd left. Throws std::system_error.
  Reaper();
  /// Finishes the batch at work and stops; what still waits is found at the next start.
  ~Reaper();
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  enum class Kind { link, bridge };

  /// Link `index` is in `dying_group` now.
  void notify(std::uint32_t index, Kind kind = Kind::link);
  /// Link `index` of another namespace is: one that has no end in this one.
  void notify_inside(Fd netns, std::uint32_t index);
  /// How many links are not deleted yet.
  std::size_t waiting() const;
  /// Returns when no link waits.
  void drain();

 private:
  using Clock = std::chrono::steady_clock;

  struct Inside {
    Fd netns;
    std::uint32_t index = 0;
  };
  /// What is deleted together: links of this namespace, or one of another.
  struct Batch {
    std::vector<std::uint32_t> links;
    Inside inside;
    std::size_t size() const { return links.size() + (inside.netns ? 1 : 0); }
  };

  void run();
  std::size_t count() const { return links_.size() + bridges_.size() + inside_.size(); }
  void note_time();
  void await_pause(std::unique_lock<std::mutex>& lock);
  void reap(const Batch& batch);
  Batch next_batch();

  RtnlSocket rtnl_;  // the thread's, once it runs
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::uint32_t> links_;    // that wait
  std::set<std::uint32_t> bridges_;  // that wait
  std::deque<Inside> inside_;        // that wait
  std::size_t at_work_ = 0;          // of the batch that is being deleted
  std::size_t in_a_hurry_ = 0;       // callers of drain()
  Clock::time_point last_told_;
  Clock::time_point waiting_since_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sandbox
