// Forgets tracked flows in the background. Looking through the machine's conntrack table takes 10
// ms and more, whatever is in it, and nobody has to wait for that: an address is not given again at
// once.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

#include "ipam/address.h"
#include "sandbox/conntrack.h"
#include "sandbox/plan.h"

namespace sandbox {

/// A thread with a socket of its own in the namespace that it is constructed in.
///
/// It waits for a pause in what it is asked for and then looks through the table once for all of
/// it: a look holds up RCU, and so every link that is being taken down meanwhile, for as long as it
/// takes.
class FlowForgetter {
 public:
  static constexpr std::chrono::milliseconds pause{20};      // nothing new for so long: begin
  static constexpr std::chrono::milliseconds patience{250};  // or after so long all the same

  /// Throws std::system_error.
  FlowForgetter();
  /// Does what was asked for, and ends.
  ~FlowForgetter();
  FlowForgetter(const FlowForgetter&) = delete;
  FlowForgetter& operator=(const FlowForgetter&) = delete;

  /// Flows from or to `addresses`, and those to the host's side of `ports` (elements of pub4,
  /// pub4a, pub6, pub6a; others are ignored): DNATed to that container, or not NATed at all because
  /// they began before the port was published. From any thread; best effort.
  void forget(const std::vector<ipam::Address>& addresses, const std::vector<Element>& ports);
  /// Returns when all that was asked for is done; hurries.
  void drain();
  /// Before `address` is somebody's again: returns when nothing that concerns it is to be done.
  void finish(const ipam::Address& address);

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  void await_pause(std::unique_lock<std::mutex>& lock);
  bool is_idle() const { return addresses_.empty() && ports_.empty() && !busy_; }
  bool concerns(const ipam::Address& address) const;

  Conntrack conntrack_;  // the thread's, once it runs
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ipam::Address> addresses_;  // asked for, not yet at work
  std::vector<Element> ports_;
  Clock::time_point last_asked_;
  Clock::time_point first_asked_;
  std::size_t in_a_hurry_ = 0;          // callers of drain()
  std::vector<ipam::Address> at_work_;  // what the look that is under way concerns
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sandbox
