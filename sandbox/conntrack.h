// Tracked flows (conntrack) that must be forgotten: a flow keeps the translation it began with, so
// packets of a long-lived one would go on to where a port no longer leads, or never get there.
// Source: linux/netfilter/nfnetlink_conntrack.h; dump and delete by tuple, which every kernel does.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "ipam/address.h"
#include "sandbox/fd.h"
#include "sandbox/plan.h"

namespace sandbox {

/// What one direction of a flow says.
struct FlowTuple {
  ipam::Address source;
  ipam::Address destination;
  std::uint8_t protocol = 0;
  std::uint16_t destination_port = 0;
};

struct Flow {
  FlowTuple original;
  FlowTuple reply;
};

/// Which flows to forget; see FlowForgetter::forget.
class FlowFilter {
 public:
  FlowFilter(const std::vector<ipam::Address>& addresses, const std::vector<Element>& ports);

  bool empty() const { return addresses_.empty() && ports_.empty(); }
  /// Asks the calling thread's namespace whether a destination is local when it has to.
  bool matches(const Flow& flow) const;

 private:
  struct HostPort {
    Protocol protocol;
    std::uint16_t number;
    friend auto operator<=>(const HostPort&, const HostPort&) = default;
  };
  struct Mapping {
    ipam::Address container;
    ipam::Address host;  // 0.0.0.0 or ::, when it is published on all of the family
  };

  bool leads_to_port(const Flow& flow) const;

  std::set<ipam::Address> addresses_;
  std::multimap<HostPort, Mapping> ports_;
};

/// The conntrack table of the network namespace in which this was made.
class Conntrack {
 public:
  /// Throws std::system_error.
  Conntrack();

  /// Deletes the matching flows and returns how many. Stops looking after 200 ms of work. To be
  /// called in the same namespace (the filter may ask for its addresses). Throws std::system_error.
  std::size_t forget(const FlowFilter& filter);

 private:
  void open();
  std::uint32_t count();
  void send(const void* request, std::size_t bytes);
  std::size_t receive(int flags);

  Fd fd_;
  std::vector<char> buffer_;
};

}  // namespace sandbox
