// The DHCPv4 client: leases for endpoints on a LAN, before their links exist and for as long as
// they live. Docker leaves this to plugins; netd's networks have it as `--ipam-driver dhcp`.
//
// One thread for all leases, in the network namespace of whoever constructs the client. It sends
// and hears raw frames on the parent interface of a macvlan network, or on the bridge, with the
// endpoint's MAC as source and in the messages; nothing is needed in the endpoint's own namespace.
//
//     acquire ──► outcome: a lease, which is renewed from now on ──► changes … ──► release
//     keep (a lease of a record, after a restart) ─────────────────► changes … ──► release
//
// What it doesn't reach, as macvlan has it: servers on this host that listen on the parent, and
// servers in macvlan children of the same parent. Servers on this host that listen on a bridge are
// reached by an ordinary socket (host_server.h).
//
// Nothing is kept here that a restart would lose: the owner records each lease that it is told of.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "netd/dhcp/arp_probe.h"
#include "netd/dhcp/lease.h"
#include "netd/dhcp/machine.h"

namespace netd::dhcp {

/// What became of a lease.
struct Change {
  enum class Kind {
    renewed,  // the same for longer: only the record changes
    changed,  // another address, router, DNS …: from now on the endpoint is to have `lease`
    overdue,  // the server is silent, others are asked; `lease` still holds. A warning.
    lost,     // expired or refused: the address must go. The client looks for another: `changed`.
  };
  Kind kind = Kind::renewed;
  std::optional<Lease> lease{};  // but for `lost`
  std::string reason{};          // of `overdue` and `lost`
};

class Loop;
class Keeper;

/// Use it from one thread at a time, that of `executor`; all callbacks run there. None throws but
/// the constructor.
class Client {
 public:
  struct Request {
    std::string interface;                      // the parent, or the bridge
    Identity identity;                          // client_id_of() makes an identifier that stays
    std::optional<ipam::Address> former{};      // asked for first
    std::chrono::milliseconds timeout{10'000};  // of `acquire`
    /// Whether an address is probed for before it is used (RFC 5227), and how long. The default
    /// timing of RFC 5227 needs a longer timeout.
    std::optional<ProbeTiming> check{};
  };
  struct Outcome {
    std::optional<Lease> lease{};
    /// Without lease: why, as a user can read it: "no DHCP server answered on eth0 within 10 s".
    std::string error{};
  };
  using OnChange = std::function<void(const std::string& key, const Change& change)>;

  /// `on_change` hears of all leases, from their outcome on. Throws std::system_error.
  Client(boost::asio::any_io_executor executor, OnChange on_change, const Timing& timing = {});
  /// Gives nothing back: the next netd keeps the leases. No callback after that; `executor` must
  /// not be at one of them on another thread.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Gets a lease. `key` is the caller's name for it, the endpoint's id; one in use is forgotten
  /// first. Without `former`, or when no server knows it, any address is fine.
  void acquire(const std::string& key, const Request& request,
               std::function<void(const Outcome&)> outcome);

  /// Goes on with a lease of a record; of `request`, `former` and `timeout` don't matter. It is
  /// renewed when it is time, at once if that has passed.
  void keep(const std::string& key, const Request& request, const Lease& lease);

  /// Gives the lease back to the server, also one that is still being acquired. No callback for
  /// `key` after that, not even for what happened before. Unknown keys are fine.
  void release(const std::string& key);
  /// As release, but the server isn't told.
  void forget(const std::string& key);

  /// Asks whether somebody on `interface` uses `task.address`; a static one as well. `done` always
  /// comes, unless the client goes before.
  void probe(const ProbeTask& task, std::function<void(const ProbeOutcome&)> done);

 private:
  /// Callbacks that are under way to the executor look here whether they are still wanted. Belongs
  /// to the executor's thread.
  struct Ticket {
    bool is_valid = true;
    std::weak_ptr<Keeper> keeper{};
  };
  using TicketPtr = std::shared_ptr<Ticket>;

  TicketPtr open(const std::string& key);
  std::shared_ptr<Keeper> make_keeper(const TicketPtr& ticket, const std::string& key,
                                      const Request& request,
                                      std::function<void(const Outcome&)> outcome);
  void end(const std::string& key, bool give_back);

  const boost::asio::any_io_executor executor_;
  const OnChange on_change_;
  const Timing timing_;
  const TicketPtr own_ = std::make_shared<Ticket>();
  std::map<std::string, TicketPtr> tickets_;
  std::unique_ptr<Loop> loop_;
};

}  // namespace netd::dhcp
