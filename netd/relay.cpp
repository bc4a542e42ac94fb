#include "netd/relay.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <future>
#include <map>
#include <system_error>
#include <thread>

#include "netd/log.h"
#include "netd/relay_port.h"

namespace netd {
namespace {

namespace asio = boost::asio;

void check(int result, const std::string& act) {
  if (result < 0) throw std::system_error(errno, std::system_category(), act);
}

/// A duplicate shares the socket itself, flags and all: only the descriptor is the relay's own.
sandbox::Fd duplicate(int socket, const std::string& key) {
  sandbox::Fd copy(fcntl(socket, F_DUPFD_CLOEXEC, 0));
  check(copy.get(), "duplicate the socket of " + key);
  const int flags = fcntl(copy.get(), F_GETFL);
  check(flags, "read flags of the socket of " + key);
  check(fcntl(copy.get(), F_SETFL, flags | O_NONBLOCK),
        "make the socket of " + key + " non-blocking");
  return copy;
}

/// Received datagrams tell where they were sent to: ip(7) IP_PKTINFO, RFC 3542 6.1.
void ask_for_destinations(int socket, const std::string& key) {
  int domain = 0;
  socklen_t size = sizeof domain;
  check(getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size), "ask for the family of " + key);
  const int on = 1;
  const int result = domain == AF_INET6
                         ? setsockopt(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on)
                         : setsockopt(socket, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  check(result, "ask for the destination addresses of " + key);
}

/// Runs `act` on the thread of `io`, waits for it and rethrows what it throws.
void run_on(asio::io_context& io, std::function<void()> act) {
  const auto task = std::make_shared<std::packaged_task<void()>>(std::move(act));
  auto done = task->get_future();
  asio::post(io, [task] { (*task)(); });
  done.get();
}

}  // namespace

asio::ip::address to_asio(const ipam::Address& address) {
  const auto bytes = address.bytes();
  if (address.is_v4()) {
    asio::ip::address_v4::bytes_type copy;
    std::copy(bytes.begin(), bytes.end(), copy.begin());
    return asio::ip::address_v4(copy);
  }
  asio::ip::address_v6::bytes_type copy;
  std::copy(bytes.begin(), bytes.end(), copy.begin());
  return asio::ip::address_v6(copy);
}

struct Relay::State {
  /// The thread and what lives on it; there is none before the first port.
  struct Loop {
    explicit Loop(State& state)
        : context{io, state.limits, state.connections, {}}, thread([this] { run(); }) {}
    ~Loop() {
      run_on(io, [this] {
        for (auto& [key, port] : ports)
          port->stop();
        ports.clear();
        work.reset();
      });
      thread.join();
    }
    void run();

    asio::io_context io{1};
    asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
    RelayContext context;
    std::map<std::string, std::shared_ptr<RelayPort>> ports;
    std::thread thread;  // last: begins when all else is there
  };

  const Limits limits;
  std::atomic<std::size_t> connections{0};
  std::unique_ptr<Loop> loop{};
};

void Relay::State::Loop::run() {
  // A handler that throws (out of memory) costs its connection, not netd.
  for (;;) {
    try {
      io.run();
      return;
    } catch (const std::exception& failure) {
      log::error("relay: a connection failed; the others go on", {{"error", failure.what()}});
    }
  }
}

Relay::Relay() : Relay(Limits{}) {}
Relay::Relay(const Limits& limits) : state_(new State{limits}) {}
Relay::~Relay() = default;

void Relay::add(const std::string& key, int socket, sandbox::Protocol protocol,
                const Target& target) {
  if (protocol == sandbox::Protocol::sctp) return;
  sandbox::Fd copy = duplicate(socket, key);
  const bool udp = protocol == sandbox::Protocol::udp;
  if (udp) ask_for_destinations(copy.get(), key);
  if (!state_->loop) state_->loop = std::make_unique<State::Loop>(*state_);
  State::Loop& loop = *state_->loop;
  const auto make = udp ? make_udp_port : make_tcp_port;
  run_on(loop.io, [&] {
    auto& port = loop.ports[key];
    if (port) port->stop();
    port = make(loop.context, std::move(copy), target);
    port->start();
  });
}

void Relay::remove(const std::vector<std::string>& keys) {
  if (!state_->loop || keys.empty()) return;
  State::Loop& loop = *state_->loop;
  run_on(loop.io, [&] {
    for (const std::string& key : keys) {
      const auto found = loop.ports.find(key);
      if (found == loop.ports.end()) continue;
      found->second->stop();
      loop.ports.erase(found);
    }
  });
}

std::size_t Relay::connections() const {
  return state_->connections.load();
}

}  // namespace netd
