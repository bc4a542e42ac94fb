// Clients that were turned away before they showed who they are. They can come as often as they
// like, so their lines in the log are rationed:
//
//   msg="API client refused, TLS" address=192.0.2.7:51022 reason="…"             the first, at once
//   msg="API clients refused, TLS" count=812 address=192.0.2.9:4711 reason="…"   at the end of each
//                                                 interval, for all in it; the last one's address
//
// An interval without any ends it: the next one is a first again.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <string>

namespace netd::api {

/// Only on the io thread.
class RefusalLog {
 public:
  RefusalLog(const boost::asio::any_io_executor& io, std::chrono::milliseconds interval)
      : timer_(io), interval_(interval) {}
  RefusalLog(const RefusalLog&) = delete;
  RefusalLog& operator=(const RefusalLog&) = delete;

  void refused(std::string address, std::string reason);
  /// Logs what is still held back, and nothing from now on: `io` may run out of work.
  void close();

 private:
  void begin_interval();
  /// True when there was something to log.
  bool log_count();

  boost::asio::steady_timer timer_;
  std::chrono::milliseconds interval_;
  bool running_ = false;  // an interval
  bool closed_ = false;
  std::size_t count_ = 0;  // in this interval, not logged yet
  std::string address_;    // of the last of them
  std::string reason_;
};

}  // namespace netd::api
