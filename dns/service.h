// One sandbox's resolver: its sockets, its clients, its view.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "dns/answer.h"
#include "dns/forwarder.h"
#include "dns/listen_sockets.h"
#include "dns/published.h"
#include "dns/reactor.h"
#include "dns/tcp_connection.h"
#include "dns/udp_batch.h"

namespace dns {

/// Counts as the DNS thread makes them; read from anywhere.
struct Counters {
  std::atomic<std::uint64_t> queries = 0;
  std::atomic<std::uint64_t> local = 0;
  std::atomic<std::uint64_t> forwarded = 0;
  std::atomic<std::uint64_t> failed = 0;
};

/// What all services share: they take turns on one thread.
struct Workshop {
  Reactor& reactor;
  Forwarder& forwarder;
  Counters& counters;
  Answerer answerer{};
  UdpBatch batch{};
  std::vector<std::uint8_t> tcp_response = std::vector<std::uint8_t>(max_tcp_message);
};

/// `publish` may come from any thread, everything else belongs to the reactor's.
class Service {
 public:
  static constexpr std::size_t max_connections = 16;
  static constexpr std::chrono::seconds idle_timeout{10};
  static constexpr std::chrono::seconds idle_timeout_when_full{3};

  /// `alarms` gets deadlines with this service's number and is to call `tick` then.
  Service(std::uint64_t number, ListenSockets sockets, sandbox::Fd netns, Workshop& workshop,
          DeadlineHandler& alarms);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  void publish(std::shared_ptr<const View> view) { view_.store(std::move(view)); }
  std::uint16_t port() const { return sockets_.port; }

  /// Throws std::system_error, and then nothing has begun.
  void start();
  /// After it nothing of the sandbox's namespace is held or used.
  void stop();
  void reply(const Origin& origin, std::span<const std::uint8_t> response);
  void tick();

 private:
  struct UdpReady final : ReadyHandler {
    explicit UdpReady(Service& owner) : service(owner) {}
    void ready(std::uint32_t) override { service.serve_udp(); }
    Service& service;
  };
  struct TcpReady final : ReadyHandler {
    explicit TcpReady(Service& owner) : service(owner) {}
    void ready(std::uint32_t) override { service.accept_connections(); }
    Service& service;
  };

  void serve_udp();
  void accept_connections();
  void add_connection(sandbox::Fd socket);
  void serve_tcp(std::uint64_t connection, std::span<const std::uint8_t> packet);
  std::size_t serve(std::span<const std::uint8_t> packet, const Origin& origin, Query& query,
                    std::span<std::uint8_t> buffer);
  void forward(const Query& query, const Origin& origin);
  void drop_idle_connections(std::chrono::seconds timeout);
  void arm(Clock::time_point time);

  std::uint64_t number_;
  ListenSockets sockets_;
  sandbox::Fd netns_;
  Workshop& workshop_;
  DeadlineHandler& alarms_;
  Published<View> view_;
  Snapshot snapshot_;
  UdpReady udp_ready_{*this};
  TcpReady tcp_ready_{*this};
  std::unordered_map<std::uint64_t, std::unique_ptr<TcpConnection>> connections_;
  std::vector<std::uint64_t> closed_connections_;
  std::uint64_t next_connection_ = 1;
  bool is_accepting_ = true;
  Clock::time_point armed_for_ = Clock::time_point::max();
};

}  // namespace dns
