#include "netd/ctl/arguments.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ipam/address.h"
#include "netd/client/http.h"
#include "netd/ctl/context.h"

namespace netd::ctl {
namespace {

using nlohmann::json;

std::pair<std::string, std::string> split_pair(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return {std::string(text), ""};
  return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

ipam::Prefix parse_prefix(std::string_view flag, const std::string& text) {
  if (const auto prefix = ipam::Prefix::parse(text)) return *prefix;
  throw UsageError(fmt::format("{} {}: not a prefix like 10.5.0.0/24 or fd00:5::/64", flag, text));
}

ipam::Address parse_address(std::string_view flag, const std::string& text) {
  if (const auto address = ipam::Address::parse(text)) return *address;
  throw UsageError(fmt::format("{} {}: not an IP address", flag, text));
}

struct PairedPool {
  ipam::Prefix subnet;
  json config;
};

/// The subnet that holds `wanted`; a gateway or range elsewhere is a mistake worth a stop.
template <typename Wanted>
PairedPool& pool_of(std::vector<PairedPool>& pools, std::string_view flag, const Wanted& wanted) {
  for (PairedPool& pool : pools) {
    if (pool.subnet.contains(wanted)) return pool;
  }
  throw UsageError(fmt::format("{} {}: no --subnet holds it{}", flag, wanted.to_string(),
                               pools.empty() ? "; give one with --subnet" : ""));
}

void set_once(PairedPool& pool, const char* key, std::string_view flag, const std::string& value) {
  if (pool.config.contains(key)) {
    throw UsageError(fmt::format("{} given twice for subnet {}: {} and {}", flag,
                                 pool.subnet.to_string(), pool.config[key].get<std::string>(),
                                 value));
  }
  pool.config[key] = value;
}

std::vector<PairedPool> parse_subnets(const std::vector<std::string>& texts) {
  std::vector<PairedPool> pools;
  for (const std::string& text : texts) {
    const ipam::Prefix subnet = parse_prefix("--subnet", text);
    for (const PairedPool& other : pools) {
      if (!other.subnet.overlaps(subnet)) continue;
      throw UsageError(
          fmt::format("--subnet {} overlaps --subnet {}", text, other.subnet.to_string()));
    }
    pools.push_back({subnet, {{"Subnet", text}}});
  }
  return pools;
}

}  // namespace

json parse_filters(const std::vector<std::string>& words) {
  json result = json::object();
  for (const std::string& word : words) {
    const auto [key, value] = split_pair(word);
    if (key.empty() || word.find('=') == std::string::npos) {
      throw UsageError(fmt::format("--filter {}: expects KEY=VALUE, such as driver=bridge", word));
    }
    result[key][value] = true;
  }
  return result;
}

std::string filters_query(const std::vector<std::string>& words) {
  if (words.empty()) return "";
  return "?filters=" + client::encode(parse_filters(words).dump());
}

json pair_pools(const PoolWords& words) {
  std::vector<PairedPool> pools = parse_subnets(words.subnets);
  for (const std::string& text : words.ranges) {
    PairedPool& pool = pool_of(pools, "--ip-range", parse_prefix("--ip-range", text));
    set_once(pool, "IPRange", "--ip-range", text);
  }
  for (const std::string& text : words.gateways) {
    PairedPool& pool = pool_of(pools, "--gateway", parse_address("--gateway", text));
    set_once(pool, "Gateway", "--gateway", text);
  }
  for (const std::string& text : words.auxiliary) {
    const auto [name, value] = split_pair(text);
    if (name.empty() || value.empty()) {
      throw UsageError(fmt::format("--aux-address {}: expects NAME=IP", text));
    }
    PairedPool& pool = pool_of(pools, "--aux-address", parse_address("--aux-address", value));
    pool.config["AuxiliaryAddresses"][name] = value;
  }
  json config = json::array();
  for (const PairedPool& pool : pools)
    config.push_back(pool.config);
  return config;
}

}  // namespace netd::ctl
