#include "dns/tcp_connection.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "dns/message.h"

namespace dns {

void TcpFraming::append(std::span<const std::uint8_t> bytes) {
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(used_));
  used_ = 0;
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

std::optional<std::span<const std::uint8_t>> TcpFraming::next() {
  if (pending() < 2) return std::nullopt;
  const std::size_t size = read_u16(buffer_, used_);
  if (pending() < 2 + size) return std::nullopt;
  const auto message = std::span<const std::uint8_t>(buffer_).subspan(used_ + 2, size);
  used_ += 2 + size;
  return message;
}

TcpConnection::TcpConnection(Reactor& reactor, sandbox::Fd socket, OnQuery on_query,
                             OnClosed on_closed)
    : reactor_(reactor),
      socket_(std::move(socket)),
      on_query_(std::move(on_query)),
      on_closed_(std::move(on_closed)),
      last_use_(reactor.now()) {
  reactor_.add(socket_.get(), interest_, this);
}

TcpConnection::~TcpConnection() {
  reactor_.remove(socket_.get(), this);
}

void TcpConnection::ready(std::uint32_t events) {
  // A reset comes with EPOLLIN or without; nothing more can be sent either way (CVE-2026-35406: a
  // partial prefix and then RST must not be waited for).
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return close();
  if ((events & EPOLLIN) != 0) receive();
  settle();
}

void TcpConnection::reply(std::span<const std::uint8_t> message) {
  if (is_closed_) return;
  --in_flight_;
  output_.reserve(output_.size() + 2 + message.size());
  output_.push_back(static_cast<std::uint8_t>(message.size() >> 8));
  output_.push_back(static_cast<std::uint8_t>(message.size()));
  output_.insert(output_.end(), message.begin(), message.end());
  if (!is_taking_) settle();
}

void TcpConnection::forget() {
  if (is_closed_) return;
  --in_flight_;
  if (!is_taking_) settle();
}

bool TcpConnection::wants_to_read() const {
  return !is_finished_ && in_flight_ < max_in_flight && output_.size() - sent_ < max_unsent_bytes;
}

/// One read a wake: a busy client waits its turn among the others.
void TcpConnection::receive() {
  std::array<std::uint8_t, 16 * 1024> bytes;
  const auto size = recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (size > 0) {
    last_use_ = reactor_.now();
    input_.append(std::span(bytes).first(static_cast<std::size_t>(size)));
    return;
  }
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size < 0) return close();
  is_finished_ = true;  // half-closed: what it has asked is still answered
}

void TcpConnection::take_queries() {
  is_taking_ = true;
  while (!is_closed_ && in_flight_ < max_in_flight && output_.size() - sent_ < max_unsent_bytes) {
    const auto query = input_.next();
    if (!query) break;
    ++in_flight_;
    on_query_(*query);
  }
  is_taking_ = false;
}

/// False when the connection broke.
bool TcpConnection::flush() {
  while (sent_ < output_.size()) {
    const auto size = send(socket_.get(), output_.data() + sent_, output_.size() - sent_,
                           MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) break;
    if (size <= 0) return false;
    last_use_ = reactor_.now();
    sent_ += static_cast<std::size_t>(size);
  }
  if (sent_ < output_.size()) {
    output_.erase(output_.begin(), output_.begin() + static_cast<std::ptrdiff_t>(sent_));
    sent_ = 0;
    return true;
  }
  output_.clear();
  sent_ = 0;
  return true;
}

/// Takes the queries that there is room for, sends what can be sent, and asks epoll for what is
/// needed next.
void TcpConnection::settle() {
  if (is_closed_) return;
  take_queries();
  if (is_closed_ || !flush()) return close();
  take_queries();  // flushing may have made room
  if (is_finished_ && in_flight_ == 0 && output_.empty()) return close();
  const std::uint32_t interest =
      (wants_to_read() ? EPOLLIN : 0u) | (sent_ < output_.size() ? EPOLLOUT : 0u);
  if (interest == interest_) return;
  interest_ = interest;
  reactor_.modify(socket_.get(), interest_, this);
}

void TcpConnection::close() {
  if (std::exchange(is_closed_, true)) return;
  on_closed_();
}

}  // namespace dns
