// The thread of the DHCP client: its clock, its deadlines and the packet sockets, one an interface.
// Everything but `post` belongs to that thread.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "netd/dhcp/lease.h"
#include "netd/dhcp/turns.h"
#include "netd/dhcp/wire.h"

namespace netd::dhcp {

/// Something with deadlines that lives in the loop until it is finished.
class Activity {
 public:
  virtual ~Activity() = default;
  /// The next one; nothing = it waits for something else.
  virtual std::optional<Time> deadline() const = 0;
  /// The deadline has come.
  virtual void expire(Time now) = 0;
  virtual bool is_finished() const = 0;
};

class Loop {
 public:
  /// Begins the thread, in the caller's network namespace. Throws std::system_error.
  Loop();
  /// Does what was posted, then ends: nothing is sent after that.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// From any thread. `work` runs in the order of the calls.
  void post(std::function<void()> work);

  /// The wall clock of the loop's beginning, and the time since then: it counts while the machine
  /// sleeps (CLOCK_BOOTTIME) and doesn't jump when the wall clock is set.
  Time now() const;
  /// A random number.
  std::uint32_t random();

  /// Keeps `activity` until it is finished. Call `update` after whatever may have changed its
  /// deadline or finished it.
  void add(std::shared_ptr<Activity> activity);
  void update(Activity& activity);

  /// Where those who want a lease by that interface queue.
  Turns& turns(const std::string& interface) {
    return turns_.try_emplace(interface, io_).first->second;
  }
  /// The interface's socket as it is now. Throws as Wire::open.
  std::shared_ptr<Wire> wire(const std::string& interface);

 private:
  /// A socket stays open for a moment after its last use, see Wire::~Wire.
  struct OpenWire {
    std::shared_ptr<Wire> wire;
    std::unique_ptr<boost::asio::steady_timer> idle;
  };
  struct Entry {
    std::shared_ptr<Activity> activity;
    std::optional<Time> scheduled;
  };

  void run();
  void arm();
  void wait_for_timer();
  void expire();
  void close_when_idle(const std::string& interface);

  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::posix::stream_descriptor timer_;  // timerfd_create(2), CLOCK_BOOTTIME
  const Time wall_at_start_;
  const std::chrono::milliseconds boot_at_start_;
  std::map<Activity*, Entry> activities_;
  std::set<std::pair<Time, Activity*>> deadlines_;
  std::optional<Time> armed_;
  std::map<std::string, OpenWire> wires_;
  std::map<std::string, Turns> turns_;
  std::thread thread_;  // last: begins when all else is there
};

}  // namespace netd::dhcp
