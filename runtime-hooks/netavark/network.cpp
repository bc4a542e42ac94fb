#include "runtime-hooks/netavark/network.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "runtime-hooks/reader.h"

namespace runtime_hooks::netavark {
namespace {

using nlohmann::json;

const std::map<std::string, std::string> option_names{
    {"mtu", "com.docker.network.driver.mtu"},
    {"metric", "io.netd.metric"},
    {"no_default_route", "io.netd.no_default_route"},
    {"vrf", "io.netd.vrf"},
    {"vlan", "io.netd.vlan"},
    {"outbound_addr4", "com.docker.network.host_ipv4"},
    {"outbound_addr6", "com.docker.network.host_ipv6"}};

/// A plugin's networks are of the driver `netd` for podman: the option says which one of netd's.
std::string driver_of(const Reader& network, const json& options) {
  const std::string driver = network.text("driver");
  if (driver == "netd") return options.value("driver", "bridge");
  return driver.empty() ? "bridge" : driver;
}

void set_mode(const std::string& driver, const std::string& mode, json& options) {
  if (driver != "bridge")
    options[driver + "_mode"] = mode;
  else if (mode == "unmanaged")
    options["io.netd.unmanaged"] = "true";
  else if (mode != "managed")
    throw std::runtime_error(fmt::format("invalid bridge mode \"{}\"", mode));
}

json options_of(const Reader& network, const std::string& driver, const json& given) {
  json options = json::object();
  for (const auto& [key, value] : given.items()) {
    const auto known = option_names.find(key);
    if (known != option_names.end())
      options[known->second] = value;
    else if (key == "mode")
      set_mode(driver, value.get<std::string>(), options);
    else if (key != "driver" && key != "isolate")  // netd's networks are isolated from each other
      options[key] = value;
  }
  if (const std::string interface = network.text("network_interface"); !interface.empty()) {
    if (driver == "bridge") options["com.docker.network.bridge.name"] = interface;
    if (driver == "macvlan" || driver == "ipvlan") options["parent"] = interface;
  }
  return options;
}

std::string route_of(const Reader& route) {
  const std::string destination = route.text("destination"), gateway = route.text("gateway");
  const std::string type = route.text("route_type");
  std::string text = type.empty() || type == "unicast" ? "" : type + " ";
  text += destination;
  if (!gateway.empty()) text += " via " + gateway;
  if (const std::int64_t metric = route.number("metric"); metric > 0)
    text += fmt::format(" metric {}", metric);
  return text;
}

json ipam_of(const Reader& network) {
  const json options = network.text_map("ipam_options");
  const std::string driver = options.value("driver", "host-local");
  if (driver == "dhcp") return {{"Driver", "dhcp"}};
  if (driver != "host-local")
    throw std::runtime_error(fmt::format("unsupported ipam driver {}", driver));
  json pools = json::array();
  for (const Reader& subnet : network.objects("subnets")) {
    json pool{{"Subnet", subnet.text("subnet")}};
    if (const std::string gateway = subnet.text("gateway"); !gateway.empty())
      pool["Gateway"] = gateway;
    pools.push_back(std::move(pool));
  }
  return {{"Config", std::move(pools)}};
}

}  // namespace

std::string network_name(const std::string& name) {
  static const std::set<std::string> of_netd{"bridge", "host", "none"};
  return of_netd.contains(name) ? "podman-" + name : name;
}

bool is_network_option(const std::string& key) {
  static const std::set<std::string> others{"mode",         "isolate",     "parent",
                                            "macvlan_mode", "ipvlan_mode", "ipvlan_flag"};
  return option_names.contains(key) || others.contains(key);
}

json network_request(const json& network) {
  const Reader reader(network, "network");
  const json given = reader.text_map("options");
  const std::string driver = driver_of(reader, given);
  json options = options_of(reader, driver, given);
  std::string routes;
  for (const Reader& route : reader.objects("routes"))
    routes += (routes.empty() ? "" : ",") + route_of(route);
  if (!routes.empty()) options["io.netd.routes"] = routes;
  json labels = reader.text_map("labels");
  labels[label] = reader.text("id");
  json request{{"Driver", driver},
               {"Options", std::move(options)},
               {"Labels", std::move(labels)},
               {"Internal", reader.flag("internal", false)},
               {"IPAM", ipam_of(reader)}};
  if (reader.flag("ipv6_enabled", false)) request["EnableIPv6"] = true;
  return request;
}

json endpoint_options(const json& options) {
  json result = json::object();
  for (const auto& [key, value] : options.items())
    result[key == "host_interface_name" ? "io.netd.host_interface_name" : key] = value;
  return result;
}

}  // namespace runtime_hooks::netavark
