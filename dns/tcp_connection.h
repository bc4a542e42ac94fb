// One TCP client of a sandbox's resolver (RFC 7766): length-prefixed queries, pipelined, answered
// in any order.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "dns/reactor.h"
#include "sandbox/fd.h"

namespace dns {

/// Cuts a byte stream into messages: each comes after its length in two bytes, most significant
/// first.
class TcpFraming {
 public:
  /// Appends what was received.
  void append(std::span<const std::uint8_t> bytes);
  /// The next whole message; nothing when there is none yet. Valid until the next `append`.
  std::optional<std::span<const std::uint8_t>> next();
  /// Bytes that no message has used yet.
  std::size_t pending() const { return buffer_.size() - used_; }

 private:
  std::vector<std::uint8_t> buffer_;
  std::size_t used_ = 0;
};

class TcpConnection final : public ReadyHandler {
 public:
  static constexpr unsigned max_in_flight = 64;
  static constexpr std::size_t max_unsent_bytes = 256 * 1024;

  /// Called with each whole query; each wants exactly one `reply` or `forget`, at once or later.
  using OnQuery = std::function<void(std::span<const std::uint8_t>)>;
  /// Called once when the connection is over: it may be destroyed from then on, but not inside.
  using OnClosed = std::function<void()>;

  TcpConnection(Reactor& reactor, sandbox::Fd socket, OnQuery on_query, OnClosed on_closed);
  ~TcpConnection();
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;

  void ready(std::uint32_t events) override;
  /// Sends a response. At most 65,535 bytes.
  void reply(std::span<const std::uint8_t> message);
  /// A query of this connection will get no response.
  void forget();
  /// The last time that a byte went either way.
  Clock::time_point last_use() const { return last_use_; }

 private:
  bool wants_to_read() const;
  void receive();
  void take_queries();
  bool flush();
  void settle();
  void close();

  Reactor& reactor_;
  sandbox::Fd socket_;
  OnQuery on_query_;
  OnClosed on_closed_;
  TcpFraming input_;
  std::vector<std::uint8_t> output_;
  std::size_t sent_ = 0;  // of output_
  unsigned in_flight_ = 0;
  std::uint32_t interest_ = EPOLLIN;
  bool is_finished_ = false;  // the client sends no more
  bool is_closed_ = false;
  bool is_taking_ = false;
  Clock::time_point last_use_;
};

}  // namespace dns
