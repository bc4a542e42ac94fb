#include "dns/service.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace dns {
namespace {

void count(std::atomic<std::uint64_t>& counter) {
  // Only the DNS thread writes: no need for a locked addition.
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

constexpr std::chrono::seconds pause_without_descriptors{1};

}  // namespace

Service::Service(std::uint64_t number, ListenSockets sockets, sandbox::Fd netns, Workshop& workshop,
                 DeadlineHandler& alarms)
    : number_(number),
      sockets_(std::move(sockets)),
      netns_(std::move(netns)),
      workshop_(workshop),
      alarms_(alarms) {}

void Service::start() {
  workshop_.reactor.add(sockets_.udp.get(), EPOLLIN, &udp_ready_);
  try {
    workshop_.reactor.add(sockets_.tcp.get(), EPOLLIN, &tcp_ready_);
  } catch (...) {
    workshop_.reactor.remove(sockets_.udp.get(), &udp_ready_);
    throw;
  }
}

void Service::stop() {
  workshop_.reactor.remove(sockets_.udp.get(), &udp_ready_);
  workshop_.reactor.remove(sockets_.tcp.get(), &tcp_ready_);
  workshop_.forwarder.release(number_);
  connections_.clear();
  sockets_.udp.reset();
  sockets_.tcp.reset();
  netns_.reset();
}

void Service::reply(const Origin& origin, std::span<const std::uint8_t> response) {
  const auto rcode = response[3] & 0x0f;
  if (rcode != 0 && rcode != static_cast<int>(Rcode::name_error)) count(workshop_.counters.failed);
  if (origin.connection == 0) {
    sendto(sockets_.udp.get(), response.data(), response.size(), MSG_DONTWAIT,
           reinterpret_cast<const sockaddr*>(&origin.client), sizeof origin.client);
    return;
  }
  const auto connection = connections_.find(origin.connection);
  if (connection != connections_.end()) connection->second->reply(response);
}

void Service::tick() {
  armed_for_ = Clock::time_point::max();
  for (const std::uint64_t closed : std::exchange(closed_connections_, {}))
    connections_.erase(closed);
  drop_idle_connections(idle_timeout);
  if (!is_accepting_) {
    is_accepting_ = true;
    workshop_.reactor.modify(sockets_.tcp.get(), EPOLLIN, &tcp_ready_);
  }
  if (!connections_.empty()) arm(workshop_.reactor.now() + std::chrono::seconds(1));
}

/// One batch a wake, so that a busy sandbox can't starve the others: epoll reports it again.
void Service::serve_udp() {
  UdpBatch& batch = workshop_.batch;
  const std::size_t received = batch.receive(sockets_.udp.get());
  if (received == 0) return;
  snapshot_.load(view_.load());
  Query query;
  Origin origin{.sandbox = number_};
  for (std::size_t i = 0; i < received; ++i) {
    origin.client = batch.client(i);
    const std::size_t size = serve(batch.query(i), origin, query, batch.response_buffer(i));
    if (size > 0) batch.respond(i, size);
  }
  batch.send(sockets_.udp.get());
}

/// The size of the response in `buffer`; 0 when there is none, or none yet.
std::size_t Service::serve(std::span<const std::uint8_t> packet, const Origin& origin, Query& query,
                           std::span<std::uint8_t> buffer) {
  Counters& counters = workshop_.counters;
  count(counters.queries);
  const auto verdict = parse_query(packet, query);
  if (!verdict) {
    if (origin.connection != 0) connections_.at(origin.connection)->forget();
    return 0;
  }
  if (origin.connection == 0) buffer = buffer.first(udp_response_limit(query));
  if (*verdict != Rcode::no_error) {
    count(counters.failed);
    return Answerer::refuse(query, *verdict, buffer).size;
  }
  const Answer answer = workshop_.answerer.answer(snapshot_, query, buffer);
  if (answer.disposition == Disposition::local) count(counters.local);
  if (answer.disposition == Disposition::forward) forward(query, origin);
  return answer.size;
}

void Service::forward(const Query& query, const Origin& origin) {
  count(workshop_.counters.forwarded);
  const View& view = *snapshot_.view;
  const bool is_inside = view.forwarding == Forwarding::sandbox;
  const Route route{number_, is_inside ? netns_.get() : -1, view.servers};
  workshop_.forwarder.forward(route, origin, query);
}

void Service::accept_connections() {
  for (std::size_t i = 0; i < max_connections; ++i) {
    sandbox::Fd socket(accept4(sockets_.tcp.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket) {
      add_connection(std::move(socket));
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      // The client stays in the backlog; level-triggered epoll would spin on it.
      is_accepting_ = false;
      workshop_.reactor.modify(sockets_.tcp.get(), 0, &tcp_ready_);
      arm(workshop_.reactor.now() + pause_without_descriptors);
    }
    return;
  }
}

void Service::add_connection(sandbox::Fd socket) {
  if (connections_.size() >= max_connections) drop_idle_connections(idle_timeout_when_full);
  if (connections_.size() >= max_connections) return;  // closes it
  const std::uint64_t number = next_connection_++;
  connections_.emplace(number, std::make_unique<TcpConnection>(
                                   workshop_.reactor, std::move(socket),
                                   [this, number](std::span<const std::uint8_t> packet) {
                                     serve_tcp(number, packet);
                                   },
                                   [this, number] {
                                     closed_connections_.push_back(number);
                                     arm(workshop_.reactor.now());
                                   }));
  arm(workshop_.reactor.now() + std::chrono::seconds(1));
}

void Service::serve_tcp(std::uint64_t connection, std::span<const std::uint8_t> packet) {
  snapshot_.load(view_.load());
  Query query;
  const Origin origin{.sandbox = number_, .connection = connection};
  const std::size_t size = serve(packet, origin, query, workshop_.tcp_response);
  if (size > 0) connections_.at(connection)->reply(std::span(workshop_.tcp_response).first(size));
}

void Service::drop_idle_connections(std::chrono::seconds timeout) {
  const auto now = workshop_.reactor.now();
  std::erase_if(connections_,
                [&](const auto& entry) { return entry.second->last_use() + timeout <= now; });
}

void Service::arm(Clock::time_point time) {
  if (time >= armed_for_) return;
  armed_for_ = time;
  workshop_.reactor.at(time, &alarms_, number_);
}

}  // namespace dns
