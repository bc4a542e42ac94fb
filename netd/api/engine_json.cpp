#include "netd/api/engine_json.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <utility>

#include "netd/api/times.h"
#include "netd/error.h"

namespace netd::api {
namespace {

using nlohmann::json;

/// An empty text is an absent value, as Go's omitempty has it.
template <class T>
std::optional<T> read_value(const JsonObject& object, std::string_view key,
                            std::string_view expected) {
  const std::string text = object.text(key);
  if (text.empty()) return std::nullopt;
  const auto value = T::parse(text);
  if (!value)
    throw std::invalid_argument(fmt::format("invalid JSON: {}: expected {}, found \"{}\"",
                                            object.path_of(key), expected, text));
  return value;
}

PoolRequest read_pool(const JsonObject& config) {
  PoolRequest pool;
  pool.subnet = read_value<ipam::Prefix>(config, "Subnet", "a subnet such as 10.5.0.0/16");
  pool.range = read_value<ipam::Prefix>(config, "IPRange", "a range such as 10.5.1.0/24");
  pool.gateway = read_value<ipam::Address>(config, "Gateway", "an IP address");
  const JsonObject auxiliary = config.object("AuxiliaryAddresses");
  for (const auto& [name, value] : auxiliary.json().items())
    if (const auto address = read_value<ipam::Address>(auxiliary, name, "an IP address"))
      pool.auxiliary.emplace(name, *address);
  return pool;
}

/// What is wrong with an endpoint's settings, collected.
class EndpointReader {
 public:
  std::optional<ipam::Address> address(const std::string& text, ipam::Family family) {
    if (text.empty()) return std::nullopt;
    const auto address = ipam::Address::parse(text);
    if (address && address->family() == family && !address->is_any()) return address;
    problems_.push_back(
        fmt::format("invalid {} address: {}", family == ipam::Family::v4 ? "IPv4" : "IPv6", text));
    return std::nullopt;
  }

  std::vector<ipam::Address> link_local(const std::vector<std::string>& texts) {
    std::vector<ipam::Address> addresses;
    for (const std::string& text : texts) {
      const auto address = ipam::Address::parse(text);
      if (address && address->is_link_local())
        addresses.push_back(*address);
      else
        problems_.push_back("invalid link-local IP address: " + text);
    }
    return addresses;
  }

  std::optional<ipam::Mac> mac(const std::string& text) {
    if (text.empty()) return std::nullopt;
    const auto mac = ipam::Mac::parse(text);
    if (mac && !mac->is_multicast()) return mac;
    problems_.push_back(
        fmt::format("invalid MAC address: {}{}", text, mac ? " (it is a multicast address)" : ""));
    return std::nullopt;
  }

  void finish() const {
    if (problems_.empty()) return;
    std::string text = "invalid endpoint settings:";
    for (const std::string& problem : problems_)
      text += "\n" + problem;
    throw Error(ErrorKind::invalid, text);
  }

 private:
  std::vector<std::string> problems_;
};

std::invalid_argument bad_port(const std::string& path, const std::string& text,
                               std::string_view why) {
  return std::invalid_argument(fmt::format("invalid port {} in {}: {}", text, path, why));
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), port);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return port;
}

/// "80/tcp", "80": the container's side.
drivers::PortBinding read_container_port(const std::string& key, const std::string& path) {
  const std::size_t slash = key.find('/');
  const auto port = parse_port(std::string_view(key).substr(0, slash));
  if (!port || *port == 0)
    throw bad_port(path, '"' + key + '"', "expected PORT/PROTOCOL such as 80/tcp");
  const auto protocol =
      drivers::parse_protocol(slash == std::string::npos ? "tcp" : key.substr(slash + 1));
  if (!protocol) throw bad_port(path, '"' + key + '"', "the protocol is tcp, udp or sctp");
  drivers::PortBinding binding;
  binding.container_port = *port;
  binding.protocol = *protocol;
  return binding;
}

void read_host_port(const std::string& text, const std::string& path,
                    drivers::PortBinding& binding) {
  if (text.empty()) return;
  const std::size_t dash = text.find('-');
  const auto first = parse_port(std::string_view(text).substr(0, dash));
  const auto last =
      dash == std::string::npos ? first : parse_port(std::string_view(text).substr(dash + 1));
  if (!first || !last)
    throw bad_port(path, '"' + text + '"', "expected \"\", \"8080\" or \"8000-8010\"");
  if (*last < *first || (*first == 0 && *last != 0))
    throw std::invalid_argument(fmt::format("invalid port range: {} in {}", text, path));
  binding.host_port_first = *first;
  binding.host_port_last = *last;
}

std::string host_port_text(const drivers::PortBinding& binding) {
  if (binding.host_port_first == 0) return "";
  if (binding.host_port_first == binding.host_port_last)
    return std::to_string(binding.host_port_first);
  return fmt::format("{}-{}", binding.host_port_first, binding.host_port_last);
}

/// Of a binding, or of a port that is published.
template <class Port>
std::string container_port_text(const Port& port) {
  return fmt::format("{}/{}", port.container_port, sandbox::to_text(port.protocol));
}

json null_if_empty(const std::vector<std::string>& texts) {
  return texts.empty() ? json(nullptr) : json(texts);
}

json pool_json(const drivers::Pool& pool) {
  json config{{"Subnet", pool.subnet.to_string()}};
  if (pool.range) config["IPRange"] = pool.range->to_string();
  if (pool.gateway) config["Gateway"] = pool.gateway->to_string();
  for (const auto& [name, address] : pool.auxiliary)
    config["AuxiliaryAddresses"][name] = address.to_string();
  return config;
}

std::uint64_t saturated(ipam::Offset count) {
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  return count > most ? most : static_cast<std::uint64_t>(count);
}

std::string text_or_empty(const std::optional<ipam::Prefix>& prefix) {
  return prefix ? prefix->to_string() : "";
}

std::string address_or_empty(const std::optional<ipam::Prefix>& prefix) {
  return prefix ? prefix->address.to_string() : "";
}

/// The gateway of the subnet the address is from; "" on internal networks.
std::string gateway_of(const drivers::Network& network,
                       const std::optional<ipam::Prefix>& address) {
  if (!address || network.internal) return "";
  for (const drivers::Pool& pool : network.pools)
    if (pool.subnet.contains(address->address))
      return pool.gateway ? pool.gateway->to_string() : "";
  return "";
}

/// A plugin's gateway is its endpoint's own.
std::string gateway_of(const drivers::Network& network, const drivers::Endpoint& endpoint,
                       ipam::Family family) {
  const bool v4 = family == ipam::Family::v4;
  if (!endpoint.joined) return gateway_of(network, v4 ? endpoint.ipv4 : endpoint.ipv6);
  const auto& gateway = v4 ? endpoint.joined->gateway4 : endpoint.joined->gateway6;
  return gateway && !network.internal ? gateway->to_string() : "";
}

std::string mac_or_empty(const ipam::Mac& mac) {
  return mac == ipam::Mac{} ? "" : mac.to_string();
}

json ipam_config_json(const EndpointSpec& spec) {
  json config = json::object();
  if (spec.ipv4) config["IPv4Address"] = spec.ipv4->to_string();
  if (spec.ipv6) config["IPv6Address"] = spec.ipv6->to_string();
  for (const ipam::Address& address : spec.link_local)
    config["LinkLocalIPs"].push_back(address.to_string());
  return config.empty() ? json(nullptr) : config;
}

}  // namespace

NetworkSpec read_network_spec(const JsonObject& body) {
  NetworkSpec spec;
  spec.name = body.text("Name");
  spec.driver = body.text("Driver");
  spec.scope = body.text("Scope");
  spec.ipv4 = body.optional_flag("EnableIPv4");
  spec.ipv6 = body.optional_flag("EnableIPv6");
  spec.internal = body.flag("Internal");
  spec.attachable = body.flag("Attachable");
  spec.ingress = body.flag("Ingress");
  spec.config_only = body.flag("ConfigOnly");
  spec.config_from = body.object("ConfigFrom").text("Network");
  const JsonObject ipam = body.object("IPAM");
  spec.ipam_driver = ipam.text("Driver");
  spec.ipam_options = ipam.text_map("Options");
  for (const JsonObject& config : ipam.objects("Config"))
    spec.pools.push_back(read_pool(config));
  spec.options = body.text_map("Options");
  spec.labels = body.text_map("Labels");
  return spec;
}

EndpointSpec read_endpoint_spec(const JsonObject& settings) {
  EndpointReader reader;
  EndpointSpec spec;
  const JsonObject config = settings.object("IPAMConfig");
  spec.ipv4 = reader.address(config.text("IPv4Address"), ipam::Family::v4);
  spec.ipv6 = reader.address(config.text("IPv6Address"), ipam::Family::v6);
  spec.link_local = reader.link_local(config.texts("LinkLocalIPs"));
  spec.aliases = settings.texts("Aliases");
  spec.links = settings.texts("Links");
  spec.mac = reader.mac(settings.text("MacAddress"));
  spec.options = settings.text_map("DriverOpts");
  spec.gateway_priority = settings.number("GwPriority").value_or(0);
  reader.finish();
  return spec;
}

std::vector<drivers::PortBinding> read_port_bindings(const JsonObject& bindings,
                                                     EmptyBindings when_empty) {
  std::vector<drivers::PortBinding> result;
  for (const auto& [key, value] : bindings.json().items()) {
    const std::string path = bindings.path_of(key);
    const drivers::PortBinding port = read_container_port(key, bindings.path());
    const auto hosts = bindings.objects(key);
    if (hosts.empty() && when_empty == EmptyBindings::all) result.push_back(port);
    for (const JsonObject& host : hosts) {
      drivers::PortBinding binding = port;
      binding.host_address = read_value<ipam::Address>(host, "HostIp", "an IP address");
      read_host_port(host.text("HostPort"), path, binding);
      result.push_back(binding);
    }
  }
  return result;
}

json port_bindings_json(const std::vector<drivers::PortBinding>& bindings) {
  json map = json::object();
  for (const drivers::PortBinding& binding : bindings)
    map[container_port_text(binding)].push_back(
        {{"HostIp", binding.host_address ? binding.host_address->to_string() : ""},
         {"HostPort", host_port_text(binding)}});
  return map;
}

json network_json(const NetworkRecord& record) {
  const drivers::Network& network = record.network;
  json config = json::array();
  for (const drivers::Pool& pool : network.pools)
    config.push_back(pool_json(pool));
  return {{"Name", network.name},
          {"Id", network.id},
          {"Created", rfc3339(record.created_nano)},
          {"Scope", record.scope},
          {"Driver", network.driver},
          {"EnableIPv4", network.ipv4},
          {"EnableIPv6", network.ipv6},
          {"IPAM",
           {{"Driver", record.ipam_driver},
            {"Options", record.ipam_options.empty() ? json(nullptr) : json(record.ipam_options)},
            {"Config", std::move(config)}}},
          {"Internal", network.internal},
          {"Attachable", record.attachable},
          {"Ingress", record.ingress},
          {"ConfigFrom", {{"Network", record.config_from}}},
          {"ConfigOnly", record.config_only},
          {"Options", json(network.options)},
          {"Labels", json(record.labels)}};
}

std::string container_id(const EndpointRecord& record) {
  if (!record.sandbox_id.empty()) return record.sandbox_id;
  if (record.engine && !record.engine->container_id.empty()) return record.engine->container_id;
  return "ep-" + record.endpoint.id;
}

json network_inspect_json(const NetworkRecord& record,
                          const std::vector<AttachedEndpoint>& endpoints,
                          const std::vector<PoolUsage>& usage) {
  json result = network_json(record);
  json containers = json::object();
  for (const auto& [endpoint, name] : endpoints) {
    const drivers::Endpoint& link = endpoint->endpoint;
    const bool has_address = link.ipv4 || link.ipv6;
    const std::string key = container_id(*endpoint);
    containers[key] = {{"Name", name},
                       {"EndpointID", link.id},
                       {"MacAddress", has_address ? mac_or_empty(link.mac) : ""},
                       {"IPv4Address", text_or_empty(link.ipv4)},
                       {"IPv6Address", text_or_empty(link.ipv6)}};
  }
  result["Containers"] = std::move(containers);
  json subnets = json::object();
  for (const PoolUsage& pool : usage)
    subnets[pool.subnet.to_string()] = {{"IPsInUse", saturated(pool.in_use)},
                                        {"DynamicIPsAvailable", saturated(pool.available)}};
  if (!subnets.empty()) result["Status"]["IPAM"]["Subnets"] = std::move(subnets);
  return result;
}

json endpoint_json(const EndpointRecord& record, const NetworkRecord& network) {
  const drivers::Endpoint& endpoint = record.endpoint;
  const EndpointSpec& spec = record.spec;
  const bool has_link = !endpoint.sandbox_link.empty();
  return {{"IPAMConfig", ipam_config_json(spec)},
          {"Links", null_if_empty(spec.links)},
          {"Aliases", null_if_empty(spec.aliases)},
          {"MacAddress", has_link ? mac_or_empty(endpoint.mac) : ""},
          {"DriverOpts", spec.options.empty() ? json(nullptr) : json(spec.options)},
          {"GwPriority", spec.gateway_priority},
          {"NetworkID", record.network_id},
          {"EndpointID", endpoint.id},
          {"Gateway", gateway_of(network.network, endpoint, ipam::Family::v4)},
          {"IPAddress", address_or_empty(endpoint.ipv4)},
          {"IPPrefixLen", endpoint.ipv4 ? endpoint.ipv4->length : 0},
          {"IPv6Gateway", gateway_of(network.network, endpoint, ipam::Family::v6)},
          {"GlobalIPv6Address", address_or_empty(endpoint.ipv6)},
          {"GlobalIPv6PrefixLen", endpoint.ipv6 ? endpoint.ipv6->length : 0},
          {"DNSNames", null_if_empty(record.dns_names)}};
}

json port_map_json(const std::vector<drivers::Port>& ports) {
  json map = json::object();
  for (const drivers::Port& port : ports)
    map[container_port_text(port)].push_back(
        {{"HostIp", port.host_address.to_string()}, {"HostPort", std::to_string(port.host_port)}});
  return map;
}

json port_list_json(const std::vector<drivers::Port>& ports) {
  json list = json::array();
  for (const drivers::Port& port : ports)
    list.push_back({{"IP", port.host_address.to_string()},
                    {"PrivatePort", port.container_port},
                    {"PublicPort", port.host_port},
                    {"Type", sandbox::to_text(port.protocol)}});
  return list;
}

}  // namespace netd::api
