// From the words of a command line to the API's JSON. Pure; whatever makes no sense throws
// UsageError with a text that quotes it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace netd::ctl {

/// {"K":"V",…} of "K=V" words. `flag` names the option in errors. Without '=' the value is "".
nlohmann::json parse_key_values(std::string_view flag, const std::vector<std::string>& words);

/// {"key":{"value":true,…},…} of "key=value" words, as the Engine API takes filters.
nlohmann::json parse_filters(const std::vector<std::string>& words);

/// "?filters=…", encoded; empty when there are none.
std::string filters_query(const std::vector<std::string>& words);

/// One element of POST /sandboxes' "Networks" of
/// "NET[:ip=…,ip6=…,alias=…,mac=…,ifname=…,gw-priority=…,opt=K=V]". The name ends at the first ':'
/// that a "key=" follows, so that IPv6 addresses need no quoting. A comma in an option's value is
/// kept when what follows it has a dot in its key (lists of sysctls).
nlohmann::json parse_attachment(std::string_view text);

/// {"80/tcp":[{"HostIp":"","HostPort":"8080"}]} of --publish specifications.
nlohmann::json parse_ports(const std::vector<std::string>& specifications);

/// What `network create` says about addresses.
struct PoolWords {
  std::vector<std::string> subnets;
  std::vector<std::string> ranges;
  std::vector<std::string> gateways;
  std::vector<std::string> auxiliary;  // NAME=IP
};

/// IPAM.Config: each range, gateway and auxiliary address goes with the subnet that holds it, as
/// the docker client sorts them.
nlohmann::json pair_pools(const PoolWords& words);

/// What `network connect` says about the attachment.
struct EndpointWords {
  std::string ipv4;
  std::string ipv6;
  std::vector<std::string> link_local;
  std::vector<std::string> aliases;
  std::vector<std::string> links;
  std::vector<std::string> options;  // K=V
  std::string mac;
  int gateway_priority = 0;
};

/// EndpointSettings with what is set, and nothing else.
nlohmann::json endpoint_settings(const EndpointWords& words);

}  // namespace netd::ctl
