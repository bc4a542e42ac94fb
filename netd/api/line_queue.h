// A bounded queue of text lines from the control thread to one streaming session.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace netd::api {

/// Thread-safe. The writer never waits: when the reader is `limit` lines behind, the queue says so
/// in a last line, drops what comes after and closes.
class LineQueue {
 public:
  /// `overflow_line` is what a reader that was too slow gets last.
  LineQueue(std::size_t limit, std::string overflow_line);

  /// Queues a line (with its newline). Nothing happens when the queue is closed.
  void push(std::string line);
  /// No more lines; those queued are still taken.
  void close();

  struct Taken {
    std::string text;  // all lines queued until now, joined
    bool closed = false;
  };
  Taken take();

  /// `wake` is called after each push or close, from the pushing thread, without a lock held.
  void set_wake(std::function<void()> wake);

  /// Lives as long as the queue: the subscription that feeds it. Set before the queue is shared.
  void keep(std::shared_ptr<void> source) { source_ = std::move(source); }
  /// The stream ends at this time; absent = it goes on. Set before the queue is shared.
  void set_end(std::chrono::system_clock::time_point end) { end_ = end; }
  std::optional<std::chrono::system_clock::time_point> end() const { return end_; }

 private:
  void wake();

  const std::size_t limit_;
  const std::string overflow_line_;
  std::shared_ptr<void> source_;
  std::optional<std::chrono::system_clock::time_point> end_;
  std::mutex mutex_;
  std::vector<std::string> lines_;
  std::function<void()> wake_;
  bool closed_ = false;
};

}  // namespace netd::api
