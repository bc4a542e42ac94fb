// Does the kernel hold exactly what the API says?
#include <map>
#include <set>

#include "tests/e2e/end_to_end.h"

namespace e2e {
namespace {

using Json = nlohmann::json;
using Texts = std::set<std::string>;

/// "tcp 8080" for each port that the firewall's IPv4 maps publish.
Texts published_by_firewall(const Json& ruleset) {
  Texts result;
  for (const Json& object : ruleset.at("nftables")) {
    if (!object.contains("map")) continue;
    const Json& map = object.at("map");
    const std::string name = map.at("name");
    if ((name != "pub4" && name != "pub4a") || !map.contains("elem")) continue;
    for (const Json& element : map.at("elem")) {
      Json key = element.at(0).at("concat");
      if (name == "pub4a") key.erase(0);  // the host's address comes first
      result.insert(key.at(0).get<std::string>() + " " + std::to_string(key.at(1).get<int>()));
    }
  }
  return result;
}

/// "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}] -> "tcp 8080"
void add_published(const Json& container, Texts& result) {
  const Json& ports = container.at("NetworkSettings").at("Ports");
  if (!ports.is_object()) return;
  for (const auto& [port, bindings] : ports.items()) {
    if (!bindings.is_array()) continue;
    for (const Json& binding : bindings) {
      if (binding.at("HostIp").get<std::string>().find(':') != std::string::npos) continue;
      result.insert(port.substr(port.find('/') + 1) + " " +
                    binding.at("HostPort").get<std::string>());
    }
  }
}

/// "02:42:… 10.5.0.2/24" for each address of global scope that `ip -j address` shows.
Texts addresses(const Json& links) {
  Texts result;
  for (const Json& link : links) {
    for (const Json& address : link.value("addr_info", Json::array())) {
      if (address.at("scope") != "global") continue;
      result.insert(link.at("address").get<std::string>() + " " +
                    address.at("local").get<std::string>() + "/" +
                    std::to_string(address.at("prefixlen").get<int>()));
    }
  }
  return result;
}

void add_addresses(const Json& attachment, Texts& result) {
  const std::string mac = attachment.value("MacAddress", "");
  const auto add = [&](const char* address, const char* length) {
    const std::string text = attachment.value(address, "");
    if (!text.empty())
      result.insert(mac + " " + text + "/" + std::to_string(attachment.at(length).get<int>()));
  };
  add("IPAddress", "IPPrefixLen");
  add("GlobalIPv6Address", "GlobalIPv6PrefixLen");
}

/// Endpoints of these are links of one piece, in the sandbox; the network's own link is the host's
/// way in, or a parent that leads nowhere.
bool is_stacked(const Json& network) {
  return network.at("Driver") == "macvlan" || network.at("Driver") == "ipvlan";
}

bool has_own_link(const Json& network) {
  const Json& options = network.at("Options");
  if (!is_stacked(network))
    return network.at("Driver") == "bridge" && options.value("io.netd.unmanaged", "") != "true";
  return !options.contains("parent") || options.value("io.netd.host_access", "") == "true";
}

/// The aliases of netd's that `ip -j link` shows; those of shared 802.1Q links name no network.
Texts aliases_of(const Json& links) {
  Texts aliases;
  for (const Json& link : links) {
    const std::string alias = link.value("ifalias", "");
    if (alias.starts_with("netd:") && alias != "netd:vlan") aliases.insert(alias);
  }
  return aliases;
}

}  // namespace

void EndToEnd::expect_agreement() {
  Texts expected_aliases, expected_ports, stacked;
  std::map<std::string, Texts> expected_inside;     // aliases by namespace
  std::map<std::string, Texts> expected_addresses;  // by namespace: sandboxes may share one
  for (const Json& network : api("/networks")) {
    if (is_stacked(network)) stacked.insert(network.at("Name"));
    if (has_own_link(network))
      expected_aliases.insert("netd:" + network.at("Id").get<std::string>());
  }
  for (const Json& entry : api("/sandboxes")) {
    const Json sandbox = api("/sandboxes/" + entry.at("Id").get<std::string>());
    add_published(api("/containers/" + entry.at("Id").get<std::string>() + "/json"),
                  expected_ports);
    for (const auto& [name, attachment] : sandbox.at("Networks").items()) {
      const std::string alias = "netd:" + attachment.at("EndpointID").get<std::string>();
      if (stacked.contains(name)) expected_inside[sandbox.at("NetnsPath")].insert(alias);
      if (attachment.value("MacAddress", "").empty()) continue;
      if (!stacked.contains(name)) expected_aliases.insert(alias);
      add_addresses(attachment, expected_addresses[sandbox.at("NetnsPath")]);
    }
  }

  // Dying links have another group.
  EXPECT_EQ(aliases_of(Json::parse(shell("ip -j link show group default"))), expected_aliases)
      << "links in the kernel (left) and in the API (right)";
  for (const auto& [netns, expected] : expected_inside) {
    const std::string links = shell("nsenter --net=" + netns + " ip -j link show group default");
    EXPECT_EQ(aliases_of(Json::parse(links)), expected) << "links in " << netns;
  }
  EXPECT_EQ(published_by_firewall(Json::parse(shell("nft -j list table inet netd"))),
            expected_ports);
  for (const auto& [netns, expected] : expected_addresses) {
    const auto links = Json::parse(shell("nsenter --net=" + netns + " ip -j address show"));
    EXPECT_EQ(addresses(links), expected) << "addresses in " << netns;
  }
}

}  // namespace e2e
