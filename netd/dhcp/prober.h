// One ArpProbe at work on an interface, in the loop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "netd/dhcp/arp_probe.h"
#include "netd/dhcp/loop.h"
#include "netd/dhcp/wire.h"

namespace netd::dhcp {

class Prober final : public Activity, public Wire::Listener {
 public:
  using Done = std::function<void(const ProbeOutcome&)>;

  /// Begins. `done` is called once, in the loop, possibly before this returns.
  static void start(Loop& loop, const ProbeTask& task, Done done);

  Prober(Loop& loop, const ProbeTask& task, Done done);

  std::optional<Time> deadline() const override { return probe_.deadline(); }
  void expire(Time now) override;
  bool is_finished() const override { return !done_; }
  void heard(const Received&) override {}
  void heard(const Arp& arp) override;

 private:
  void finish(const ProbeOutcome& outcome);

  Loop& loop_;
  ArpProbe probe_;
  Done done_;
  std::optional<Wire::Tap> tap_;
};

}  // namespace netd::dhcp
