#include "netd/dhcp/keeper.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "netd/dhcp/frame.h"
#include "netd/dhcp/prober.h"

namespace netd::dhcp {
namespace {

constexpr int most_timeouts = 6;  // for a server that is busy

std::string seconds_text(std::chrono::milliseconds duration) {
  const auto tenths = (duration.count() + 50) / 100;
  std::string text = std::to_string(tenths / 10);
  if (tenths % 10 != 0) text += "." + std::to_string(tenths % 10);
  return text + " s";
}

}  // namespace

Keeper::Keeper(Loop& loop, Client::Request request, const Timing& timing, Ears ears)
    : loop_(loop),
      request_(std::move(request)),
      ears_(std::move(ears)),
      machine_(request_.identity, timing, request_.check.has_value(),
               [&loop] { return loop.random(); }) {}

void Keeper::acquire() {
  began_ = loop_.now();
  patience_ = began_ + request_.timeout;
  loop_.update(*this);
  Turns& turns = loop_.turns(request_.interface);
  turns.enter([weak = weak_from_this(), &turns] {
    const auto self = weak.lock();
    if (self && !self->finished_)
      self->begin();
    else
      turns.leave();
  });
}

void Keeper::begin() {
  has_turn_ = true;
  act_on(machine_.start(loop_.now(), request_.former));
  // An interface that can't send now is the caller's mistake or misfortune: no reason to wait.
  if (!failure_.empty() && !finished_) give_up();
}

void Keeper::leave_turn() {
  if (std::exchange(has_turn_, false)) loop_.turns(request_.interface).leave();
}

void Keeper::keep(const Lease& lease) {
  obtained_ = true;
  act_on(machine_.resume(lease, loop_.now()));
}

void Keeper::stop(bool give_back) {
  if (finished_) return;
  if (give_back)
    for (const Transmission& transmission : machine_.release(loop_.now()).send)
      send(transmission);
  finish();
}

std::optional<Time> Keeper::deadline() const {
  const auto due = machine_.deadline();
  return due && patience_ ? std::min(due, patience_) : due ? due : patience_;
}

void Keeper::expire(Time now) {
  if (patience_ && now >= *patience_ && !is_patient(now))
    give_up();
  else
    act_on(machine_.expire(now));
}

/// A server that answers others is busy, not silent. dnsmasq pings the first six addresses before
/// it offers them, 3 s each, and hears nobody meanwhile.
bool Keeper::is_patient(Time now) {
  if (!tap_ || !machine_.trouble().empty() || now >= began_ + most_timeouts * request_.timeout)
    return false;
  const auto silence = std::chrono::floor<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - tap_->wire().last_answer());
  if (silence >= request_.timeout) return false;
  patience_ = now + request_.timeout - silence;
  return true;
}

void Keeper::heard(const Received& received) {
  if (!finished_) act_on(machine_.receive(received, loop_.now()));
}

void Keeper::act_on(const Output& output) {
  for (const Transmission& transmission : output.send)
    send(transmission);
  if (output.check) check(*output.check);
  if (!machine_.is_asking()) tap_.reset();
  tell(output);
  if (!finished_) loop_.update(*this);
}

/// What can't be sent is lost, like any frame may be; the machine tries again in time.
void Keeper::send(const Transmission& transmission) {
  try {
    const auto wire = loop_.wire(request_.interface);
    if (!tap_ || &tap_->wire() != wire.get()) tap_.emplace(wire, request_.identity.mac, *this);
    // Switches that look for forged messages (DHCP snooping) want the frame's source to be the
    // MAC in it, and the LAN learns where the endpoint is.
    wire->send(Datagram{.from = request_.identity.mac,
                        .to = transmission.to,
                        .source = transmission.source,
                        .destination = transmission.destination,
                        .source_port = client_port,
                        .destination_port = server_port,
                        .payload = encode(transmission.message)});
    failure_.clear();
  } catch (const std::system_error& failure) {
    failure_ = failure.what();
  }
}

void Keeper::check(const ipam::Address& address) {
  const ProbeTask task{.interface = request_.interface,
                       .address = address,
                       .mac = request_.identity.mac,
                       .timing = request_.check.value_or(ProbeTiming{})};
  // The machine is called after this turn: its output is being acted on.
  Prober::start(loop_, task, [weak = weak_from_this(), &loop = loop_](const ProbeOutcome& found) {
    loop.post([weak, taken_by = found.taken_by, &loop] {
      const auto self = weak.lock();
      if (self && !self->finished_) self->act_on(self->machine_.checked(taken_by, loop.now()));
    });
  });
}

void Keeper::tell(const Output& output) {
  const bool is_first = !obtained_ && output.event == Event::bound;
  if (is_first) {
    obtained_ = true;
    patience_.reset();
    leave_turn();
    ears_.outcome({.lease = machine_.lease()});
    return;
  }
  switch (output.event) {
    case Event::none:
      return;
    case Event::bound:  // after it was lost
    case Event::changed:
      return ears_.change({.kind = Change::Kind::changed, .lease = machine_.lease()});
    case Event::renewed:
      return ears_.change({.kind = Change::Kind::renewed, .lease = machine_.lease()});
    case Event::overdue:
      return ears_.change({.kind = Change::Kind::overdue,
                           .lease = machine_.lease(),
                           .reason = output.reason + (failure_.empty() ? "" : ": " + failure_)});
    case Event::lost:
      return ears_.change({.kind = Change::Kind::lost, .reason = output.reason});
  }
}

/// The time is over, or there is no way to ask.
void Keeper::give_up() {
  std::string error = failure_;
  const auto waited = patience_ ? *patience_ - began_ : request_.timeout;
  const std::string within = request_.interface + " within " + seconds_text(waited);
  if (error.empty())
    error = machine_.trouble().empty() ? "no DHCP server answered on " + within
                                       : "no DHCP lease on " + within + ": " + machine_.trouble();
  const auto outcome = ears_.outcome;
  stop(true);
  outcome({.error = error});
}

void Keeper::finish() {
  finished_ = true;
  tap_.reset();
  leave_turn();
  loop_.update(*this);
}

}  // namespace netd::dhcp
