#include "netd/dhcp/turns.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace netd::dhcp {

void Turns::enter(std::function<void()> begin) {
  waiting_.push_back(std::move(begin));
  admit();
}

void Turns::leave() {
  if (under_way_ > 0) --under_way_;
  if (!waiting_.empty()) boost::asio::post(io_, [this] { admit(); });
}

void Turns::admit() {
  while (!waiting_.empty() && under_way_ < most) {
    ++under_way_;
    const auto begin = std::exchange(waiting_.front(), nullptr);
    waiting_.pop_front();
    begin();
  }
  arm();
}

void Turns::arm() {
  if (waiting_.empty() || std::exchange(is_armed_, true)) return;
  timer_.expires_after(longest_wait);
  timer_.async_wait([this](const boost::system::error_code& error) {
    is_armed_ = false;
    if (error) return;
    under_way_ = 0;
    admit();
  });
}

}  // namespace netd::dhcp
