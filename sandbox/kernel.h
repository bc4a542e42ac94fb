// The one boundary between netd and the operating system's network stack, and the one thing that
// tests replace (tests/support/fake_kernel.h). Implemented by linux_kernel.h.
// All calls are made on the control thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ipam/address.h"
#include "sandbox/peers.h"
#include "sandbox/plan.h"
#include "sandbox/vxlan_facts.h"
#include "sandbox/wireguard.h"

namespace sandbox {

/// What netd may have to know of a link before it plans.
struct LinkFacts {
  std::string name;
  std::uint32_t index = 0;
  std::string kind;  // "bridge", "veth", …; empty for a physical one
  std::string alias;
  ipam::Mac mac;  // zero when it has none, or one of another length
  std::uint32_t mtu = 0;
  bool up = false;
  bool vlan_filtering = false;  // a bridge that tells VLANs apart
  bool no_snooping = false;     // a bridge whose multicast goes to all ports
  std::vector<ipam::Prefix> addresses;
};

class Kernel {
 public:
  virtual ~Kernel() = default;

  /// Carries the step out, strictly: what exists already is an error (EEXIST).
  /// Throws std::system_error whose text names act and object: "create veth nv3f2a91: File exists".
  /// A name or index that a dying link still holds is waited for, not refused.
  virtual void apply(const Step& step) = 0;

  /// The links that were set up since the last time take packets now, as far as the kernel can be
  /// asked for that (Linux 6.8 and later). Never throws.
  virtual void settle() noexcept {}

  /// Undoes a create step, tolerantly: gone = done. Set and host-global steps: nothing to do.
  /// Links are taken down and left to the reaper. Throws std::system_error on other failures.
  virtual void revert(const Step& step) = 0;

  /// The link of that name in `netns`, or nothing (also when the namespace is gone).
  virtual std::optional<LinkFacts> find_link(const Netns& netns, const std::string& name) = 0;

  /// The VXLAN link of that name in the host's namespace, or nothing.
  virtual std::optional<Vxlan> find_vxlan(const std::string& name) = 0;

  /// Names of all links in `netns` that are not dying; empty when the namespace is gone.
  virtual std::vector<std::string> link_names(const Netns& netns) = 0;

  /// Destinations of the on-link routes (both families, no default, no link-local) of the host.
  virtual std::vector<ipam::Prefix> on_link_routes() = 0;

  /// The value without trailing newline, or nothing when there is no such key.
  virtual std::optional<std::string> read_sysctl(const Netns& netns, const std::string& key) = 0;

  /// True when a network namespace is pinned at `path`.
  virtual bool is_pinned(const std::string& path) = 0;

  /// Whether `path` (/proc/PID/ns/net, a pin) is the namespace `netns`. False when either is gone.
  virtual bool is_namespace(const std::string& path, const Netns& netns) = 0;

  /// Replaces netd's whole nft table atomically: all chains and rules, and these elements.
  virtual void replace_firewall(const std::vector<Element>& elements) = 0;
  /// Deletes netd's nft table; absent = done.
  virtual void remove_firewall() = 0;

  /// Forgets established flows of these addresses and published ports (conntrack), best effort: in
  /// the background, but with ports alone before it returns.
  virtual void forget_flows(const std::vector<ipam::Address>& addresses,
                            const std::vector<Element>& ports) = 0;

  /// Gives the reaper the dying links of `netns` that an earlier netd left there; those of the
  /// host's namespace it finds by itself.
  virtual void sweep(const Netns& netns) = 0;

  /// Whether the kernel has links of that kind ("dummy", "ipvlan"). Asked once, then remembered.
  virtual bool has_link_kind(const std::string& kind) = 0;

  /// How many dying links wait for the reaper.
  virtual std::size_t dying_links() = 0;
  /// Returns when no link is dying.
  virtual void drain() = 0;

  /// Sends gratuitous ARP (RFC 5227 3) / unsolicited NA (RFC 4861 7.2.6) for addresses behind
  /// `bridge_index` in the background: `count` times, `interval_ms` apart, the first at once. The
  /// host itself forgets what it knew of them. Never throws.
  virtual void advertise(std::uint32_t bridge_index, const ipam::Mac& mac,
                         const std::vector<ipam::Address>& addresses, int count,
                         int interval_ms) = 0;

  /// The tables of remote endpoints, which are never in a plan.
  virtual Peers& peers() = 0;

  /// The encrypted tunnels to other hosts, which are in none either.
  virtual Wireguard& wireguard() = 0;
};

}  // namespace sandbox
