#include "netd/api/refusal_log.h"

#include <utility>

#include "netd/log.h"

namespace netd::api {

void RefusalLog::refused(std::string address, std::string reason) {
  if (closed_) return;
  if (!running_) {
    log::info("API client refused, TLS", {{"address", address}, {"reason", reason}});
    return begin_interval();
  }
  ++count_;
  address_ = std::move(address);
  reason_ = std::move(reason);
}

void RefusalLog::begin_interval() {
  running_ = true;
  timer_.expires_after(interval_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;  // closed, or destroyed: `this` may be gone
    running_ = false;
    if (log_count()) begin_interval();
  });
}

bool RefusalLog::log_count() {
  if (count_ == 0) return false;
  log::info("API clients refused, TLS", {{"count", std::to_string(std::exchange(count_, 0))},
                                         {"address", address_},
                                         {"reason", reason_}});
  return true;
}

void RefusalLog::close() {
  if (std::exchange(closed_, true)) return;
  log_count();
  timer_.cancel();
}

}  // namespace netd::api
