// What netd was told at its start: flags over the configuration file over defaults
// (shared design: interfaces.md).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/driver.h"
#include "ipam/address.h"
#include "ipam/allocator.h"
#include "netd/cluster_config.h"

namespace netd {

struct Config {
  std::string state_dir = "/var/lib/netd";
  std::string run_dir = "/run/netd";
  std::vector<std::string> hosts;  // API addresses; empty = unix://<run_dir>/netd.sock
  std::string plugin_dir;          // Docker's; empty = netd is no plugin
  // TCP hosts: TLS with clients' certificates (dockerd's keys), or plain on the user's own risk.
  bool tlsverify = false;
  std::string tlscacert;
  std::string tlscert;
  std::string tlskey;
  bool insecure_tcp = false;
  std::string log_level = "info";
  std::string log_format = "text";

  std::vector<ipam::AddressPool> default_address_pools;             // empty = Docker's
  std::map<std::string, drivers::Options> default_network_options;  // by driver

  // The default network `bridge` (libnetwork.md 1.3).
  std::string bridge;  // "" = docker0, "none" = no such network
  std::optional<ipam::Prefix> bip;
  std::optional<ipam::Prefix> bip6;
  std::optional<ipam::Prefix> fixed_cidr;
  std::optional<ipam::Prefix> fixed_cidr_v6;
  std::optional<ipam::Address> default_gateway;
  std::optional<ipam::Address> default_gateway_v6;
  bool bridge_ipv6 = false;
  int mtu = 0;  // 0 = 1500 for docker0
  bool icc = true;
  bool ip_masq = true;
  std::optional<ipam::Address> ip;  // default address for published ports

  // Plugins of others (docs/plugins.md).
  std::vector<std::string> plugin_search_dirs;  // empty = Docker's
  int plugin_timeout = 10;                      // seconds, of one call

  ClusterConfig cluster;

  bool ip_forward = true;
  bool userland_proxy = true;  // the in-process relay for localhost
  std::vector<ipam::Address> dns;
  std::vector<std::string> dns_search;
  std::vector<std::string> dns_options;
  std::string resolv_conf = "/etc/resolv.conf";  // the host's
};

/// Parses flags and the file they name; prints help and exits as CLI11 does. Throws
/// std::invalid_argument that names file, key and remedy. `check_only` is --check-config.
struct ParsedConfig {
  Config config;
  bool check_only = false;
  std::vector<std::string> warnings;
};
ParsedConfig parse_config(int argc, const char* const* argv);

inline constexpr std::string_view tcp_scheme = "tcp://";

/// "192.0.2.1" and 2376 of "tcp://192.0.2.1:2376", "::1" of "tcp://[::1]:2376".
struct TcpHost {
  std::string address;
  std::uint16_t port = 0;
};
/// Absent when `host` is no such thing; names are none.
std::optional<TcpHost> parse_tcp_host(std::string_view host);

/// Reads `json` text over `config`. Unknown keys: warnings come back. Throws std::invalid_argument.
std::vector<std::string> apply_config_text(std::string_view json, Config& config);

}  // namespace netd
