// What a CNI plugin reads on stdin (CNI spec 1.1, "Network configuration format"; the well-known
// capabilities: CONVENTIONS.md).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime-hooks/cni/call.h"

namespace runtime_hooks::cni {

/// Of the result, the configuration and this plugin: "0.1.0" … "1.1.0", in this order.
extern const std::vector<std::string> supported_versions;
inline constexpr const char* newest_version = "1.1.0";

/// How versions compare: by their place in `supported_versions`.
bool is_at_least(const std::string& version, const std::string& least);
/// Of container ids and network names: a letter or digit, then letters, digits, '_', '.', '-'.
bool is_identifier(std::string_view text);

struct Dns {
  std::vector<std::string> servers;
  std::vector<std::string> search;
  std::vector<std::string> options;
};

struct Conf {
  std::string version;  // "cniVersion"; absent = 0.1.0
  std::string name;     // of CNI's network
  std::string network;  // of netd's: "network", else the name
  std::string host;     // where netd listens; empty = not told
  /// POST /networks/create, of driver, ipam, options, …; without the name.
  nlohmann::json make_network;
  Dns dns;                             // runtimeConfig's before the configuration's
  std::vector<std::string> addresses;  // runtimeConfig.ips, args.cni.ips; without lengths
  std::string mac;
  std::vector<std::string> aliases;
  nlohmann::json ports;                           // PortBindings
  std::vector<std::string> range_subnets;         // runtimeConfig.ipRanges
  std::optional<nlohmann::json> previous_result;  // as it came
  /// Of GC: container and interface; absent = not said.
  std::optional<std::vector<std::pair<std::string, std::string>>> valid_attachments;
};

/// What goes needs its name only: of DEL and GC the rest is not looked at, right or wrong.
/// Throws ReadError or Error(decoding_failure) for what is no such JSON,
/// Error(invalid_configuration) for what makes no sense, Error(unsupported_field) for what netd has
/// no way to do.
Conf read_conf(std::string_view text, Command command);

/// Just the version that an answer has to be in; the newest when it can't be told.
std::string version_of(std::string_view text);

}  // namespace runtime_hooks::cni
