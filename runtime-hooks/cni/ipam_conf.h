// The netd network that a CNI configuration describes: driver, ipam, options. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "runtime-hooks/reader.h"

namespace runtime_hooks::cni {

/// POST /networks/create without the name. `ipam` is netd's own
///   {"driver","options",{…},"config":[{"subnet","gateway","ipRange","auxiliaryAddresses":{…}}]}
/// or as host-local has it
///   {"type","subnet","gateway","ranges":[[{"subnet","gateway"}]],"routes":[{"dst","gw"}]}
/// runtimeConfig.ipRanges goes before both. Throws Error(unsupported_field) for `rangeStart` and
/// `rangeEnd`, which netd has another way for.
nlohmann::json network_of(const Reader& conf);

/// Of runtimeConfig.ipRanges.
std::vector<std::string> subnets_of(const Reader& runtime);

}  // namespace runtime_hooks::cni
