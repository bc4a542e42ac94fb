#include "runtime-hooks/cni/conf.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "runtime-hooks/cni/error.h"
#include "runtime-hooks/cni/ipam_conf.h"
#include "runtime-hooks/reader.h"

namespace runtime_hooks::cni {
namespace {

using nlohmann::json;

constexpr int deepest = 64;
constexpr const char* version_without_word = "0.1.0";

json parse(std::string_view text) {
  // Deeper than any configuration, and before a recursion over it could get far.
  const auto limit = [](int depth, json::parse_event_t, json&) {
    if (depth > deepest) throw Error(Code::decoding_failure, "network config: nested too deeply");
    return true;
  };
  try {
    json conf = json::parse(text, limit);
    if (conf.is_object()) return conf;
  } catch (const json::exception& error) {
    throw Error(Code::decoding_failure, "error unmarshall network config", error.what());
  }
  throw Error(Code::decoding_failure, "error unmarshall network config",
              "a JSON object is expected on stdin");
}

Dns read_dns(const Reader& conf, const char* servers, const char* search, const char* domain) {
  Dns dns{.servers = conf.texts(servers),
          .search = conf.texts(search),
          .options = conf.texts("options")};
  if (const std::string name = conf.text(domain);
      !name.empty() && std::ranges::find(dns.search, name) == dns.search.end())
    dns.search.insert(dns.search.begin(), name);
  return dns;
}

/// What the runtime says counts more, field by field.
Dns read_dns(const Reader& conf, const Reader& runtime) {
  Dns dns = read_dns(conf.object("dns"), "nameservers", "search", "domain");
  Dns own = read_dns(runtime.object("dns"), "servers", "searches", "domain");
  if (!own.servers.empty()) dns.servers = std::move(own.servers);
  if (!own.search.empty()) dns.search = std::move(own.search);
  if (!own.options.empty()) dns.options = std::move(own.options);
  // Where a CRI's pod asks when it is to ask netd; not where netd asks.
  std::erase(dns.servers, "127.0.0.11");
  return dns;
}

std::string without_length(const std::string& address) {
  return address.substr(0, address.find('/'));
}

std::vector<std::string> read_addresses(const Reader& conf) {
  std::vector<std::string> addresses = conf.object("runtimeConfig").texts("ips");
  if (addresses.empty()) addresses = conf.object("args").object("cni").texts("ips");
  std::ranges::transform(addresses, addresses.begin(), without_length);
  return addresses;
}

/// A list, or as podman sends it an object of lists by network.
std::vector<std::string> read_aliases(const Reader& runtime, const std::string& name) {
  return runtime.is_object("aliases") ? runtime.object("aliases").texts(name)
                                      : runtime.texts("aliases");
}

std::string read_protocol(const Reader& mapping) {
  std::string protocol = mapping.text("protocol");
  std::ranges::transform(protocol, protocol.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return protocol.empty() ? "tcp" : protocol;
}

std::int64_t read_port(const Reader& mapping, const char* key, const char* what) {
  constexpr std::int64_t last = 65535;
  const std::int64_t port = mapping.number(key);
  if (port <= 0 || port > last)
    throw Error(Code::invalid_configuration, fmt::format("Invalid {} port number: {}", what, port));
  return port;
}

json read_ports(const Reader& runtime) {
  json ports = json::object();
  for (const Reader& mapping : runtime.objects("portMappings")) {
    const std::int64_t container = read_port(mapping, "containerPort", "container");
    const std::int64_t host = read_port(mapping, "hostPort", "host");
    ports[fmt::format("{}/{}", container, read_protocol(mapping))].push_back(
        {{"HostIp", mapping.text("hostIP")}, {"HostPort", std::to_string(host)}});
  }
  return ports;
}

std::optional<std::vector<std::pair<std::string, std::string>>> read_valid(const Reader& conf) {
  // libcni sends both: the second is what it called the first in an earlier draft.
  for (const char* key : {"cni.dev/valid-attachments", "cni.dev/attachments"}) {
    if (!conf.contains(key)) continue;
    std::vector<std::pair<std::string, std::string>> valid;
    for (const Reader& one : conf.objects(key)) {
      valid.emplace_back(one.text("containerID"), one.text("ifname"));
      if (valid.back().first.empty() || valid.back().second.empty())
        throw Error(Code::invalid_configuration,
                    one.path_of("containerID") + " and ifname are both required",
                    "what is not said to be valid would be removed");
    }
    return valid;
  }
  return std::nullopt;
}

void check_name(const std::string& name) {
  if (name.empty()) throw Error(Code::invalid_configuration, "missing network name");
  if (!is_identifier(name))
    throw Error(Code::invalid_configuration, "invalid characters found in network name", name);
}

}  // namespace

const std::vector<std::string> supported_versions{"0.1.0", "0.2.0", "0.3.0", "0.3.1",
                                                  "0.4.0", "1.0.0", "1.1.0"};

bool is_at_least(const std::string& version, const std::string& least) {
  return std::ranges::find(supported_versions, version) >=
         std::ranges::find(supported_versions, least);
}

bool is_identifier(std::string_view text) {
  const auto is_plain = [](unsigned char c) { return std::isalnum(c) != 0; };
  return !text.empty() && is_plain(static_cast<unsigned char>(text[0])) &&
         std::ranges::all_of(text, [&](unsigned char c) {
           return is_plain(c) || c == '_' || c == '.' || c == '-';
         });
}

std::string version_of(std::string_view text) {
  const json conf = json::parse(text, nullptr, false);
  if (!conf.is_object()) return newest_version;
  const auto found = conf.find("cniVersion");
  if (found == conf.end() || found->is_null() || *found == "") return version_without_word;
  if (!found->is_string()) return newest_version;
  const auto version = found->get<std::string>();
  const bool is_known = std::ranges::find(supported_versions, version) != supported_versions.end();
  return is_known ? version : newest_version;
}

Conf read_conf(std::string_view text, Command command) {
  const json whole = parse(text);
  const Reader conf(whole, "");
  Conf result{.version = conf.text("cniVersion"), .name = conf.text("name")};
  check_name(result.name);
  if (result.version.empty()) result.version = version_without_word;
  if (std::ranges::find(supported_versions, result.version) == supported_versions.end())
    throw Error(Code::incompatible_version, "incompatible CNI versions",
                fmt::format("config is \"{}\", plugin supports {}", result.version,
                            json(supported_versions).dump()));
  result.network = conf.text("network");
  if (result.network.empty()) result.network = result.name;
  result.host = conf.text("host");
  if (command == Command::gc) result.valid_attachments = read_valid(conf);
  if (command == Command::del || command == Command::gc) return result;
  const Reader exact = conf.object("runtimeConfig");
  // containerd's go-cni names its members after Go's fields: "HostPort", "Servers".
  const Reader runtime = exact.in_any_case();
  result.make_network = network_of(conf);
  result.range_subnets = subnets_of(runtime);
  result.dns = read_dns(conf, runtime);
  result.addresses = read_addresses(conf);
  result.mac = runtime.text("mac");
  if (result.mac.empty()) result.mac = conf.object("args").object("cni").text("mac");
  result.aliases = read_aliases(exact, result.name);
  result.ports = read_ports(runtime);
  if (conf.contains("prevResult") && !whole.at("prevResult").is_null()) {
    conf.object("prevResult");  // says what is wrong with it
    result.previous_result = whole.at("prevResult");
  }
  return result;
}

}  // namespace runtime_hooks::cni
