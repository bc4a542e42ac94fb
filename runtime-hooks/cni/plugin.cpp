#include "runtime-hooks/cni/plugin.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime-hooks/cni/error.h"
#include "runtime-hooks/netns_view.h"
#include "sandbox/resolv_conf.h"

namespace runtime_hooks::cni {
namespace {

using nlohmann::json;

constexpr int not_found = 404;

AttachmentKey key_of(const Call& call, const Conf& conf) {
  return {
      .face = "cni", .container = call.container, .interface = call.interface, .scope = conf.name};
}

void check_namespace(const Call& call) {
  const std::string& path = call.netns;
  struct stat status {};
  if (stat(path.c_str(), &status) != 0)
    throw Error(Code::invalid_namespace,
                fmt::format("CNI_NETNS: {}: there is no such network namespace", path));
  if (!call.is_netns_override && is_same_namespace(path, "/proc/self/ns/net"))
    throw Error(Code::invalid_namespace,
                "plugin's netns and netns from CNI_NETNS should not be the same", path);
}

ResultInterface interface_of(const LinkView& link, const std::string& sandbox) {
  return {.name = link.name, .mac = link.mac, .mtu = link.mtu, .sandbox = sandbox};
}

/// A bridge and the host's end of a veth, where there are any: plugins that limit bandwidth look
/// for them.
void add_host_links(const LinkView& inside, std::vector<ResultInterface>& interfaces) {
  if (inside.kind != "veth") return;
  NetnsView host;
  const auto end = host.link(inside.lower);
  if (!end) return;
  if (end->master != 0)
    if (const auto bridge = host.link(end->master)) interfaces.push_back(interface_of(*bridge, ""));
  interfaces.push_back(interface_of(*end, ""));
}

[[noreturn]] void differ(const std::string& what) {
  throw Error(Code::differs, what);
}

template <class List, class Value>
bool has(const List& list, const Value& value) {
  return std::ranges::find(list, value) != list.end();
}

/// A route of ours, or of a plugin after us: it has to be there, through any interface of the
/// container.
void check_routes(const Result& expected, const std::vector<RouteView>& there) {
  for (const ResultRoute& route : expected.routes) {
    const bool is_there = std::ranges::any_of(there, [&](const RouteView& one) {
      return one.destination == route.destination &&
             (route.gateway.empty() || one.gateway == route.gateway);
    });
    if (!is_there)
      differ(fmt::format("the route to {} via {} is missing", route.destination, route.gateway));
  }
}

void check_kernel(const Call& call, const Result& expected) {
  NetnsView inside(call.netns);
  const auto link = inside.link(call.interface);
  if (!link) differ(fmt::format("interface {} is missing in {}", call.interface, call.netns));
  const ResultInterface& described = expected.interfaces.back();
  if (!described.mac.empty() && described.mac != link->mac)
    differ(fmt::format("interface {} has the MAC address {}, not {}", call.interface, link->mac,
                       described.mac));
  const auto addresses = inside.addresses(link->index);
  for (const ResultAddress& one : expected.addresses)
    if (!has(addresses, one.address))
      differ(fmt::format("interface {} does not have the address {}", call.interface, one.address));
  check_routes(expected, inside.routes());
}

void check_ports(const json& wanted, const json& sandbox) {
  const json missing = Attachments::without(wanted, sandbox.at("Ports"));
  if (missing.empty()) return;
  const auto first = missing.begin();
  differ(fmt::format("port {} is not published at the host's port {}", first.key(),
                     first.value().at(0).at("HostPort").get<std::string>()));
}

}  // namespace

Result Plugin::describe(const Call& call, const json& sandbox) {
  Result result;
  NetnsView inside(call.netns);
  const auto link = inside.link(call.interface);
  if (!link)
    throw Error(Code::failed,
                fmt::format("netd made no interface {} in {}", call.interface, call.netns));
  add_host_links(*link, result.interfaces);
  result.interfaces.push_back(interface_of(*link, call.netns));
  for (const json& endpoint : sandbox.at("Networks")) {
    if (endpoint.at("Interface") != call.interface) continue;
    const auto add = [&](const char* address, const char* length, const char* gateway) {
      const std::string text = endpoint.at(address).get<std::string>();
      if (!text.empty())
        result.addresses.push_back({fmt::format("{}/{}", text, endpoint.at(length).get<int>()),
                                    endpoint.at(gateway).get<std::string>()});
    };
    add("IPAddress", "IPPrefixLen", "Gateway");
    add("GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPv6Gateway");
  }
  for (const RouteView& route : inside.routes(link->index))
    result.routes.push_back(
        {.destination = route.destination, .gateway = route.gateway, .priority = route.metric});
  const auto files =
      sandbox::read_host_resolv_conf(sandbox.at("ResolvConfPath").get<std::string>()).content;
  result.dns = {.servers = {}, .search = files.search, .options = files.options};
  for (const ipam::Address& server : files.nameservers)
    result.dns.servers.push_back(server.to_string());
  return result;
}

/// The capability ipRanges says what a network is made with; one that is there has its own.
void Plugin::check_ranges(const Conf& conf) {
  if (conf.range_subnets.empty()) return;
  const auto answer = daemon_.ask("GET", "/networks/" + netd::client::encode(conf.network));
  if (answer.status == not_found) return;
  if (!answer.ok()) throw Refusal(answer.status, answer.message());
  const json network = answer.json();
  const json& pools = network.at("IPAM").at("Config");
  for (const std::string& subnet : conf.range_subnets)
    if (std::ranges::none_of(pools, [&](const json& pool) { return pool.at("Subnet") == subnet; }))
      throw Error(Code::unsupported_field,
                  fmt::format("runtimeConfig.ipRanges: {} is no subnet of the network {}, which is "
                              "there already",
                              subnet, conf.network));
}

void Plugin::add(const Call& call, const Conf& conf, const std::function<void(const json&)>& say) {
  check_arguments(call);
  check_namespace(call);
  check_ranges(conf);
  const Attachment attachment = attachment_of(call, conf);
  attachments_.all_or_nothing([&] {
    const json sandbox = attachments_.attach(attachment);
    say(result_json(describe(call, sandbox), conf.version, conf.previous_result));
    return sandbox;
  });
}

void Plugin::del(const Call& call, const Conf& conf) {
  attachments_.detach(key_of(call, conf));
}

void Plugin::check(const Call& call, const Conf& conf) {
  check_arguments(call);
  if (!conf.previous_result)
    throw Error(Code::invalid_configuration, "required prevResult missing");
  check_namespace(call);
  const Result expected = expected_of(*conf.previous_result, call.interface, call.netns);
  const json sandbox = attachments_.sandbox_of(key_of(call, conf));
  if (sandbox.is_null() || Attachments::endpoint_in(sandbox, key_of(call, conf)).is_null())
    throw Error(Code::unknown_container,
                fmt::format("netd knows no interface {} of container {} in network {}",
                            call.interface, call.container, conf.name));
  check_kernel(call, expected);
  check_ports(conf.ports, sandbox);
}

void Plugin::collect_garbage(const Conf& conf) {
  if (!conf.valid_attachments)
    throw Error(Code::invalid_configuration,
                "required cni.dev/valid-attachments missing: without it all would be garbage");
  std::vector<std::string> failures;
  for (const FoundAttachment& one : attachments_.of_network("cni", conf.name)) {
    if (has(*conf.valid_attachments, std::pair(one.key.container, one.key.interface))) continue;
    try {
      attachments_.detach(one.key);
    } catch (const std::exception& error) {
      failures.push_back(
          fmt::format("{} of {}: {}", one.key.interface, one.key.container, error.what()));
    }
  }
  if (!failures.empty())
    throw Error(Code::refused, "not all could be removed",
                fmt::format("{}", fmt::join(failures, "; ")));
}

void Plugin::status(const Conf& conf) {
  const auto answer = daemon_.ask("GET", "/networks/" + netd::client::encode(conf.network));
  if (answer.status == not_found) return;  // the first ADD makes it
  if (!answer.ok()) throw Error(Code::not_available, answer.message());
  const json network = answer.json();
  const json subnets = network.value("/Status/IPAM/Subnets"_json_pointer, json::object());
  const bool is_full = !subnets.empty() && std::ranges::any_of(subnets, [](const json& subnet) {
    return subnet.at("DynamicIPsAvailable") == 0;
  });
  if (is_full)
    throw Error(Code::not_available,
                fmt::format("no addresses are left in the network {}", conf.network));
}

}  // namespace runtime_hooks::cni
