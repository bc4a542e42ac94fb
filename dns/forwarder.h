// Asks upstream servers what the sandbox's zones don't know: which server, when the next one, how
// long, and one question for all who ask the same. The transport is upstream.h.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <memory>
#include <span>

#include "dns/message.h"
#include "dns/reactor.h"
#include "ipam/address.h"

namespace dns {

/// Who asked. Numbers instead of pointers: sandbox and connection may be gone when the answer
/// comes.
struct Origin {
  std::uint64_t sandbox = 0;
  std::uint64_t connection = 0;  // 0: UDP
  sockaddr_in client{};          // UDP only
};

/// Takes the responses.
class ReplySink {
 public:
  virtual void reply(const Origin& origin, std::span<const std::uint8_t> response) = 0;

 protected:
  ~ReplySink() = default;
};

/// How a sandbox's queries travel.
struct Route {
  std::uint64_t sandbox = 0;
  int netns = -1;  // sockets are opened there; -1: in netd's own namespace, shared by all sandboxes
  std::span<const ipam::Address> servers;  // in order; at least one
};

/// Belongs to the reactor's thread.
class Forwarder {
 public:
  /// More of a sandbox's queries than this at once are answered with SERVFAIL.
  static constexpr unsigned max_in_flight = 4096;

  Forwarder(Reactor& reactor, ReplySink& sink);
  ~Forwarder();

  /// The sink gets exactly one reply for it, perhaps at once, within 4 s; none at all if `release`
  /// comes first or if it repeats a UDP query in flight (same client, id and question).
  void forward(const Route& route, const Origin& origin, const Query& query);
  /// Forgets a sandbox: its queries, and its sockets in its namespace.
  void release(std::uint64_t sandbox);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dns
