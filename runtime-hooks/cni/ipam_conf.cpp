#include "runtime-hooks/cni/ipam_conf.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime-hooks/cni/error.h"

namespace runtime_hooks::cni {
namespace {

using nlohmann::json;

void refuse(const Reader& object, const char* key, const char* remedy) {
  if (object.contains(key))
    throw Error(Code::unsupported_field, "unsupported field " + object.path_of(key), remedy);
}

json pool_of(const Reader& range) {
  constexpr const char* remedy = "write a part of the subnet as \"ipRange\": \"10.5.0.128/25\"";
  refuse(range, "rangeStart", remedy);
  refuse(range, "rangeEnd", remedy);
  json pool{{"Subnet", range.text("subnet")}};
  if (pool["Subnet"] == "")
    throw Error(Code::invalid_configuration, range.path_of("subnet") + " is missing");
  if (const std::string gateway = range.text("gateway"); !gateway.empty())
    pool["Gateway"] = gateway;
  if (const std::string part = range.text("ipRange"); !part.empty()) pool["IPRange"] = part;
  if (json names = range.text_map("auxiliaryAddresses"); !names.empty())
    pool["AuxiliaryAddresses"] = std::move(names);
  return pool;
}

/// netd has one pool of a subnet: the first of a set of alternatives.
void add_ranges(const Reader& object, const char* key, json& pools) {
  for (const auto& alternatives : object.object_lists(key))
    for (const Reader& range : alternatives)
      pools.push_back(pool_of(range));
}

json pools_of(const Reader& conf, const Reader& ipam) {
  json pools = json::array();
  add_ranges(conf.object("runtimeConfig"), "ipRanges", pools);
  if (!pools.empty()) return pools;
  for (const Reader& one : ipam.objects("config"))
    pools.push_back(pool_of(one));
  add_ranges(ipam, "ranges", pools);
  if (ipam.contains("subnet")) pools.push_back(pool_of(ipam));
  return pools;
}

/// CNI names a program, netd a driver; host-local is what netd's own does.
std::string ipam_driver(const Reader& ipam) {
  const std::string driver = ipam.text("driver"), type = ipam.text("type");
  if (!driver.empty()) return driver;
  return type == "host-local" || type == "netd" ? "" : type;
}

/// netd gives the default route itself. A CNI route without a gateway leads to the subnet's, which
/// netd may be yet to choose.
std::string routes_of(const Reader& ipam) {
  std::vector<std::string> routes;
  for (const Reader& route : ipam.objects("routes")) {
    const std::string destination = route.text("dst"), gateway = route.text("gw");
    const bool is_default = destination == "0.0.0.0/0" || destination == "::/0";
    if (is_default && gateway.empty()) continue;
    if (is_default || gateway.empty() || destination.empty())
      throw Error(Code::unsupported_field, "unsupported field " + route.path_of("dst"),
                  is_default ? "the default route leads to the subnet's \"gateway\""
                             : "a route needs \"dst\" and \"gw\"");
    routes.push_back(fmt::format("{} via {}", destination, gateway));
  }
  return fmt::format("{}", fmt::join(routes, ","));
}

}  // namespace

std::vector<std::string> subnets_of(const Reader& runtime) {
  std::vector<std::string> subnets;
  for (const auto& alternatives : runtime.object_lists("ipRanges"))
    for (const Reader& range : alternatives)
      subnets.push_back(pool_of(range).at("Subnet").get<std::string>());
  return subnets;
}

json network_of(const Reader& conf) {
  const Reader ipam = conf.object("ipam");
  json pools = pools_of(conf, ipam);
  const bool has_v6 = std::ranges::any_of(pools, [](const json& pool) {
    return pool["Subnet"].get<std::string>().find(':') != std::string::npos;
  });
  json network{{"Driver", conf.text("driver")},
               {"Options", conf.text_map("options")},
               {"Labels", {{"io.netd.cni", conf.text("name")}}},
               {"Internal", conf.flag("internal", false)}};
  if (conf.flag("ipv6", has_v6)) network["EnableIPv6"] = true;
  if (std::string routes = routes_of(ipam); !routes.empty())
    network["Options"]["io.netd.routes"] = std::move(routes);
  json netd_ipam{{"Config", std::move(pools)}};
  if (const std::string driver = ipam_driver(ipam); !driver.empty()) netd_ipam["Driver"] = driver;
  if (json options = ipam.text_map("options"); !options.empty())
    netd_ipam["Options"] = std::move(options);
  network["IPAM"] = std::move(netd_ipam);
  return network;
}

}  // namespace runtime_hooks::cni
