// One lease at work in the loop: its Machine, the socket while an exchange is under way, the check
// for conflicts, and the word to whoever wants to know.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "netd/dhcp/client.h"
#include "netd/dhcp/loop.h"
#include "netd/dhcp/machine.h"
#include "netd/dhcp/wire.h"

namespace netd::dhcp {

class Keeper final : public Activity,
                     public Wire::Listener,
                     public std::enable_shared_from_this<Keeper> {
 public:
  /// All are called in the loop.
  struct Ears {
    std::function<void(const Client::Outcome&)> outcome;  // once, of `acquire`
    std::function<void(const Change&)> change;            // of a lease that was obtained
  };

  Keeper(Loop& loop, Client::Request request, const Timing& timing, Ears ears);

  // One of these once; the loop has it already.
  void acquire();
  void keep(const Lease& lease);

  /// Ends it; the server hears of that when `give_back`.
  void stop(bool give_back);

  std::optional<Time> deadline() const override;
  void expire(Time now) override;
  bool is_finished() const override { return finished_; }
  void heard(const Received& received) override;
  void heard(const Arp&) override {}

 private:
  void begin();
  void leave_turn();
  void act_on(const Output& output);
  void send(const Transmission& transmission);
  void check(const ipam::Address& address);
  void tell(const Output& output);
  bool is_patient(Time now);
  void give_up();
  void finish();

  Loop& loop_;
  const Client::Request request_;
  Ears ears_;
  Machine machine_;
  std::optional<Wire::Tap> tap_;
  Time began_{};                  // of `acquire`
  std::optional<Time> patience_;  // until when it may take
  bool obtained_ = false;         // there is or was a lease
  bool finished_ = false;
  bool has_turn_ = false;  // to acquire (turns.h)
  std::string failure_;    // of the interface, the last one
};

}  // namespace netd::dhcp
