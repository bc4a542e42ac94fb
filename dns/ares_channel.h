// A c-ares 1.18 channel with one server, used for raw queries only; the traps are those of
// dns-nftables.md A4.
#pragma once

#include <ares.h>

#include <bitset>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "dns/reactor.h"
#include "ipam/address.h"

namespace dns {

struct AresResult {
  std::uint64_t exchange = 0;
  std::span<const std::uint8_t> packet;  // empty: no response came
  bool has_timed_out = false;            // else: refused, reset, out of memory
  Clock::duration round_trip{};
};

class AresSink {
 public:
  /// A query is over. Not called from `send`.
  virtual void done(const AresResult& result) = 0;

 protected:
  ~AresSink() = default;
};

class AresChannel {
 public:
  /// Throws std::system_error when c-ares can't start.
  AresChannel(Reactor& reactor, AresSink& sink, const ipam::Address& server, int netns,
              bool with_edns, std::chrono::milliseconds timeout);
  ~AresChannel();
  AresChannel(const AresChannel&) = delete;
  AresChannel& operator=(const AresChannel&) = delete;

  /// Draws an id, writes it into the packet and sends it. False when that failed: `done` isn't
  /// called then.
  bool send(std::uint64_t exchange, std::span<std::uint8_t> packet);
  /// Gives up what has waited too long. ares_timeout() is linear in the queries in flight, so the
  /// owner calls this from a slow timer instead.
  void process_timeouts();
  std::size_t in_flight() const { return in_flight_; }
  /// Whether c-ares still counts on EDNS: after a FORMERR without OPT it has cut the OPT off, asked
  /// again, and from then on takes no long responses over UDP on this channel. Slow (it copies all
  /// options; there is no other way to learn it).
  bool has_edns() const;

 private:
  struct Pending;
  struct Socket;

  std::uint16_t draw_id();
  void configure(const ipam::Address& server, bool with_edns, std::chrono::milliseconds timeout);
  void watch(int fd, bool readable, bool writable);
  void finish(Pending& pending, int status, std::span<const std::uint8_t> packet);
  int open_socket(int family, int socket_type) const;

  static void on_done(void* argument, int status, int timeouts, unsigned char* packet, int size);
  static void on_socket_state(void* argument, ares_socket_t fd, int readable, int writable);
  static const ares_socket_functions socket_functions;

  Reactor& reactor_;
  AresSink& sink_;
  int netns_;
  bool is_closing_ = false;
  ares_channel channel_ = nullptr;
  std::size_t in_flight_ = 0;
  std::bitset<65536> ids_;  // in flight
  std::vector<std::uint16_t> random_;
  std::unordered_map<int, std::unique_ptr<Socket>> sockets_;
};

}  // namespace dns
