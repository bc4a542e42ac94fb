// What an ADD asks netd for.
#include <nlohmann/json.hpp>

#include "runtime-hooks/cni/error.h"
#include "runtime-hooks/cni/plugin.h"
#include "runtime-hooks/sandbox_id.h"

namespace runtime_hooks::cni {
namespace {

using nlohmann::json;

std::string argument(const Call& call, const std::string& key) {
  const auto found = call.arguments.find(key);
  return found == call.arguments.end() ? "" : found->second;
}

void set_addresses(const Call& call, const Conf& conf, json& settings) {
  std::vector<std::string> addresses = conf.addresses;
  if (const std::string own = argument(call, "IP"); addresses.empty() && !own.empty())
    addresses.push_back(own.substr(0, own.find('/')));
  for (const std::string& address : addresses) {
    const char* key = address.find(':') == std::string::npos ? "IPv4Address" : "IPv6Address";
    json& place = settings["IPAMConfig"][key];
    if (!place.is_null())
      throw Error(Code::unsupported_field, "netd gives an interface one address of a family",
                  address);
    place = address;
  }
}

/// A pod's name is one in its Kubernetes namespace only.
std::string pod_name(const Call& call) {
  const std::string name = argument(call, "K8S_POD_NAME");
  return argument(call, "K8S_POD_NAMESPACE").empty() && is_identifier(name) ? name : "";
}

}  // namespace

Attachment attachment_of(const Call& call, const Conf& conf) {
  Attachment attachment{.key = {.face = "cni",
                                .container = call.container,
                                .interface = call.interface,
                                .scope = conf.name},
                        .netns = call.netns,
                        .network = conf.network,
                        .ports = conf.ports,
                        .name = pod_name(call),
                        .make_network = conf.make_network};
  json& settings = attachment.settings;
  set_addresses(call, conf, settings);
  if (!conf.aliases.empty()) settings["Aliases"] = conf.aliases;
  const std::string mac = conf.mac.empty() ? argument(call, "MAC") : conf.mac;
  if (!mac.empty()) settings["MacAddress"] = mac;
  json& sandbox = attachment.sandbox;
  if (const std::string name = argument(call, "K8S_POD_NAME"); is_label(name))
    sandbox["Hostname"] = name;  // which netd's DNS knows too
  if (!conf.dns.servers.empty()) sandbox["Dns"] = conf.dns.servers;
  if (!conf.dns.search.empty()) sandbox["DnsSearch"] = conf.dns.search;
  if (!conf.dns.options.empty()) sandbox["DnsOptions"] = conf.dns.options;
  return attachment;
}

}  // namespace runtime_hooks::cni
