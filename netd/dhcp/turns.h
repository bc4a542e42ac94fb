// Lets many clients of one interface begin a few at a time. A server's socket keeps some 150
// messages that it hasn't come to yet (Linux's usual buffers); what doesn't fit is lost until RFC
// 2131's first retry, some four seconds later.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>

namespace netd::dhcp {

/// Belongs to the client's thread (loop.h).
class Turns {
 public:
  static constexpr std::size_t most = 32;  // exchanges under way
  /// Whoever got no answer in this time holds nobody up any more: the server may be slow or gone.
  static constexpr std::chrono::milliseconds longest_wait{250};

  explicit Turns(boost::asio::io_context& io) : io_(io), timer_(io) {}

  /// `begin` is called at once, or when others are done. It doesn't throw.
  void enter(std::function<void()> begin);
  /// One that began is done, with whatever result. Others begin after this turn of the loop.
  void leave();

 private:
  void admit();
  void arm();

  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
  std::deque<std::function<void()>> waiting_;
  std::size_t under_way_ = 0;
  bool is_armed_ = false;
};

}  // namespace netd::dhcp
