// One DHCP client as a pure state machine (RFC 2131 4.4): what happens goes in, what is to be sent
// and what became of the lease comes out. No sockets, no clock, no threads.
//
//    start(former) ── rebooting ── NAK, silence ──┐          (INIT-REBOOT)
//    start() ───────────────────────────────► selecting ◄──── waiting
//                          │                       │ OFFER        ▲ DECLINE
//                          │ ACK               requesting         │
//                          │                       │ ACK          │
//                          └───────────────► checking ── taken ───┘
//                                                  │ free (or nobody wants it checked)
//          ┌────────────────────────────────────► bound
//          │ ACK                 T1                 │
//          ├──────────────── renewing ◄─────────────┘          unicast to the server
//          │                     │ T2
//          └─────────────── rebinding                          broadcast to all servers
//                                │ expiry; NAK from either: the lease is lost, selecting
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "netd/dhcp/lease.h"
#include "netd/dhcp/message.h"

namespace netd::dhcp {

/// Who asks. Servers know a client by its `client_id`, or by its MAC where that is empty.
struct Identity {
  ipam::Mac mac;
  Bytes client_id{};       // option 61: type octet and identifier, at least two bytes, or empty
  std::string hostname{};  // option 12; empty = none
};

struct Timing {
  using milliseconds = std::chrono::milliseconds;

  // RFC 2131 4.1: 4 s, doubled each time up to 64 s, each with a jitter of up to 1 s more or less.
  milliseconds first_retry{4'000};
  milliseconds longest_retry{64'000};
  milliseconds jitter{1'000};
  /// A server that doesn't know the former address is silent: then it is asked for another.
  milliseconds reboot_wait{2'000};
  /// So often a server that made an offer is asked for it.
  int request_tries = 3;
  /// RFC 2131 4.4.5: half of what is left until T2 (expiry), but not more often than this.
  milliseconds renewal_retry{60'000};
  /// RFC 2131 3.1.5: the pause after a DECLINE.
  milliseconds decline_wait{10'000};
};

/// A message, and where it goes.
struct Transmission {
  Message message;
  ipam::Address source;
  ipam::Address destination;
  ipam::Mac to;
};

/// What a server sent; `from` is the source of its Ethernet frame.
struct Received {
  Message message;
  ipam::Mac from;
};

enum class Event {
  none,
  bound,    // a lease, where there was none
  renewed,  // the same configuration for longer
  changed,  // the server wants another configuration from now on
  overdue,  // T2 has passed: the server doesn't renew, all are asked. The lease still holds.
  lost,     // the address must not be used any more; the machine looks for another one
};

struct Output {
  std::vector<Transmission> send{};
  /// Find out whether somebody uses this address (arp_probe.h), and say so with `checked`.
  std::optional<ipam::Address> check{};
  Event event = Event::none;
  std::string reason{};  // of `overdue` and `lost`
};

class Machine {
 public:
  using Random = std::function<std::uint32_t()>;

  /// `checks`: an address that is new is checked before it is used.
  Machine(Identity identity, Timing timing, bool checks, Random random);

  // The first of these once, at the beginning.

  /// Asks for an address: for `former` before any other.
  Output start(Time now, std::optional<ipam::Address> former = std::nullopt);
  /// Goes on with a lease of a record. One that expired meanwhile is asked for again; it counts as
  /// lost when no server confirms it soon.
  Output resume(const Lease& lease, Time now);

  /// A message that was not for this client or not expected changes nothing.
  Output receive(const Received& received, Time now);
  /// Call it when `deadline` has come; earlier it does nothing.
  Output expire(Time now);
  /// The answer to Output::check: nobody, or who, has the address.
  Output checked(const std::optional<ipam::Mac>& taken_by, Time now);
  /// Gives the lease back, if there is one. The machine is at its end.
  Output release(Time now);

  /// When to call `expire`; nothing while it waits for `checked` or is at its end.
  std::optional<Time> deadline() const { return deadline_; }
  const std::optional<Lease>& lease() const { return lease_; }
  /// True while an answer may come: from the first message to the one that ends the exchange.
  bool is_asking() const;
  /// What went wrong last, for whoever waits in vain: "the DHCP server 192.0.2.1 offered …".
  const std::string& trouble() const { return trouble_; }

 private:
  enum class State {
    idle,
    waiting,
    selecting,
    requesting,
    rebooting,
    checking,
    bound,
    renewing,
    rebinding
  };

  Output select(Time now);
  Output request_offer(const Received& offer, Time now);
  Output accept(const Received& ack, Time now);
  Output refuse(const Message& nak, Time now);
  Output bind(const Lease& lease, Time now);
  Output begin_renewal(Time now);
  Output begin_rebinding(Time now);
  Output lose(const std::string& reason, Time now);
  Output wait(Time until);

  bool is_for_us(const Message& message) const;
  void begin_exchange(State state, Time now);
  Output transmit(Time now);
  Message message(Type type) const;
  Message question(Type type) const;
  Transmission broadcast(Message message) const;
  Transmission transmission() const;
  Time next_try(Time now);
  std::chrono::milliseconds below(std::chrono::milliseconds limit);

  const Identity identity_;
  const Timing timing_;
  const bool checks_;
  const Random random_;

  State state_ = State::idle;
  std::optional<Time> deadline_;
  std::optional<Lease> lease_;           // that holds now
  std::optional<Lease> candidate_;       // offered, or granted and being checked
  std::optional<ipam::Address> wanted_;  // asked for first
  std::uint32_t xid_ = 0;                // of this exchange
  Time began_{};                         // this exchange
  std::chrono::seconds elapsed_{};       // since then, as the message says
  Time sent_{};                          // the last message
  int tries_ = 0;                        // messages sent in this state
  int refusals_ = 0;                     // NAKs since the last ACK
  std::string trouble_;
};

}  // namespace netd::dhcp
