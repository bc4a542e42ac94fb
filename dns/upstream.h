// The transport to one upstream server: c-ares' raw queries over UDP, over TCP when a response is
// truncated. Choosing servers and reading responses is the forwarder's; here is only what
// c-ares 1.18 needs to be used that way (each point is commented where it matters), and what is
// known of the server's health. Belongs to the reactor's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dns/reactor.h"
#include "ipam/address.h"

namespace dns {

/// How one query ended.
struct UpstreamResult {
  std::uint64_t exchange = 0;
  std::span<const std::uint8_t> packet;  // empty: no response came
  bool has_timed_out = false;
  bool had_edns = false;
  Clock::duration round_trip{};
};

class Upstream;

class UpstreamSink {
 public:
  /// The packet is unchecked. Called from `Upstream::tick` or when a socket is ready, never from
  /// `Upstream::send`.
  virtual void arrived(Upstream& upstream, const UpstreamResult& result) = 0;

 protected:
  ~UpstreamSink() = default;
};

class Upstream {
 public:
  /// A query that got no response in this time is given up.
  static constexpr std::chrono::milliseconds query_timeout{4000};
  /// `tick` wants to be called this often while `is_active`.
  static constexpr std::chrono::milliseconds tick_interval{50};

  /// Sockets are opened in namespace `netns`, -1: in the thread's own. `netns` outlives this.
  Upstream(Reactor& reactor, UpstreamSink& sink, const ipam::Address& server, int netns);
  ~Upstream();
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;

  /// Sends a query of write_upstream_query, with an id of its own choice. False when it could not
  /// even be sent; else the sink hears of `exchange` once, unless this is destroyed before.
  bool send(std::uint64_t exchange, std::span<std::uint8_t> packet);

  /// Whether queries should carry an OPT.
  bool uses_edns() const { return reactor_.now() >= no_edns_until_; }
  /// The server answered FORMERR to an OPT: none for the next 10 minutes.
  void disable_edns();
  /// To be called when a response to a query with OPT had none: it may be that c-ares took the OPT
  /// away after a FORMERR; then as disable_edns.
  void check_edns();

  void tick();
  bool is_active() const;

  /// Health. A server is down after 3 queries in a row without a timely response, or when the
  /// machine there refuses; any response ends it.
  void note_answer(Clock::duration round_trip);
  void note_late() { ++late_; }
  void note_unreachable() { late_ = late_until_down; }
  bool is_down() const { return late_ >= late_until_down; }
  /// True once every 2 s while down: let a live query try it.
  bool take_probe();
  /// How long to wait for it before asking another server too.
  Clock::duration patience() const;

 private:
  static constexpr unsigned late_until_down = 3;
  class Channel;
  friend class Channel;

  void retire_channel();

  Reactor& reactor_;
  UpstreamSink& sink_;
  ipam::Address server_;
  int netns_;
  std::unique_ptr<Channel> current_;
  std::vector<std::unique_ptr<Channel>> retired_;  // until their last query is done
  Clock::time_point no_edns_until_{};
  unsigned late_ = 0;
  Clock::duration smoothed_round_trip_{};
  Clock::time_point last_probe_{};
};

}  // namespace dns
