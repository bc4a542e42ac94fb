// netd's nftables: the table `inet netd` of the host namespace and the little table that leads a
// sandbox's DNS queries to netd. docs/nftables.md shows both as the kernel lists them.
//
// The rules are constant; networks and ports are only elements of sets and maps (nft_schema.h), so
// no operation costs more because of what exists already. Everything here goes to the kernel as one
// nf_tables transaction (all or nothing) on a netlink socket; no program is started.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ipam/address.h"
#include "sandbox/plan.h"

namespace sandbox {

class NftSocket;

/// The table `inet netd`. Not thread-safe. Every call may throw std::system_error, whose text names
/// act and object ("add element tcp . 8080 : 10.1.0.2 . 80 to set pub4 of table inet netd: File
/// exists"), and std::invalid_argument for an element that its set cannot hold (before anything is
/// sent).
class Nft {
 public:
  /// Opens NETLINK_NETFILTER in the calling thread's network namespace, and stays there.
  Nft();
  ~Nft();
  Nft(Nft&&) noexcept;
  Nft& operator=(Nft&&) noexcept;

  /// The whole table anew, in one transaction: no packet sees a state between the old and the new.
  void replace(const std::vector<Element>& elements);

  /// Deletes the table; absent = done.
  void remove();

  /// Adds all of them or none. EEXIST: an element of that key is there already. ENOENT: the table
  /// is gone (somebody flushed the rule set); `replace` brings it back.
  void add(const std::vector<Element>& elements);

  /// Deletes elements by key; what is gone (also with its table) = done.
  void erase(const std::vector<Element>& elements);

 private:
  std::unique_ptr<NftSocket> socket_;
};

/// Makes (or replaces) table `ip netd-dns` in the calling thread's network namespace: what goes to
/// 127.0.0.11:53 goes to 127.0.0.11:`port`, and the answers come from port 53 again. The rewrite is
/// stateless: no conntrack entry, and the sandbox may have a DNS server of its own on port 53.
/// Throws std::system_error.
void redirect_dns(std::uint16_t port);

/// Deletes that table; absent = done. Takes 15 ms (the kernel's RCU grace period), so don't call it
/// for a namespace that dies anyway. Throws std::system_error.
void remove_dns_redirect();

}  // namespace sandbox
