#include "netd/dhcp/loop.h"

#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <exception>
#include <system_error>
#include <vector>

namespace netd::dhcp {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds idle_wire{2};

int open_timer() {
  const int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (timer < 0)
    throw std::system_error(errno, std::system_category(), "create the DHCP client's timer");
  return timer;
}

milliseconds boot_time() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return std::chrono::seconds(time.tv_sec) +
         std::chrono::duration_cast<milliseconds>(std::chrono::nanoseconds(time.tv_nsec));
}

Time wall_time() {
  return std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
}

}  // namespace

Loop::Loop()
    : work_(io_.get_executor()),
      timer_(io_, open_timer()),
      wall_at_start_(wall_time()),
      boot_at_start_(boot_time()) {
  wait_for_timer();
  thread_ = std::thread([this] { run(); });
}

Loop::~Loop() {
  post([this] { io_.stop(); });
  thread_.join();
}

void Loop::run() {
  // A handler that throws (out of memory) loses its event, as a LAN loses packets: the protocol
  // repeats what matters.
  for (;;) {
    try {
      io_.run();
      return;
    } catch (const std::exception&) {
    }
  }
}

void Loop::post(std::function<void()> work) {
  boost::asio::post(io_, std::move(work));
}

Time Loop::now() const {
  return wall_at_start_ + (boot_time() - boot_at_start_);
}

std::uint32_t Loop::random() {
  std::uint32_t number = 0;
  // Up to 256 bytes always succeed once the kernel's generator is ready, random(7).
  [[maybe_unused]] const auto got = getrandom(&number, sizeof number, 0);
  return number;
}

void Loop::add(std::shared_ptr<Activity> activity) {
  Activity* const key = activity.get();
  activities_.emplace(key, Entry{std::move(activity), {}});
  update(*key);
}

void Loop::update(Activity& activity) {
  const auto found = activities_.find(&activity);
  if (found == activities_.end()) return;
  Entry& entry = found->second;
  if (entry.scheduled) deadlines_.erase({*entry.scheduled, &activity});
  entry.scheduled.reset();
  if (activity.is_finished()) {
    // It may be the caller, so it lives until its turn is over.
    post([keep = std::move(entry.activity)] {});
    activities_.erase(found);
    return;
  }
  entry.scheduled = activity.deadline();
  if (entry.scheduled) deadlines_.emplace(*entry.scheduled, &activity);
  arm();
}

/// Absolute times, so that the timer is right after the machine slept.
void Loop::arm() {
  if (deadlines_.empty()) return;
  const Time first = deadlines_.begin()->first;
  if (armed_ == first) return;
  armed_ = first;
  const milliseconds at = std::max(first - wall_at_start_ + boot_at_start_, milliseconds(1));
  itimerspec setting{};
  setting.it_value.tv_sec = at.count() / 1000;
  setting.it_value.tv_nsec = at.count() % 1000 * 1'000'000;
  timerfd_settime(timer_.native_handle(), TFD_TIMER_ABSTIME, &setting, nullptr);
}

void Loop::wait_for_timer() {
  timer_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this](const boost::system::error_code& error) {
                      if (error) return;
                      std::uint64_t expirations = 0;
                      [[maybe_unused]] const auto got =
                          ::read(timer_.native_handle(), &expirations, sizeof expirations);
                      armed_.reset();
                      wait_for_timer();
                      expire();
                    });
}

void Loop::expire() {
  const Time time = now();
  // Each at most once a turn: one that is due again at once must not keep the others waiting.
  std::vector<std::shared_ptr<Activity>> due;
  for (const auto& [deadline, activity] : deadlines_) {
    if (deadline > time) break;
    due.push_back(activities_.at(activity).activity);
  }
  for (const auto& activity : due) {
    if (!activity->is_finished()) activity->expire(time);
    update(*activity);
  }
  arm();
}

std::shared_ptr<Wire> Loop::wire(const std::string& interface) {
  OpenWire& open = wires_[interface];
  if (open.wire && open.wire->is_current()) return open.wire;
  try {
    open.wire = Wire::open(io_, interface);
  } catch (...) {
    wires_.erase(interface);
    throw;
  }
  open.idle = std::make_unique<boost::asio::steady_timer>(io_);
  close_when_idle(interface);
  return open.wire;
}

void Loop::close_when_idle(const std::string& interface) {
  boost::asio::steady_timer& timer = *wires_.at(interface).idle;
  timer.expires_after(idle_wire);
  timer.async_wait([this, interface](const boost::system::error_code& error) {
    const auto found = wires_.find(interface);
    if (error || found == wires_.end()) return;  // a newer socket has a timer of its own
    if (found->second.wire->is_used())
      close_when_idle(interface);
    else
      wires_.erase(found);
  });
}

}  // namespace netd::dhcp
