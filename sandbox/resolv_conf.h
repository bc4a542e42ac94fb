// resolv.conf: reads the host's, makes a sandbox's (libnetwork.md 5.5; resolv.conf(5)).
// All functions but `read_host_resolv_conf` are pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ipam/address.h"

namespace sandbox {

/// What a resolv.conf says.
struct ResolvConf {
  std::vector<ipam::Address> nameservers;
  /// Servers that are no plain address: malformed, or with a zone ("fe80::1%eth0").
  std::vector<std::string> invalid_nameservers;
  std::vector<std::string> search;
  std::vector<std::string> options;  // "ndots:2", "edns0"
  std::vector<std::string> other;    // lines with other directives, as they are ("sortlist …")
  friend bool operator==(const ResolvConf&, const ResolvConf&) = default;
};

/// Never fails: what makes no sense is skipped. Looks at the first 64 KiB, keeps up to 64 of each.
/// `domain` counts as `search`, of which the last one counts; options add up.
ResolvConf parse_resolv_conf(std::string_view text);

/// The value of the last valid "ndots:<n>"; -1 when there is none.
int ndots_of(const std::vector<std::string>& options);

/// The host's resolv.conf and where it was read.
struct HostResolvConf {
  std::string path = "/etc/resolv.conf";
  ResolvConf content;
};

/// A file that can't be read is as an empty one.
HostResolvConf read_host_resolv_conf(const std::string& path);

/// The one for legacy networks: when the only server is systemd-resolved's stub 127.0.0.53, which
/// no container can reach, and resolved's own list (`uplinks`) is there, that list.
HostResolvConf read_reachable_resolv_conf(
    const std::string& path, const std::string& uplinks = "/run/systemd/resolve/resolv.conf");

/// `--dns`, `--dns-search`, `--dns-option`, or netd's configuration; empty = what the host says.
/// The search domain "." means: none. The functions below throw std::invalid_argument for words
/// with spaces, control or non-ASCII characters.
struct ResolverOverrides {
  std::vector<ipam::Address> nameservers;
  std::vector<std::string> search;
  std::vector<std::string> options;
};

/// For a sandbox on a user-defined network: the embedded DNS server, which asks the others. Adds
/// "ndots:0" unless it is set.
std::string internal_resolv_conf(const HostResolvConf& host, const ResolverOverrides& overrides);

/// For a sandbox on the default network `bridge`, or on none: the host's servers without loopback
/// ones (and without IPv6 ones unless `ipv6`); when none is left, Google's public ones.
std::string legacy_resolv_conf(const HostResolvConf& host, const ResolverOverrides& overrides,
                               bool ipv6);

/// For the network `host`: as the host's, with the overrides.
std::string host_resolv_conf(const HostResolvConf& host, const ResolverOverrides& overrides);

}  // namespace sandbox
