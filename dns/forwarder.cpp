#include "dns/forwarder.h"

#include <ares.h>

#include <algorithm>
#include <array>
#include <map>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "dns/upstream.h"
#include "dns/upstream_message.h"

namespace dns {
namespace {

using namespace std::chrono_literals;

// Below glibc's 5 s, so that a client hears of a failure instead of timing out itself.
constexpr auto total_budget = 4s;
// A lost packet is only noticed by its silence.
constexpr auto resend_interval = 1s;
constexpr unsigned max_sends = 6;
constexpr std::size_t max_exchanges = 65536;  // of all sandboxes
constexpr std::size_t waiters_searched =
    64;  // for a repeated query: a flood must not cost its square
constexpr std::uint64_t tick_token = 0;

/// Which failure to hand on when nobody had anything better: the more it says of the name, the
/// more.
int rank(std::uint16_t rcode) {
  switch (static_cast<Rcode>(rcode)) {
    case Rcode::server_failure:
      return 3;
    case Rcode::refused:
      return 2;
    default:
      return 1;
  }
}

/// Codes after which another server may know more; all others are the name's own (RFC 2136 ones
/// too).
bool is_server_trouble(std::uint16_t rcode) {
  return rcode == 1 || rcode == 2 || rcode == 4 || rcode == 5 || rcode > 15;
}

struct Waiter {
  Origin origin;
  Query query;
  std::vector<std::uint8_t> question;  // what query.question points to

  Waiter(const Origin& from, const Query& asked)
      : origin(from), query(asked), question(asked.question.begin(), asked.question.end()) {
    query.question = question;
  }
  // A moved vector keeps its buffer, so query.question stays right.
  Waiter(Waiter&&) = default;
  Waiter& operator=(Waiter&&) = default;
};

struct Attempt {
  Upstream* upstream = nullptr;
  bool is_over = false;
  bool is_late = false;
};

/// One question on its way, and all who wait for it.
struct Exchange {
  std::uint64_t sandbox = 0;
  std::string key;
  std::vector<Waiter> waiters;
  std::vector<Upstream*> servers;  // in the order of asking
  std::size_t next_server = 0;
  std::vector<Attempt> attempts;
  unsigned sends = 0;
  Clock::time_point deadline;
  std::vector<std::uint8_t> best_failure;  // a checked response
  std::uint16_t best_failure_rcode = 0;
  bool has_been_silent = false;

  /// Whether waiting makes sense: forever for a first word, but with a failure in hand only for
  /// servers that are up.
  bool is_outstanding() const {
    return std::ranges::any_of(attempts, [this](const Attempt& attempt) {
      return !attempt.is_over && (best_failure.empty() || !attempt.upstream->is_down());
    });
  }
};

/// What makes two queries the same for an upstream.
std::string question_key(const Query& query) {
  std::string key(query.question.size() + 1, '\0');
  // The parser's lower-case text says nothing of dots inside labels; the wire form does.
  const auto name = query.question.first(query.question.size() - 4);
  const auto fold = [](std::uint8_t byte) {
    return static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
  };
  std::ranges::transform(name, key.begin(), fold);
  std::ranges::copy(query.question.last(4), key.begin() + static_cast<std::ptrdiff_t>(name.size()));
  key.back() = static_cast<char>((query.dnssec_ok ? 1 : 0) | (query.checking_disabled ? 2 : 0) |
                                 (query.authentic_data ? 4 : 0));
  return key;
}

bool is_same_client(const Waiter& waiter, const Origin& origin, const Query& query) {
  return origin.connection == 0 && waiter.origin.connection == 0 && waiter.query.id == query.id &&
         waiter.origin.client.sin_port == origin.client.sin_port &&
         waiter.origin.client.sin_addr.s_addr == origin.client.sin_addr.s_addr;
}

}  // namespace

struct Forwarder::State final : UpstreamSink, DeadlineHandler {
  /// What a sandbox has here. Number 0 holds the upstreams of netd's own namespace.
  struct Tenant {
    unsigned in_flight = 0;
    std::unordered_map<std::string, std::uint64_t> by_question;
    std::map<ipam::Address, std::unique_ptr<Upstream>> upstreams;
  };

  State(Reactor& loop, ReplySink& replies) : reactor(loop), sink(replies) {
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
      throw std::runtime_error("start c-ares");
  }
  ~State() {
    exchanges.clear();
    tenants.clear();
    ares_library_cleanup();
  }

  void forward(const Route& route, const Origin& origin, const Query& query);
  void release(std::uint64_t sandbox);
  void arrived(Upstream& upstream, const UpstreamResult& result) override;
  void expired(std::uint64_t token) override;

  void start(const Route& route, Tenant& tenant, std::string key, const Origin& origin,
             const Query& query);
  std::vector<Upstream*> choose_servers(const Route& route);
  bool send(std::uint64_t id, Exchange& exchange, Upstream& upstream);
  bool ask_next_server(std::uint64_t id, Exchange& exchange);
  void ask_again_or_fail(std::uint64_t id, Exchange& exchange);
  void note_silence(Exchange& exchange);
  void arm(std::uint64_t id, const Exchange& exchange, Clock::duration wait);
  void handle_failure(std::uint64_t id, Exchange& exchange, const UpstreamResponse& response,
                      std::span<const std::uint8_t> packet);
  Exchange take(std::uint64_t id);
  void finish(std::uint64_t id, const UpstreamResponse& response);
  void fail(std::uint64_t id);
  void refuse(const Origin& origin, const Query& query, ExtendedError error);
  std::span<std::uint8_t> buffer_for(const Waiter& waiter);
  void tick();

  Reactor& reactor;
  ReplySink& sink;
  std::unordered_map<std::uint64_t, Tenant> tenants;
  std::unordered_map<std::uint64_t, Exchange> exchanges;
  std::unordered_set<Upstream*> active;  // those with sockets or queries in flight
  std::uint64_t next_exchange = tick_token + 1;
  bool is_ticking = false;
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(max_tcp_message);
};

Forwarder::Forwarder(Reactor& reactor, ReplySink& sink)
    : state_(std::make_unique<State>(reactor, sink)) {}

Forwarder::~Forwarder() = default;

void Forwarder::forward(const Route& route, const Origin& origin, const Query& query) {
  state_->forward(route, origin, query);
}

void Forwarder::release(std::uint64_t sandbox) {
  state_->release(sandbox);
}

void Forwarder::State::forward(const Route& route, const Origin& origin, const Query& query) {
  Tenant& tenant = tenants[route.sandbox];
  std::string key = question_key(query);
  const auto known = tenant.by_question.find(key);
  if (known != tenant.by_question.end()) {
    const auto& waiters = exchanges.at(known->second).waiters;
    const auto is_repeated = [&](const Waiter& waiter) {
      return is_same_client(waiter, origin, query);
    };
    const auto recent = std::min(waiters.size(), waiters_searched);
    if (std::any_of(waiters.end() - static_cast<std::ptrdiff_t>(recent), waiters.end(),
                    is_repeated))
      return;
  }
  if (tenant.in_flight >= max_in_flight || exchanges.size() >= max_exchanges)
    return refuse(origin, query, ExtendedError::none);
  ++tenant.in_flight;
  if (known != tenant.by_question.end()) {
    exchanges.at(known->second).waiters.emplace_back(origin, query);
    return;
  }
  start(route, tenant, std::move(key), origin, query);
}

void Forwarder::State::start(const Route& route, Tenant& tenant, std::string key,
                             const Origin& origin, const Query& query) {
  const std::uint64_t id = next_exchange++;
  tenant.by_question.emplace(key, id);
  Exchange& exchange = exchanges[id];
  exchange.sandbox = route.sandbox;
  exchange.key = std::move(key);
  exchange.servers = choose_servers(route);
  exchange.deadline = reactor.now() + total_budget;
  exchange.waiters.emplace_back(origin, query);
  for (Upstream* upstream : exchange.servers)
    if (upstream != exchange.servers.front() && upstream->take_probe())
      send(id, exchange, *upstream);
  const Clock::duration patience = exchange.servers.size() > 1
                                       ? exchange.servers.front()->patience()
                                       : Clock::duration(resend_interval);
  if (!ask_next_server(id, exchange)) return ask_again_or_fail(id, exchange);
  arm(id, exchange, patience);
  if (!std::exchange(is_ticking, true))
    reactor.at(reactor.now() + Upstream::tick_interval, this, tick_token);
}

/// In the order of the list, but those that are down come last.
std::vector<Upstream*> Forwarder::State::choose_servers(const Route& route) {
  auto& upstreams = tenants[route.netns < 0 ? 0 : route.sandbox].upstreams;
  std::vector<Upstream*> servers;
  for (const ipam::Address& address : route.servers) {
    auto& upstream = upstreams[address];
    if (!upstream) upstream = std::make_unique<Upstream>(reactor, *this, address, route.netns);
    servers.push_back(upstream.get());
  }
  std::ranges::stable_partition(servers, [](const Upstream* server) { return !server->is_down(); });
  return servers;
}

bool Forwarder::State::send(std::uint64_t id, Exchange& exchange, Upstream& upstream) {
  std::array<std::uint8_t, max_upstream_query> packet;
  const std::size_t size =
      write_upstream_query(exchange.waiters.front().query, 0, upstream.uses_edns(), packet);
  ++exchange.sends;
  active.insert(&upstream);
  bool is_sent = false;
  try {
    is_sent = upstream.send(id, std::span(packet).first(size));
  } catch (const std::system_error&) {
    // No memory or descriptors for a channel: as good as unreachable.
  }
  if (is_sent) exchange.attempts.push_back({&upstream});
  if (!is_sent) upstream.note_unreachable();
  return is_sent;
}

/// False when there is none left that could be asked.
bool Forwarder::State::ask_next_server(std::uint64_t id, Exchange& exchange) {
  while (exchange.next_server < exchange.servers.size()) {
    Upstream& upstream = *exchange.servers[exchange.next_server++];
    if (!exchange.best_failure.empty() && upstream.is_down()) continue;
    if (send(id, exchange, upstream)) return true;
  }
  return false;
}

/// After a server's failure: the next one at once; when none is left and none can still answer, the
/// clients get what there is.
void Forwarder::State::ask_again_or_fail(std::uint64_t id, Exchange& exchange) {
  if (ask_next_server(id, exchange) || exchange.is_outstanding()) return;
  fail(id);
}

void Forwarder::State::arm(std::uint64_t id, const Exchange& exchange, Clock::duration wait) {
  reactor.at(std::min(reactor.now() + wait, exchange.deadline), this, id);
}

void Forwarder::State::expired(std::uint64_t token) {
  if (token == tick_token) return tick();
  const auto found = exchanges.find(token);
  if (found == exchanges.end()) return;
  Exchange& exchange = found->second;
  note_silence(exchange);
  if (reactor.now() >= exchange.deadline) return fail(token);
  if (!ask_next_server(token, exchange) && exchange.sends < max_sends) {
    // All have been asked: a packet may have been lost. Those that still owe an answer get it
    // again.
    const auto silent = std::ranges::find(exchange.attempts, false, &Attempt::is_over);
    if (silent != exchange.attempts.end()) send(token, exchange, *silent->upstream);
  }
  arm(token, exchange, resend_interval);
}

void Forwarder::State::note_silence(Exchange& exchange) {
  for (Attempt& attempt : exchange.attempts) {
    if (attempt.is_over || attempt.is_late) continue;
    attempt.is_late = exchange.has_been_silent = true;
    attempt.upstream->note_late();
  }
}

void Forwarder::State::arrived(Upstream& upstream, const UpstreamResult& result) {
  const auto found = exchanges.find(result.exchange);
  if (!result.packet.empty()) upstream.note_answer(result.round_trip);
  if (found == exchanges.end()) return;
  Exchange& exchange = found->second;
  const auto attempt = std::ranges::find_if(exchange.attempts, [&](const Attempt& candidate) {
    return candidate.upstream == &upstream && !candidate.is_over;
  });
  if (attempt != exchange.attempts.end()) attempt->is_over = true;
  if (result.packet.empty()) {
    if (!result.has_timed_out) upstream.note_unreachable();
    return ask_again_or_fail(result.exchange, exchange);
  }
  const auto response =
      UpstreamResponse::parse(result.packet, exchange.waiters.front().query.question);
  if (!response) return ask_again_or_fail(result.exchange, exchange);
  if (result.had_edns && !response->has_opt()) {
    if (response->rcode() == static_cast<std::uint16_t>(Rcode::format_error)) {
      upstream.disable_edns();
      if (exchange.sends < max_sends && send(result.exchange, exchange, upstream)) return;
    }
    upstream.check_edns();
  }
  if (!is_server_trouble(response->rcode())) return finish(result.exchange, *response);
  handle_failure(result.exchange, exchange, *response, result.packet);
}

void Forwarder::State::handle_failure(std::uint64_t id, Exchange& exchange,
                                      const UpstreamResponse& response,
                                      std::span<const std::uint8_t> packet) {
  // Codes above 15 need an OPT to be told, and are about ours, not about the client's.
  const bool is_tellable = response.rcode() <= 15;
  if (is_tellable && (exchange.best_failure.empty() ||
                      rank(response.rcode()) > rank(exchange.best_failure_rcode))) {
    exchange.best_failure.assign(packet.begin(), packet.end());
    exchange.best_failure_rcode = response.rcode();
  }
  ask_again_or_fail(id, exchange);
}

/// Takes it out of all tables first: a reply may bring the next query of that client in.
Exchange Forwarder::State::take(std::uint64_t id) {
  Exchange exchange = std::move(exchanges.extract(id).mapped());
  Tenant& tenant = tenants.at(exchange.sandbox);
  tenant.by_question.erase(exchange.key);
  tenant.in_flight -= static_cast<unsigned>(exchange.waiters.size());
  return exchange;
}

std::span<std::uint8_t> Forwarder::State::buffer_for(const Waiter& waiter) {
  const bool is_udp = waiter.origin.connection == 0;
  return is_udp ? std::span(buffer).first(udp_response_limit(waiter.query)) : std::span(buffer);
}

void Forwarder::State::finish(std::uint64_t id, const UpstreamResponse& response) {
  const Exchange exchange = take(id);
  for (const Waiter& waiter : exchange.waiters) {
    const std::size_t size = response.write(waiter.query, buffer_for(waiter));
    sink.reply(waiter.origin, std::span(buffer).first(size));
  }
}

void Forwarder::State::fail(std::uint64_t id) {
  const Exchange exchange = take(id);
  const auto best =
      UpstreamResponse::parse(exchange.best_failure, exchange.waiters.front().query.question);
  const auto error = exchange.has_been_silent ? ExtendedError::no_reachable_authority
                                              : ExtendedError::network_error;
  for (const Waiter& waiter : exchange.waiters) {
    if (!best) {
      refuse(waiter.origin, waiter.query, error);
      continue;
    }
    const std::size_t size = best->write(waiter.query, buffer_for(waiter));
    sink.reply(waiter.origin, std::span(buffer).first(size));
  }
}

/// SERVFAIL rather than REFUSED: musl asks again at SERVFAIL but waits its time out at REFUSED.
void Forwarder::State::refuse(const Origin& origin, const Query& query, ExtendedError error) {
  std::array<std::uint8_t, 512> packet;
  Response response(query, packet);
  response.set_rcode(Rcode::server_failure);
  response.set_extended_error(error);
  sink.reply(origin, std::span(packet).first(response.finish()));
}

void Forwarder::State::release(std::uint64_t sandbox) {
  const auto tenant = tenants.find(sandbox);
  if (tenant == tenants.end()) return;
  for (const auto& [key, id] : tenant->second.by_question)
    exchanges.erase(id);
  for (const auto& [address, upstream] : tenant->second.upstreams)
    active.erase(upstream.get());
  tenants.erase(tenant);
}

void Forwarder::State::tick() {
  // A timeout's callback may make another server active: go through a copy.
  const std::vector<Upstream*> now_active(active.begin(), active.end());
  for (Upstream* upstream : now_active) {
    upstream->tick();
    if (!upstream->is_active()) active.erase(upstream);
  }
  is_ticking = !active.empty();
  if (is_ticking) reactor.at(reactor.now() + Upstream::tick_interval, this, tick_token);
}

}  // namespace dns
