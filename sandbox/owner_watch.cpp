#include "sandbox/owner_watch.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "sandbox/netns.h"

namespace sandbox {
namespace {

constexpr std::uint64_t timer_number = 0;
constexpr std::uint64_t directories_number = 1;
constexpr std::uint64_t first_process_number = 2;
constexpr std::chrono::milliseconds between_looks{5000};
constexpr std::chrono::milliseconds before_reminder{250};

[[noreturn]] void fail(const std::string& act) {
  throw std::system_error(errno, std::system_category(), act);
}

void add(int epoll, int fd, std::uint32_t events, std::uint64_t number) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = number;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) fail("watch for ends");
}

}  // namespace

OwnerWatch::OwnerWatch()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      next_number_(first_process_number) {
  if (!epoll_ || !timer_) fail("watch for ends");
  add(epoll_.get(), timer_.get(), EPOLLIN, timer_number);
}

void OwnerWatch::watch(const std::string& key, const ProcessIdentity& process) {
  forget(key);
  Fd pidfd = open_process(process);
  if (!pidfd) return remind(key);
  const std::uint64_t number = next_number_++;
  add(epoll_.get(), pidfd.get(), EPOLLIN, number);
  by_number_[number] = key;
  processes_[key] = {std::move(pidfd), number};
}

void OwnerWatch::watch(const std::string& key, const std::string& path, const std::string& pin) {
  forget(key);
  if (!is_same_netns(path, pin)) return remind(key);
  watch_directory(path);
  paths_[key] = {path, pin};
  set_timer();
}

void OwnerWatch::remind(const std::string& key) {
  reminders_.insert(key);
  set_timer();
}

void OwnerWatch::forget(const std::string& key) {
  reminders_.erase(key);
  paths_.erase(key);
  if (paths_.empty()) directories_.reset();
  const auto found = processes_.find(key);
  if (found == processes_.end()) return;
  by_number_.erase(found->second.number);
  processes_.erase(found);  // a closed descriptor leaves epoll by itself
}

std::vector<std::string> OwnerWatch::ended() {
  std::vector<std::string> keys;
  for (const std::uint64_t number : ready()) {
    std::array<char, 4096> read_away{};
    if (number == timer_number) {
      static_cast<void>(read(timer_.get(), read_away.data(), read_away.size()));
      due_.reset();
      for (const std::string& key : std::exchange(reminders_, {}))
        keys.push_back(key);
      look_at_paths(keys);
      set_timer();
    } else if (number == directories_number) {
      // Before the look: what goes while paths are looked at is told once more.
      while (read(directories_.get(), read_away.data(), read_away.size()) > 0) {
      }
      look_at_paths(keys);
    } else if (const auto found = by_number_.find(number); found != by_number_.end()) {
      keys.push_back(found->second);
    }
  }
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  for (const std::string& key : keys)
    forget(key);
  return keys;
}

std::vector<std::uint64_t> OwnerWatch::ready() {
  std::vector<std::uint64_t> numbers;
  std::array<epoll_event, 64> events{};
  const int count = epoll_wait(epoll_.get(), events.data(), events.size(), 0);
  for (int i = 0; i < count; ++i)
    numbers.push_back(events[static_cast<std::size_t>(i)].data.u64);
  return numbers;
}

/// Runs while there is something to look at or to say. What it was set to before stays if it is
/// earlier: else each new path or reminder would put off what the others wait for.
void OwnerWatch::set_timer() {
  if (reminders_.empty() && paths_.empty()) return;
  const auto wait = reminders_.empty() ? between_looks : before_reminder;
  const auto due = Clock::now() + wait;
  if (due_ && *due_ <= due) return;
  due_ = due;
  itimerspec when{};
  when.it_value.tv_sec = std::chrono::floor<std::chrono::seconds>(wait).count();
  when.it_value.tv_nsec = std::chrono::nanoseconds(wait % std::chrono::seconds(1)).count();
  timerfd_settime(timer_.get(), 0, &when, nullptr);
}

void OwnerWatch::watch_directory(const std::string& path) {
  if (!directories_) {
    directories_.reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!directories_) fail("watch " + path);
    add(epoll_.get(), directories_.get(), EPOLLIN, directories_number);
  }
  const std::string directory = std::filesystem::path(path).parent_path();
  // One that can't be watched (too many are) is looked at by the clock.
  inotify_add_watch(directories_.get(), directory.c_str(), IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR);
}

void OwnerWatch::look_at_paths(std::vector<std::string>& ended) {
  for (const auto& [key, where] : paths_)
    if (!is_same_netns(where.path, where.pin)) ended.push_back(key);
}

}  // namespace sandbox
