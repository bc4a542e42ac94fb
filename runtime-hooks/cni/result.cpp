#include "runtime-hooks/cni/result.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime-hooks/cni/error.h"
#include "runtime-hooks/reader.h"

namespace runtime_hooks::cni {
namespace {

using nlohmann::json;

bool is_v6(const std::string& address) {
  return address.find(':') != std::string::npos;
}

json dns_json(const Dns& dns) {
  json result = json::object();
  if (!dns.servers.empty()) result["nameservers"] = dns.servers;
  if (!dns.search.empty()) result["search"] = dns.search;
  if (!dns.options.empty()) result["options"] = dns.options;
  return result;
}

json route_json(const ResultRoute& route, bool with_priority) {
  json result{{"dst", route.destination}};
  if (!route.gateway.empty()) result["gw"] = route.gateway;
  if (with_priority && route.priority != 0) result["priority"] = route.priority;
  return result;
}

/// Before 0.3.0: one address a family, and no interfaces.
json old_result(const Result& result) {
  json old = json::object();
  for (const ResultAddress& address : result.addresses) {
    json family{{"ip", address.address}};
    if (!address.gateway.empty()) family["gateway"] = address.gateway;
    for (const ResultRoute& route : result.routes)
      if (is_v6(route.destination) == is_v6(address.address))
        family["routes"].push_back(route_json(route, false));
    old[is_v6(address.address) ? "ip6" : "ip4"] = std::move(family);
  }
  return old;
}

void add_interfaces(const Result& result, const std::string& version, json& interfaces) {
  for (const ResultInterface& interface : result.interfaces) {
    json one{{"name", interface.name}, {"mac", interface.mac}};
    if (!interface.sandbox.empty()) one["sandbox"] = interface.sandbox;
    if (is_at_least(version, "1.1.0") && interface.mtu != 0) one["mtu"] = interface.mtu;
    interfaces.push_back(std::move(one));
  }
}

void add_addresses(const Result& result, const std::string& version, std::size_t interface,
                   json& addresses) {
  for (const ResultAddress& address : result.addresses) {
    json one{{"address", address.address}, {"interface", interface}};
    if (!address.gateway.empty()) one["gateway"] = address.gateway;
    if (!is_at_least(version, "1.0.0")) one["version"] = is_v6(address.address) ? "6" : "4";
    addresses.push_back(std::move(one));
  }
}

json list_in(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : json::array();
}

/// Ours follow those of the plugins before us, field by field.
json merged_dns(const json& before, const Dns& ours) {
  json dns = before.is_object() ? before : json::object();
  const json own = dns_json(ours);
  for (const auto& [field, values] : own.items()) {
    json all = list_in(dns, field.c_str());
    for (const json& value : values)
      if (std::ranges::find(all, value) == all.end()) all.push_back(value);
    dns[field] = std::move(all);
  }
  return dns;
}

}  // namespace

json result_json(const Result& result, const std::string& version,
                 const std::optional<json>& previous) {
  json whole = previous.value_or(json::object());
  whole["cniVersion"] = version;
  whole["dns"] = merged_dns(whole["dns"], result.dns);
  if (!is_at_least(version, "0.3.0")) {
    whole.update(old_result(result));
    return whole;
  }
  json interfaces = list_in(whole, "interfaces"), addresses = list_in(whole, "ips");
  json routes = list_in(whole, "routes");
  add_interfaces(result, version, interfaces);
  if (!interfaces.empty()) add_addresses(result, version, interfaces.size() - 1, addresses);
  for (const ResultRoute& route : result.routes)
    routes.push_back(route_json(route, is_at_least(version, "1.1.0")));
  whole["interfaces"] = std::move(interfaces);
  whole["ips"] = std::move(addresses);
  whole["routes"] = std::move(routes);
  return whole;
}

Result expected_of(const json& previous, const std::string& interface, const std::string& netns) {
  const Reader reader(previous, "prevResult");
  Result result;
  std::int64_t index = -1, number = 0;
  for (const Reader& one : reader.objects("interfaces")) {
    const ResultInterface described{
        .name = one.text("name"), .mac = one.text("mac"), .sandbox = one.text("sandbox")};
    if (described.name == interface && described.sandbox == netns) {
      index = number;
      result.interfaces.push_back(described);
    }
    ++number;
  }
  if (index < 0)
    throw Error(Code::invalid_configuration,
                fmt::format("prevResult has no interface {} in {}", interface, netns));
  for (const Reader& one : reader.objects("ips"))
    if (one.contains("interface") && one.number("interface") == index)
      result.addresses.push_back({.address = one.text("address"), .gateway = one.text("gateway")});
  for (const Reader& one : reader.objects("routes"))
    if (const std::int64_t table = one.number("table"); table == 0 || table == RT_TABLE_MAIN)
      result.routes.push_back({.destination = one.text("dst"), .gateway = one.text("gw")});
  return result;
}

}  // namespace runtime_hooks::cni
