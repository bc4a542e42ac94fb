#include "runtime-hooks/netavark/front.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "runtime-hooks/netavark/network.h"
#include "runtime-hooks/netns_view.h"
#include "runtime-hooks/reader.h"
#include "runtime-hooks/sandbox_id.h"

namespace runtime_hooks::netavark {
namespace {

using nlohmann::json;

constexpr const char* dns_address = "127.0.0.11";  // of netd in each sandbox
constexpr std::size_t longest_hostname = 64;
constexpr const char* dns_option =
    "io.netd.netavark.dns";  // of the attachment that podman got it by

AttachmentKey key_of(const ContainerConf& container, const NetworkConf& network) {
  return {.face = "netavark",
          .container = container.id,
          .interface = network.interface,
          .scope = network.name};
}

json addresses_of(const std::vector<std::string>& addresses) {
  json config = json::object();
  for (const std::string& address : addresses) {
    const char* key = address.find(':') == std::string::npos ? "IPv4Address" : "IPv6Address";
    if (config.contains(key))
      throw std::runtime_error(
          fmt::format("{}: netd gives an interface one address of a family", address));
    config[key] = address;
  }
  return config;
}

bool has_dns(const NetworkConf& network) {
  return Reader(network.network, "network").flag("dns_enabled", false);
}

json status_of(const json& sandbox, const NetworkConf& network, bool tells_dns) {
  json subnets = json::array();
  std::string mac;
  for (const json& endpoint : sandbox.at("Networks")) {
    if (endpoint.at("Interface") != network.interface) continue;
    mac = endpoint.at("MacAddress").get<std::string>();
    const auto add = [&](const char* address, const char* length, const char* gateway) {
      const std::string text = endpoint.at(address).get<std::string>();
      if (text.empty()) return;
      json subnet{{"ipnet", fmt::format("{}/{}", text, endpoint.at(length).get<int>())}};
      if (const std::string by = endpoint.at(gateway).get<std::string>(); !by.empty())
        subnet["gateway"] = by;
      subnets.push_back(std::move(subnet));
    };
    add("IPAddress", "IPPrefixLen", "Gateway");
    add("GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPv6Gateway");
  }
  return {{"dns_search_domains", json::array()},
          {"dns_server_ips", tells_dns ? json{dns_address} : json::array()},
          {"interfaces", {{network.interface, {{"mac_address", mac}, {"subnets", subnets}}}}}};
}

/// A macvlan or ipvlan network that is to lead outside, and doesn't say where.
bool needs_parent(const json& request) {
  const std::string driver = request.at("Driver").get<std::string>();
  return (driver == "macvlan" || driver == "ipvlan") && !request.at("Options").contains("parent") &&
         !request.at("Internal").get<bool>();
}

/// Where netavark puts such a network: on the interface of the host's IPv4 default route.
std::string default_parent() {
  NetnsView here;
  std::vector<RouteView> routes = here.routes();
  std::erase_if(routes, [](const RouteView& route) {
    return route.destination != "0.0.0.0/0" || route.link == 0;
  });
  const auto best = std::ranges::min_element(routes, {}, &RouteView::metric);
  const auto link = best == routes.end() ? std::nullopt : here.link(best->link);
  if (!link) throw std::runtime_error("failed to get default route interface");
  return link->name;
}

void check_namespace(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0)
    throw std::runtime_error(
        "invalid namespace path: IO error: No such file or directory (os error 2)");
}

}  // namespace

Attachment attachment_of(const ContainerConf& container, const NetworkConf& network,
                         const std::string& netns) {
  Attachment attachment{.key = key_of(container, network),
                        .netns = netns,
                        .network = network_name(network.name),
                        .ports = container.ports,
                        .name = container.name,
                        .make_network = network_request(network.network)};
  json& settings = attachment.settings;
  settings["DriverOpts"] = endpoint_options(network.options);
  if (json config = addresses_of(network.addresses); !config.empty())
    settings["IPAMConfig"] = std::move(config);
  if (!network.mac.empty()) settings["MacAddress"] = network.mac;
  if (!network.aliases.empty()) settings["Aliases"] = network.aliases;
  std::vector<std::string> dns = container.dns_servers;
  if (dns.empty()) dns = Reader(network.network, "network").texts("network_dns_servers");
  if (!dns.empty()) attachment.sandbox["Dns"] = dns;
  const std::string& hostname = container.hostname.empty() ? container.name : container.hostname;
  attachment.sandbox["Hostname"] = hostname.substr(0, longest_hostname);
  return attachment;
}

/// podman writes each network's servers into resolv.conf, and `network disconnect` takes away every
/// line with an address that the network had: it is told of netd's once a container.
bool Front::knows_dns(const ContainerConf& container, const std::string& netns) {
  const auto answer =
      daemon_.ask("GET", "/sandboxes/" + sandbox_id(key_of(container, {}).face, container.id));
  if (!answer.ok()) return false;
  const json sandbox = answer.json();
  // Else it is left of a container that ended without a word, and about to be replaced.
  const bool is_ours = is_same_namespace(sandbox.at("NetnsPath").get<std::string>(), netns);
  return is_ours && std::ranges::any_of(sandbox.at("Networks"), [](const json& endpoint) {
           const auto options = endpoint.find("DriverOpts");
           return options != endpoint.end() && options->is_object() &&
                  options->contains(dns_option);
         });
}

json Front::setup_network(const ContainerConf& container, const NetworkConf& network,
                          const std::string& netns, bool tells_dns) {
  Attachment attachment = attachment_of(container, network, netns);
  if (needs_parent(attachment.make_network))
    attachment.make_network["Options"]["parent"] = default_parent();
  if (tells_dns) attachment.settings["DriverOpts"][dns_option] = "true";
  return status_of(attachments_.attach(attachment), network, tells_dns);
}

json Front::setup(const ContainerConf& container, const std::string& netns) {
  check_namespace(netns);
  for (const NetworkConf& network : container.networks)
    attachment_of(container, network, netns);  // says what is wrong before anything is made
  return attachments_.all_or_nothing([&] {
    json all = json::object();
    bool dns_is_known = knows_dns(container, netns);
    for (const NetworkConf& network : container.networks) {
      const bool tells_dns = has_dns(network) && !dns_is_known;
      all[network.name] = setup_network(container, network, netns, tells_dns);
      dns_is_known = dns_is_known || tells_dns;
    }
    return container.is_plugin ? all.front() : all;
  });
}

/// As netavark, which takes a bridge away with its last container: `podman network rm` tells
/// nobody, and the next network of that name may be another one.
void Front::remove_unused(const std::string& network) {
  const std::string target = "/networks/" + netd::client::encode(network_name(network));
  const auto answer = daemon_.ask("GET", target);
  if (!answer.ok()) return;
  const json there = answer.json();
  if (there.at("Containers").empty() && there.at("Labels").contains(label))
    daemon_.ask("DELETE", "/networks/" + there.at("Id").get<std::string>());
}

void Front::teardown(const ContainerConf& container) {
  std::vector<std::string> failures;
  for (const NetworkConf& network : container.networks) {
    try {
      attachments_.detach(key_of(container, network));
      remove_unused(network.name);
    } catch (const std::exception& error) {
      failures.emplace_back(error.what());
    }
  }
  if (failures.empty()) return;
  if (failures.size() == 1) throw std::runtime_error(failures[0]);
  std::string text = "netavark encountered multiple errors:";
  for (const std::string& failure : failures)
    text += "\n\t- " + failure;
  throw std::runtime_error(text);
}

void Front::update(const std::string& network) {
  const auto answer =
      daemon_.ask("GET", "/networks/" + netd::client::encode(network_name(network)));
  if (answer.ok() && !answer.json().at("Containers").empty())
    throw std::runtime_error(fmt::format(
        "network {} has containers, which go on with the DNS servers that they have; those "
        "that start from now on have the new ones",
        network));
}

}  // namespace runtime_hooks::netavark
