// What users type about a sandbox on a network, as the API's JSON: netctl's options and the
// annotations of containers. Pure; whatever makes no sense throws UsageError with a text that
// quotes it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace netd::words {

/// {"K":"V",…} of "K=V" words. `flag` names the option in errors. Without '=' the value is "".
nlohmann::json parse_key_values(std::string_view flag, const std::vector<std::string>& words);

/// One element of POST /sandboxes' "Networks" of
/// "NET[:ip=…,ip6=…,alias=…,mac=…,ifname=…,gw-priority=…,opt=K=V]". The name ends at the first ':'
/// that a "key=" follows, so that IPv6 addresses need no quoting. A comma in an option's value is
/// kept when what follows it has a dot in its key (lists of sysctls).
/// `flag` names the option in errors.
nlohmann::json parse_attachment(std::string_view text, std::string_view flag = "--network");

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

}  // namespace netd::words
