// This host's part in encrypted overlay networks: its key, its address inside the encrypted
// tunnels, and its WireGuard link with the hosts that it shares such networks with
// (docs/overlay.md, "Encryption"). On the control thread.
//
// The key is there, and known to all hosts, from the first encrypted network of the cluster on; the
// link only while such a network is up here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "netd/cluster/values.h"
#include "netd/store.h"
#include "sandbox/kernel.h"
#include "sandbox/wireguard.h"

namespace netd {

/// The addresses of all hosts inside their encrypted tunnels. Link-local (RFC 3927), so that they
/// are nobody's networks, and clear of what clouds have in 169.254.169.0/24 and thereabouts.
ipam::Prefix inside_prefix();

class Encryption {
 public:
  /// What is the host's own over all its starts.
  struct Identity {
    sandbox::WireguardKey key;                  // private
    std::optional<sandbox::WireguardKey> next;  // the key to come, which others are told before
    ipam::Address inside;
    std::uint16_t port = 0;
    bool up = false;  // the link is there, or about to be
    friend bool operator==(const Identity&, const Identity&) = default;
  };

  /// `host`: this host's id. Throws std::runtime_error when what is kept can't be read.
  Encryption(Store& store, sandbox::Kernel& kernel, const std::string& host);

  // --- identity
  const std::optional<Identity>& identity() const { return identity_; }
  /// Keeps it, for good; the link follows if it is up. Throws std::system_error, StoreError.
  void set_identity(Identity identity);
  /// What other hosts are to know.
  std::optional<cluster::HostEncryption> published() const;
  /// The key to come is the key from now on: all sessions are made anew. Throws as above.
  void use_next_key();

  // --- the link
  const std::string& link_name() const { return name_; }
  bool is_up() const { return identity_ && identity_->up; }
  /// Makes the link, or puts it right, with what keeps clear text off the wire before it. `mtu` is
  /// the underlay's. Throws std::system_error; std::runtime_error with the remedy when this host
  /// can't encrypt.
  void bring_up(std::uint32_t mtu, ipam::Family underlay, std::uint16_t tunnel_port);
  void bring_down();

  // --- the other hosts
  bool knows(const std::string& host) const { return hosts_.contains(host); }
  /// Those that this host shares encrypted networks with. Failures are in the log, and for audit().
  void assign(std::map<std::string, cluster::HostInfo> hosts);
  /// Looks at the link and its peers, and puts right what differs. Returns how much that was.
  std::size_t audit();
  /// A host that uses its next key is believed, though the store did not say so yet.
  void believe_keys_in_use();
  /// Seconds since a host proved its key last; nothing: never, or the link isn't up.
  std::map<std::string, std::int64_t> seconds_since_proof() const;

 private:
  sandbox::WireguardPeers wanted() const;
  void change(const sandbox::WireguardDifference& difference);
  void save();
  sandbox::WireguardLink link() const;
  void admit(std::uint32_t index);

  Store& store_;
  sandbox::Kernel& kernel_;
  std::string name_;  // of the link
  std::optional<Identity> identity_;
  std::uint32_t mtu_ = 0;                   // of the link
  std::uint16_t tunnel_port_ = 0;           // of VXLAN inside
  std::vector<sandbox::Element> admitted_;  // in the firewall
  std::map<std::string, cluster::HostInfo> hosts_;
  std::set<std::string> believed_;  // hosts whose next key is in use
  sandbox::WireguardPeers peers_;   // as the link was told
  bool peers_known_ = false;        // … by this run of netd
};

/// The port that VXLAN of encrypted networks uses inside the tunnels, next to the plain one: the
/// firewall can tell them apart, and the kernel does not take the one for the other.
constexpr std::uint16_t encrypted_port(std::uint16_t vxlan_port) {
  return vxlan_port == UINT16_MAX ? static_cast<std::uint16_t>(vxlan_port - 1)
                                  : static_cast<std::uint16_t>(vxlan_port + 1);
}

/// What the firewall has for encrypted networks when netd starts: nothing leaves in clear text
/// while it is not known yet what there is.
std::vector<sandbox::Element> encryption_elements(Store& store, sandbox::Kernel& kernel);
}  // namespace netd
