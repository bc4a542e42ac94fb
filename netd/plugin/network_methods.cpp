#include <fmt/format.h>

#include "drivers/options.h"
#include "netd/engine_driver.h"
#include "netd/log.h"
#include "netd/plugin/methods.h"
#include "netd/plugin/options.h"
#include "netd/remote_verbs.h"

namespace netd::plugin {
namespace {

using api::JsonObject;
using nlohmann::json;

constexpr std::size_t id_digits = 64;

/// The engine's ids become names of links and records.
std::string read_id(const JsonObject& body, std::string_view key) {
  std::string id = body.text(key);
  const bool is_hex = id.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (id.size() != id_digits || !is_hex)
    throw std::invalid_argument(
        fmt::format("{}: expected 64 hex digits, found \"{}\"", key, id.substr(0, 80)));
  return id;
}

/// One element of IPv4Data, IPv6Data.
EngineNetworkSpec::Pool read_pool(const JsonObject& data) {
  EngineNetworkSpec::Pool pool;
  pool.ours = data.text("AddressSpace") == address_space;
  const auto subnet = read_prefix(data, "Pool");
  if (!subnet)
    throw std::invalid_argument(data.path_of("Pool") + ": expected a subnet, found nothing");
  pool.pool.subnet = subnet->masked();
  pool.pool.gateway = read_address(data, "Gateway");
  const JsonObject auxiliary = data.object("AuxAddresses");
  for (const auto& [name, value] : auxiliary.json().items())
    if (const auto address = read_address(auxiliary, name))
      pool.pool.auxiliary.emplace(name, *address);
  return pool;
}

/// As GwAllocCheck and CreateNetwork say it.
EngineNetworkSpec read_network(const JsonObject& body) {
  EngineNetworkSpec spec;
  const JsonObject options = body.object("Options");
  spec.options = options.text_map(option_generic);
  spec.ipv4 = options.optional_flag(drivers::option_enable_ipv4).value_or(true);
  spec.ipv6 = options.flag(drivers::option_enable_ipv6);
  spec.internal = options.flag(option_internal);
  for (const char* key : {"IPv4Data", "IPv6Data"})
    for (const JsonObject& data : body.objects(key))
      spec.pools.push_back(read_pool(data));
  return spec;
}

/// Asks the engine for names, where it can be asked.
void ask_for_names(const Caller& caller, const std::string& network_id,
                   const std::string& endpoint_id) {
  const std::string api = caller.context.controller.engine().api_of(network_id);
  if (!api.empty() && caller.context.ask_names)
    caller.context.ask_names({api, network_id, endpoint_id});
}

Answer get_capabilities(const JsonObject&, const Caller&) {
  return json{{"Scope", "local"}, {"ConnectivityScope", "local"}, {"GwAllocChecker", true}};
}

Answer check_gateway_allocation(const JsonObject& body, const Caller& caller) {
  EngineNetworkSpec spec = read_network(body);
  // Not told yet; only the name of the network would be made of it.
  spec.id = std::string(id_digits, '0');
  EngineDriver engine = caller.context.controller.engine();
  return json{{"SkipIPv4", !engine.wants_gateway(spec, ipam::Family::v4)},
              {"SkipIPv6", !engine.wants_gateway(spec, ipam::Family::v6)}};
}

Answer create_network(const JsonObject& body, const Caller& caller) {
  EngineNetworkSpec spec = read_network(body);
  spec.id = read_id(body, "NetworkID");
  spec.process = caller.process();
  for (const std::string& warning : caller.context.controller.engine().create_network(spec))
    log::warn(warning, {{"network", log::short_id(spec.id)}});
  ask_for_names(caller, spec.id, "");
  return json::object();
}

Answer delete_network(const JsonObject& body, const Caller& caller) {
  const std::string id = read_id(body, "NetworkID");
  EngineDriver engine = caller.context.controller.engine();
  if (engine.is_bound(id))
    return Answer::later([id](RemoteVerbs& verbs) {
      verbs.engine_removes_network(id);
      return json::object();
    });
  engine.delete_network(id);
  return json::object();
}

Answer create_endpoint(const JsonObject& body, const Caller& caller) {
  const JsonObject interface = body.object("Interface");
  const JsonObject options = body.object("Options");
  EngineEndpointSpec spec{
      .network_id = read_id(body, "NetworkID"),
      .id = read_id(body, "EndpointID"),
      .ipv4 = read_prefix(interface, "Address"),
      .ipv6 = read_prefix(interface, "AddressIPv6"),
      .mac = read_mac(interface, options),
      .options = read_driver_options(options),
      .ports = read_port_map(options).value_or(std::vector<drivers::PortBinding>{}),
      .process = caller.process()};
  // Only what was not given may be answered: the rest counts as changed by the driver.
  const bool is_given = !interface.text("MacAddress").empty();
  const auto answer = [is_given](const EndpointRecord& record) {
    json chosen = json::object();
    if (!is_given && record.endpoint.mac != ipam::Mac{})
      chosen["Interface"] = {{"MacAddress", record.endpoint.mac.to_string()}};
    return chosen;
  };
  EngineDriver engine = caller.context.controller.engine();
  if (engine.is_bound(spec.network_id))
    return Answer::later(
        [spec, answer](RemoteVerbs& verbs) { return answer(verbs.engine_makes_endpoint(spec)); });
  return answer(engine.create_endpoint(spec));
}

Answer delete_endpoint(const JsonObject& body, const Caller& caller) {
  caller.context.controller.engine().delete_endpoint(read_id(body, "NetworkID"),
                                                     read_id(body, "EndpointID"));
  return json::object();
}

Answer endpoint_info(const JsonObject& body, const Caller& caller) {
  const EndpointRecord& record = caller.context.controller.engine().endpoint(
      read_id(body, "NetworkID"), read_id(body, "EndpointID"));
  json exposed = json::array(), mapped = json::array();
  for (const drivers::PortBinding& binding : record.engine->ports)
    exposed.push_back(
        {{"Proto", static_cast<int>(binding.protocol)}, {"Port", binding.container_port}});
  for (const drivers::Port& port : record.endpoint.ports)
    mapped.push_back({{"Proto", static_cast<int>(port.protocol)},
                      {"IP", record.endpoint.ipv4 ? record.endpoint.ipv4->address.to_string() : ""},
                      {"Port", port.container_port},
                      {"HostIP", port.host_address.to_string()},
                      {"HostPort", port.host_port},
                      {"HostPortEnd", port.host_port}});
  return json{{"Value",
               {{option_mac, record.endpoint.mac.to_string()},
                {option_exposed_ports, std::move(exposed)},
                {option_port_map, std::move(mapped)}}}};
}

json answer_of(const JoinedLink& link) {
  const auto text = [](const std::optional<ipam::Address>& address) {
    return address ? address->to_string() : "";
  };
  constexpr int by_next_hop = 0, on_link = 1;
  json routes = json::array();
  for (const drivers::StaticRoute& route : link.routes)
    if (route.type.empty())  // an engine knows no others
      routes.push_back({{"Destination", route.destination.to_string()},
                        {"RouteType", route.next_hop ? by_next_hop : on_link},
                        {"NextHop", text(route.next_hop)}});
  return {{"InterfaceName", {{"SrcName", link.name}, {"DstPrefix", link.prefix}}},
          {"Gateway", text(link.gateway4)},
          {"GatewayIPv6", text(link.gateway6)},
          {"StaticRoutes", std::move(routes)},
          {"DisableGatewayService", link.disable_gateway_service}};
}

Answer join(const JsonObject& body, const Caller& caller) {
  const EngineJoinSpec spec{.network_id = read_id(body, "NetworkID"),
                            .id = read_id(body, "EndpointID"),
                            .sandbox_key = body.text("SandboxKey"),
                            .ports = read_port_map(body.object("Options")),
                            .process = caller.process()};
  EngineDriver engine = caller.context.controller.engine();
  if (engine.is_bound(spec.network_id)) {
    ask_for_names(caller, spec.network_id, spec.id);
    return Answer::later(
        [spec](RemoteVerbs& verbs) { return answer_of(verbs.engine_joins(spec)); });
  }
  const JoinedLink link = engine.join(spec);
  ask_for_names(caller, spec.network_id, spec.id);
  return answer_of(link);
}

Answer leave(const JsonObject& body, const Caller& caller) {
  caller.context.controller.engine().leave(read_id(body, "NetworkID"), read_id(body, "EndpointID"));
  return json::object();
}

Answer program_external_connectivity(const JsonObject& body, const Caller& caller) {
  caller.context.controller.engine().program(read_id(body, "NetworkID"),
                                             read_id(body, "EndpointID"),
                                             read_port_map(body.object("Options")));
  return json::object();
}

Answer revoke_external_connectivity(const JsonObject& body, const Caller& caller) {
  caller.context.controller.engine().revoke(read_id(body, "NetworkID"),
                                            read_id(body, "EndpointID"));
  return json::object();
}

Answer ignore(const JsonObject&, const Caller&) {
  return json::object();
}

Answer refuse_allocation(const JsonObject&, const Caller&) {
  throw std::invalid_argument("netd's networks have the scope local: a swarm can't allocate them");
}

}  // namespace

std::vector<Method> network_methods() {
  return {{"NetworkDriver.GetCapabilities", "Err", get_capabilities},
          {"NetworkDriver.GwAllocCheck", "Err", check_gateway_allocation},
          {"NetworkDriver.AllocateNetwork", "Err", refuse_allocation},
          {"NetworkDriver.FreeNetwork", "Err", refuse_allocation},
          {"NetworkDriver.CreateNetwork", "Err", create_network},
          {"NetworkDriver.DeleteNetwork", "Err", delete_network},
          {"NetworkDriver.CreateEndpoint", "Err", create_endpoint},
          {"NetworkDriver.DeleteEndpoint", "Err", delete_endpoint},
          {"NetworkDriver.EndpointOperInfo", "Err", endpoint_info},
          {"NetworkDriver.Join", "Err", join},
          {"NetworkDriver.Leave", "Err", leave},
          {"NetworkDriver.ProgramExternalConnectivity", "Err", program_external_connectivity},
          {"NetworkDriver.RevokeExternalConnectivity", "Err", revoke_external_connectivity},
          {"NetworkDriver.DiscoverNew", "Err", ignore},
          {"NetworkDriver.DiscoverDelete", "Err", ignore}};
}

}  // namespace netd::plugin
