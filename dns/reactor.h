// The loop of the DNS thread: epoll, deadlines, and work handed over by other threads. Everything
// but `call` and `stop` belongs to the thread that is in `run`.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <queue>
#include <vector>

#include "sandbox/fd.h"

namespace dns {

using Clock = std::chrono::steady_clock;

/// What wants to know that its descriptor is ready. `events` as in epoll_wait(2); level-triggered.
class ReadyHandler {
 public:
  virtual void ready(std::uint32_t events) = 0;

 protected:
  ~ReadyHandler() = default;
};

/// What set a deadline. Deadlines are never taken back: a handler outlives the loop and looks up
/// what `token` stands for, which may be gone.
class DeadlineHandler {
 public:
  virtual void expired(std::uint64_t token) = 0;

 protected:
  ~DeadlineHandler() = default;
};

class Reactor {
 public:
  Reactor();

  /// Works until `stop`. Once.
  void run();
  void stop();
  /// Runs `work` on the loop's thread, waits, and rethrows what it throws. Not from that thread.
  void call(const std::function<void()>& work);

  /// `fd` stays the caller's. Throws std::system_error.
  void add(int fd, std::uint32_t events, ReadyHandler* handler);
  void modify(int fd, std::uint32_t events, ReadyHandler* handler);
  /// `handler` hears no more of it, not even of events that are in hand already.
  void remove(int fd, ReadyHandler* handler);

  void at(Clock::time_point time, DeadlineHandler* handler, std::uint64_t token);
  /// The time of the current round.
  Clock::time_point now() const { return now_; }

 private:
  struct Deadline {
    Clock::time_point time;
    DeadlineHandler* handler = nullptr;
    std::uint64_t token = 0;
    friend bool operator>(const Deadline& left, const Deadline& right) {
      return left.time > right.time;
    }
  };

  void control(int operation, int fd, std::uint32_t events, ReadyHandler* handler);
  void wake();
  void run_posted();
  void dispatch(int ready);
  void expire();
  int milliseconds_to_deadline() const;

  sandbox::Fd epoll_;
  sandbox::Fd wake_;
  bool stopping_ = false;
  Clock::time_point now_;
  std::array<epoll_event, 64> events_{};
  int current_ = 0;
  int count_ = 0;
  std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> deadlines_;

  std::mutex mutex_;  // guards posted_
  std::vector<std::function<void()>> posted_;
};

}  // namespace dns
