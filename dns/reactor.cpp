#include "dns/reactor.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <future>
#include <system_error>
#include <utility>

namespace dns {

Reactor::Reactor()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      now_(Clock::now()) {
  if (!epoll_ || !wake_)
    throw std::system_error(errno, std::system_category(), "create the DNS server's epoll");
  control(EPOLL_CTL_ADD, wake_.get(), EPOLLIN, nullptr);
}

void Reactor::run() {
  while (!stopping_) {
    const int ready = epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()),
                                 milliseconds_to_deadline());
    now_ = Clock::now();
    dispatch(std::max(ready, 0));  // EINTR is an empty round
    expire();
  }
}

void Reactor::stop() {
  call([this] { stopping_ = true; });
}

void Reactor::call(const std::function<void()>& work) {
  std::promise<void> done;
  {
    const std::lock_guard lock(mutex_);
    posted_.emplace_back([&] {
      try {
        work();
        done.set_value();
      } catch (...) {
        done.set_exception(std::current_exception());
      }
    });
  }
  wake();
  done.get_future().get();
}

void Reactor::add(int fd, std::uint32_t events, ReadyHandler* handler) {
  control(EPOLL_CTL_ADD, fd, events, handler);
}

void Reactor::modify(int fd, std::uint32_t events, ReadyHandler* handler) {
  control(EPOLL_CTL_MOD, fd, events, handler);
}

void Reactor::remove(int fd, ReadyHandler* handler) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  for (int i = current_; i < count_; ++i)
    if (events_[static_cast<std::size_t>(i)].data.ptr == handler)
      events_[static_cast<std::size_t>(i)].events = 0;
}

void Reactor::at(Clock::time_point time, DeadlineHandler* handler, std::uint64_t token) {
  deadlines_.push({time, handler, token});
}

void Reactor::control(int operation, int fd, std::uint32_t events, ReadyHandler* handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  if (epoll_ctl(epoll_.get(), operation, fd, &event) < 0)
    throw std::system_error(errno, std::system_category(), "watch a socket of the DNS server");
}

void Reactor::wake() {
  const std::uint64_t one = 1;
  // Can only fail when the counter is full, and then the loop wakes anyway.
  [[maybe_unused]] const auto written = write(wake_.get(), &one, sizeof one);
}

void Reactor::run_posted() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto taken = read(wake_.get(), &count, sizeof count);
  std::vector<std::function<void()>> posted;
  {
    const std::lock_guard lock(mutex_);
    posted.swap(posted_);
  }
  for (const auto& work : posted)
    work();
}

void Reactor::dispatch(int ready) {
  count_ = ready;
  bool was_woken = false;
  for (current_ = 0; current_ < count_; ++current_) {
    const epoll_event event = events_[static_cast<std::size_t>(current_)];
    if (event.events == 0) continue;
    if (event.data.ptr == nullptr) {
      was_woken = true;
      continue;
    }
    static_cast<ReadyHandler*>(event.data.ptr)->ready(event.events);
  }
  count_ = 0;
  if (was_woken) run_posted();
}

void Reactor::expire() {
  while (!deadlines_.empty() && deadlines_.top().time <= now_) {
    const Deadline deadline = deadlines_.top();
    deadlines_.pop();
    deadline.handler->expired(deadline.token);
  }
}

int Reactor::milliseconds_to_deadline() const {
  if (deadlines_.empty()) return -1;
  const auto left = deadlines_.top().time - Clock::now();
  const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::clamp<std::int64_t>(rounded, 0, 60'000));
}

}  // namespace dns
