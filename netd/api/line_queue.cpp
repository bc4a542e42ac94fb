#include "netd/api/line_queue.h"

#include <utility>

namespace netd::api {

LineQueue::LineQueue(std::size_t limit, std::string overflow_line)
    : limit_(limit), overflow_line_(std::move(overflow_line)) {}

void LineQueue::push(std::string line) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = lines_.size() >= limit_;
    if (closed_)
      lines_.push_back(overflow_line_);
    else
      lines_.push_back(std::move(line));
  }
  wake();
}

void LineQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
  }
  wake();
}

LineQueue::Taken LineQueue::take() {
  Taken taken;
  const std::lock_guard lock(mutex_);
  for (const std::string& line : lines_)
    taken.text += line;
  lines_.clear();
  taken.closed = closed_;
  return taken;
}

void LineQueue::set_wake(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

void LineQueue::wake() {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    wake = wake_;
  }
  if (wake) wake();
}

}  // namespace netd::api
