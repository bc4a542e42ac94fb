#include "netd/dhcp/machine.h"

#include <algorithm>
#include <utility>

#include "netd/dhcp/frame.h"

namespace netd::dhcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const ipam::Address everybody = ipam::Address::v4(0xffffffff);
/// Small enough for links of every usual MTU in one piece: the socket's filter takes no fragments.
constexpr std::uint16_t message_bytes = 1280;
/// However short a lease is, renewals are not more frequent than this.
constexpr milliseconds least_renewal{1'000};
constexpr std::uint8_t wanted_options[] = {
    option::subnet_mask,  option::classless_routes, option::router, option::dns_server,
    option::domain,       option::domain_search,    option::mtu,    option::lease_time,
    option::renewal_time, option::rebinding_time};

std::string server_text(const ipam::Address& server) {
  return "the DHCP server " + server.to_string();
}

}  // namespace

Machine::Machine(Identity identity, Timing timing, bool checks, Random random)
    : identity_(std::move(identity)),
      timing_(timing),
      checks_(checks),
      random_(std::move(random)) {}

Output Machine::start(Time now, std::optional<ipam::Address> former) {
  wanted_ = former;
  if (!former) return select(now);
  begin_exchange(State::rebooting, now);
  return transmit(now);
}

Output Machine::resume(const Lease& lease, Time now) {
  lease_ = lease;
  wanted_ = lease.address.address;
  // A clock that was set back must not make the lease longer than it was granted for.
  lease_->obtained = std::min(lease.obtained, now);
  if (now >= lease_->expiry()) return start(now, wanted_);
  if (now >= lease_->rebinding()) return begin_rebinding(now);
  if (now >= lease_->renewal()) return begin_renewal(now);
  state_ = State::bound;
  deadline_ = lease_->renewal();
  return {};
}

Output Machine::receive(const Received& received, Time now) {
  const Message& message = received.message;
  if (!is_for_us(message)) return {};
  if (message.type == Type::offer && state_ == State::selecting)
    return request_offer(received, now);
  const bool is_answer = state_ == State::requesting || state_ == State::rebooting ||
                         state_ == State::renewing || state_ == State::rebinding;
  if (message.type == Type::ack && is_answer) return accept(received, now);
  if (message.type == Type::nak && is_answer) return refuse(message, now);
  return {};
}

Output Machine::expire(Time now) {
  if (!deadline_ || now < *deadline_) return {};
  // Also after the machine slept through T1 and T2.
  if (lease_ && state_ != State::rebooting && now >= lease_->expiry())
    return lose("the lease of " + lease_->address.address.to_string() + " expired; " +
                    server_text(lease_->server) + " didn't renew it",
                now);
  switch (state_) {
    case State::bound:
      return now < lease_->rebinding() ? begin_renewal(now) : begin_rebinding(now);
    case State::renewing:
      return now < lease_->rebinding() ? transmit(now) : begin_rebinding(now);
    case State::rebooting:
      if (lease_) return lose("the lease expired while nobody renewed it", now);
      return select(now);
    case State::requesting:
      if (tries_ < timing_.request_tries) return transmit(now);
      trouble_ = server_text(candidate_->server) + " offered " +
                 candidate_->address.address.to_string() + " but doesn't answer the request for it";
      return select(now);
    case State::waiting:
      return select(now);
    case State::selecting:
    case State::rebinding:
      return transmit(now);
    case State::idle:
    case State::checking:
      break;
  }
  return {};
}

Output Machine::checked(const std::optional<ipam::Mac>& taken_by, Time now) {
  if (state_ != State::checking) return {};
  const Lease granted = *candidate_;
  if (!taken_by) return bind(granted, now);
  trouble_ = server_text(granted.server) + " granted " + granted.address.address.to_string() +
             ", but " + taken_by->to_string() + " uses it";
  Message decline = message(Type::decline);
  decline.seconds = 0;
  decline.set(option::requested_address, granted.address.address);
  decline.set(option::server, granted.server);
  decline.set(option::text, std::string_view("address in use"));
  wanted_.reset();
  Output output = wait(now + timing_.decline_wait);
  output.send.push_back(broadcast(std::move(decline)));
  if (!lease_) return output;
  lease_.reset();
  output.event = Event::lost;
  output.reason = trouble_;
  return output;
}

Output Machine::release(Time) {
  Output output;
  // What was granted and not yet used is given back as well, or may be granted at this moment.
  const bool is_granted_soon = state_ == State::checking || state_ == State::requesting;
  const std::optional<Lease>& held = is_granted_soon ? candidate_ : lease_;
  if (held) {
    xid_ = random_();
    Message message = this->message(Type::release);
    message.seconds = 0;
    message.client_address = held->address.address;
    message.set(option::server, held->server);
    output.send.push_back(
        {std::move(message), held->address.address, held->server, held->server_mac});
  }
  state_ = State::idle;
  deadline_.reset();
  lease_.reset();
  return output;
}

bool Machine::is_asking() const {
  return state_ != State::idle && state_ != State::waiting && state_ != State::bound;
}

Output Machine::select(Time now) {
  begin_exchange(State::selecting, now);
  return transmit(now);
}

Output Machine::request_offer(const Received& offer, Time now) {
  // RFC 2131 says nothing about which offer is the best: the first one.
  candidate_ = lease_of(offer.message, offer.from, now);
  if (!candidate_) {
    trouble_ = "a DHCP server made an offer that can't be used (" +
               offer.message.your_address.to_string() + ", its mask, server or lifetime)";
    return {};
  }
  state_ = State::requesting;
  tries_ = 0;
  return transmit(now);
}

Output Machine::accept(const Received& ack, Time now) {
  const auto granted = lease_of(ack.message, ack.from, sent_);
  if (!granted) {
    trouble_ = "a DHCP server granted " + ack.message.your_address.to_string() +
               " in a way that can't be used (its mask, server or lifetime)";
    return {};
  }
  const bool is_new = !lease_ || lease_->address.address != granted->address.address;
  if (!checks_ || !is_new) return bind(*granted, now);
  candidate_ = granted;
  state_ = State::checking;
  deadline_.reset();
  return {.check = granted->address.address};
}

/// RFC 2131 3.1.5, 4.4.5: back to the beginning. Only a server that was asked may refuse.
Output Machine::refuse(const Message& nak, Time now) {
  const auto server = nak.address(option::server);
  if (!server) return {};
  if (state_ == State::requesting && *server != candidate_->server) return {};
  if (state_ == State::renewing && *server != lease_->server) return {};
  const auto& refused = state_ == State::requesting ? candidate_->address.address : *wanted_;
  const std::string text = nak.text(option::text);
  trouble_ = server_text(*server) + " refused " + refused.to_string() +
             (text.empty() ? "" : " (" + text + ")");
  wanted_.reset();
  if (lease_) return lose(trouble_, now);
  // A server that offers and refuses for ever is asked at the pace of retries.
  if (refusals_++ == 0) return select(now);
  tries_ = refusals_ - 1;
  return wait(next_try(now));
}

Output Machine::bind(const Lease& lease, Time now) {
  Output output;
  output.event = !lease_                                 ? Event::bound
                 : is_same_configuration(lease, *lease_) ? Event::renewed
                                                         : Event::changed;
  lease_ = lease;
  wanted_ = lease.address.address;
  refusals_ = 0;
  trouble_.clear();
  state_ = State::bound;
  // RFC 2131 4.4.5: with some fuzz, so that what began together doesn't renew together.
  const milliseconds fuzz = below(milliseconds(lease.renew_after) / 20);
  deadline_ = std::max(lease.renewal() - fuzz, now + least_renewal);
  return output;
}

Output Machine::begin_renewal(Time now) {
  begin_exchange(State::renewing, now);
  return transmit(now);
}

Output Machine::begin_rebinding(Time now) {
  const std::string reason = server_text(lease_->server) + " doesn't renew the lease of " +
                             lease_->address.address.to_string() + "; asking all servers";
  begin_exchange(State::rebinding, now);
  Output output = transmit(now);
  output.event = Event::overdue;
  output.reason = reason;
  return output;
}

Output Machine::lose(const std::string& reason, Time now) {
  lease_.reset();
  Output output = select(now);
  output.event = Event::lost;
  output.reason = reason;
  return output;
}

Output Machine::wait(Time until) {
  state_ = State::waiting;
  deadline_ = until;
  return {};
}

/// RFC 6842: a server that echoes the client identifier must echo this one.
bool Machine::is_for_us(const Message& message) const {
  if (!message.is_reply || message.xid != xid_ || message.mac != identity_.mac) return false;
  const auto echoed = message.options.find(option::client_id);
  return echoed == message.options.end() || identity_.client_id.empty() ||
         echoed->second == identity_.client_id;
}

void Machine::begin_exchange(State state, Time now) {
  state_ = state;
  xid_ = random_();
  began_ = now;
  tries_ = 0;
}

/// Sends this state's message and sets the time for the next try.
Output Machine::transmit(Time now) {
  // RFC 2131 4.4.1: the request for an offer says the same as the DISCOVER before it.
  if (state_ != State::requesting)
    elapsed_ = std::chrono::floor<seconds>(std::max(now - began_, milliseconds(0)));
  sent_ = now;
  deadline_ = next_try(now);
  ++tries_;
  Output output;
  output.send.push_back(transmission());
  return output;
}

Transmission Machine::transmission() const {
  if (state_ == State::selecting) {
    Message discover = question(Type::discover);
    if (wanted_) discover.set(option::requested_address, *wanted_);
    return broadcast(std::move(discover));
  }
  Message request = question(Type::request);
  if (state_ == State::requesting) {
    request.set(option::requested_address, candidate_->address.address);
    request.set(option::server, candidate_->server);
    return broadcast(std::move(request));
  }
  if (state_ == State::rebooting) {
    request.set(option::requested_address, *wanted_);
    return broadcast(std::move(request));
  }
  const ipam::Address own = lease_->address.address;
  request.client_address = own;
  if (state_ == State::renewing)
    return {std::move(request), own, lease_->server, lease_->server_mac};
  return {std::move(request), own, everybody, broadcast_mac};
}

/// What all messages have, RFC 2131 table 5.
Message Machine::message(Type type) const {
  const auto most = seconds(0xffff);
  Message message{.type = type,
                  .xid = xid_,
                  .seconds = static_cast<std::uint16_t>(std::min(elapsed_, most).count()),
                  .mac = identity_.mac};
  if (!identity_.client_id.empty()) message.options[option::client_id] = identity_.client_id;
  return message;
}

/// A message that wants a configuration as answer.
Message Machine::question(Type type) const {
  Message message = this->message(type);
  if (!identity_.hostname.empty()) message.set(option::hostname, identity_.hostname);
  message.options[option::parameters] = Bytes(std::begin(wanted_options), std::end(wanted_options));
  message.set(option::message_size, message_bytes);
  return message;
}

/// From nobody to everybody, and the answer to everybody too: there may be no link with this
/// address or MAC yet.
Transmission Machine::broadcast(Message message) const {
  message.broadcast = true;
  return {std::move(message), ipam::Address(), everybody, broadcast_mac};
}

Time Machine::next_try(Time now) {
  if (state_ == State::rebooting) return now + timing_.reboot_wait;
  if (state_ == State::renewing || state_ == State::rebinding) {
    const Time end = state_ == State::renewing ? lease_->rebinding() : lease_->expiry();
    return std::min(now + std::max<milliseconds>((end - now) / 2, timing_.renewal_retry), end);
  }
  constexpr int most_doublings = 16;
  const milliseconds delay = std::min(timing_.first_retry * (1 << std::min(tries_, most_doublings)),
                                      timing_.longest_retry);
  return now + delay - timing_.jitter + below(2 * timing_.jitter);
}

/// Even, from 0 to less than `limit`.
milliseconds Machine::below(milliseconds limit) {
  return milliseconds(limit.count() == 0 ? 0 : random_() % limit.count());
}

}  // namespace netd::dhcp
