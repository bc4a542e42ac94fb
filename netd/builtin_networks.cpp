// The networks that are there from the first start: host, none, and bridge (docker0) as the
// configuration wants it (libnetwork.md 1.3).
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "drivers/options.h"
#include "netd/controller_state.h"
#include "netd/value_json.h"

namespace netd {
namespace {

constexpr const char* default_bridge_device = "docker0";
constexpr int default_mtu = 1500;

void make(Controller::State& state, const NetworkSpec& spec) {
  NetworkRecord record{.created_nano = now_nano(), .predefined = true};
  record.network.id = state.make_id();
  record.network.name = spec.name;
  record.network.driver = spec.driver;
  record.network.options = spec.options;
  record.network.ipv4 = spec.ipv4.value_or(true);
  record.network.ipv6 = spec.ipv6.value_or(false);
  state.make_network(spec, record);
}

/// The addresses that a bridge the administrator made already has decide its subnet.
std::optional<ipam::Prefix> address_of(const std::optional<sandbox::LinkFacts>& device,
                                       ipam::Family family) {
  if (device && !device->alias.starts_with("netd:"))
    for (const ipam::Prefix& address : device->addresses)
      if (address.family() == family && !address.address.is_link_local()) return address;
  return std::nullopt;
}

PoolRequest pool_of(const std::optional<ipam::Prefix>& own,
                    const std::optional<ipam::Prefix>& fixed,
                    const std::optional<ipam::Address>& gateway) {
  PoolRequest pool;
  if (own) {
    pool.subnet = own->masked();
    pool.gateway = own->address;
    if (fixed) pool.range = fixed->masked();
  } else if (fixed) {
    pool.subnet = fixed->masked();
  }
  if (gateway)
    pool.auxiliary[gateway->is_v4() ? "DefaultGatewayIPv4" : "DefaultGatewayIPv6"] = *gateway;
  return pool;
}

NetworkSpec default_bridge(const Config& config, const std::optional<sandbox::LinkFacts>& device) {
  const auto text = [](bool value) { return std::string(value ? "true" : "false"); };
  NetworkSpec spec{.name = "bridge", .driver = "bridge", .ipv6 = config.bridge_ipv6};
  const auto set = [&](std::string_view key, std::string value) {
    spec.options[std::string(key)] = std::move(value);
  };
  set(drivers::option_default_bridge, "true");
  set(drivers::option_icc, text(config.icc));
  set(drivers::option_masquerade, text(config.ip_masq));
  set(drivers::option_host_binding_ipv4, config.ip ? config.ip->to_string() : "0.0.0.0");
  set(drivers::option_bridge_name, config.bridge.empty() ? default_bridge_device : config.bridge);
  set(drivers::option_mtu, std::to_string(config.mtu > 0 ? config.mtu : default_mtu));
  const auto own4 = config.bip ? config.bip : address_of(device, ipam::Family::v4);
  const auto own6 = config.bip6 ? config.bip6 : address_of(device, ipam::Family::v6);
  if (own4 || config.fixed_cidr || config.default_gateway)
    spec.pools.push_back(pool_of(own4, config.fixed_cidr, config.default_gateway));
  if (config.bridge_ipv6 && (own6 || config.fixed_cidr_v6 || config.default_gateway_v6))
    spec.pools.push_back(pool_of(own6, config.fixed_cidr_v6, config.default_gateway_v6));
  return spec;
}

/// What the configuration says of the default bridge, to see at the next start whether it changed.
std::string fingerprint(const NetworkSpec& spec) {
  nlohmann::json pools = nlohmann::json::array();
  for (const PoolRequest& pool : spec.pools)
    pools.push_back({pool.subnet, pool.gateway, pool.range, pool.auxiliary});
  return nlohmann::json{{"options", spec.options}, {"pools", pools}, {"ipv6", spec.ipv6}}.dump();
}

void settle_default_bridge(Controller::State& state) {
  constexpr const char* key = "host/default-bridge";
  const NetworkRecord* old = state.records.find_network("bridge").record;
  if (state.config.bridge == "none") {
    if (old && state.records.endpoints_of_network(old->network.id).empty())
      state.remove_network(*old);
    return;
  }
  const bool named = !state.config.bridge.empty() && state.config.bridge != default_bridge_device;
  const auto device = state.kernel.find_link(
      "", state.config.bridge.empty() ? default_bridge_device : state.config.bridge);
  if (named && !device && !old)
    throw drivers::Refused(fmt::format(
        "bridge device with non default name {} must be created manually", state.config.bridge));
  const NetworkSpec wanted = default_bridge(state.config, old ? std::nullopt : device);
  const std::string now = fingerprint(wanted);
  const auto before = state.store.get(key);
  if (old && (!before || before->value == now)) return;
  if (old && !state.records.endpoints_of_network(old->network.id).empty())
    throw Error(ErrorKind::conflict,
                "the configuration of network bridge changed, but sandboxes are on it: it stays as "
                "it was until they are gone and netd starts again");
  if (old) state.remove_network(*old);
  make(state, default_bridge(state.config, device));
  // An adopted device's addresses are part of the text; what later starts see is netd's record.
  const NetworkSpec later = default_bridge(state.config, std::nullopt);
  state.store.txn({}, {{key, fingerprint(later)}}, Durability::power);
}

}  // namespace

void Controller::State::make_builtin_networks(std::vector<std::string>& problems) {
  for (const auto& [name, driver] : {std::pair{"host", "host"}, {"none", "null"}})
    if (records.find_network(name).by_name == 0) make(*this, {.name = name, .driver = driver});
  try {
    settle_default_bridge(*this);
  } catch (const std::exception& error) {
    problems.push_back(fmt::format("network bridge: {}", error.what()));
  }
}

}  // namespace netd
