// From the words of a command line to the API's JSON. Pure; whatever makes no sense throws
// UsageError with a text that quotes it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "netd/words/attachment.h"
#include "netd/words/ports.h"

namespace netd::ctl {

using words::endpoint_settings;
using words::EndpointWords;
using words::parse_attachment;
using words::parse_key_values;
using words::parse_ports;

/// {"key":{"value":true,…},…} of "key=value" words, as the Engine API takes filters.
nlohmann::json parse_filters(const std::vector<std::string>& words);

/// "?filters=…", encoded; empty when there are none.
std::string filters_query(const std::vector<std::string>& words);

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

}  // namespace netd::ctl
