// The configuration file: netd's own keys, and the networking keys of Docker's daemon.json
// (dockerd(8); libnetwork.md 1.3).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>

#include "netd/config.h"
#include "netd/log.h"

namespace netd {
namespace {

using Json = nlohmann::json;

/// "key: value is not X; write it like Y"
[[noreturn]] void refuse(std::string_view key, const Json& value, std::string_view problem,
                         std::string_view remedy) {
  std::string shown = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (shown.size() > 80) shown = shown.substr(0, 77) + "...";
  throw std::invalid_argument(fmt::format("{}: {} {}; {}", key, shown, problem, remedy));
}

std::string text(std::string_view key, const Json& value) {
  if (!value.is_string()) refuse(key, value, "is not a string", "put it in double quotes");
  return value.get<std::string>();
}

bool flag(std::string_view key, const Json& value) {
  if (!value.is_boolean())
    refuse(key, value, "is neither true nor false", "write one, without quotes");
  return value.get<bool>();
}

int number(std::string_view key, const Json& value, int low, int high) {
  // As a double first: JSON's numbers exceed an int's, and any other way of asking would wrap.
  if (!value.is_number_integer() || value.get<double>() < low || value.get<double>() > high)
    refuse(key, value, fmt::format("is not a whole number from {} to {}", low, high),
           "write one, without quotes");
  return value.get<int>();
}

std::vector<std::string> texts(std::string_view key, const Json& value) {
  if (!value.is_array()) refuse(key, value, "is not a list", "write it like [\"…\", \"…\"]");
  std::vector<std::string> all;
  for (const Json& item : value)
    all.push_back(text(key, item));
  return all;
}

std::string_view example(ipam::Family family, bool prefix) {
  if (family == ipam::Family::v4) return prefix ? "10.200.0.1/24" : "10.200.0.1";
  return prefix ? "fd00:200::1/64" : "fd00:200::1";
}

std::string_view family_name(ipam::Family family) {
  return family == ipam::Family::v4 ? "IPv4" : "IPv6";
}

ipam::Address address(std::string_view key, const Json& value) {
  const auto parsed = ipam::Address::parse(text(key, value));
  if (!parsed)
    refuse(key, value, "is not an IP address", "write it like 10.200.0.1 or fd00:200::1");
  return *parsed;
}

ipam::Address address(std::string_view key, const Json& value, ipam::Family family) {
  const auto parsed = ipam::Address::parse(text(key, value));
  if (!parsed || parsed->family() != family)
    refuse(key, value, fmt::format("is not an {} address", family_name(family)),
           fmt::format("write it like {}", example(family, false)));
  return *parsed;
}

ipam::Prefix prefix(std::string_view key, const Json& value, ipam::Family family) {
  const auto parsed = ipam::Prefix::parse(text(key, value));
  if (!parsed || parsed->family() != family)
    refuse(key, value,
           fmt::format("is not an {} address with a prefix length", family_name(family)),
           fmt::format("write it like {}", example(family, true)));
  return *parsed;
}

std::string one_of(std::string_view key, const Json& value, bool (*known)(std::string_view),
                   std::string_view choices) {
  std::string chosen = text(key, value);
  if (!known(chosen)) refuse(key, value, "is unknown", fmt::format("choose one of {}", choices));
  return chosen;
}

std::vector<ipam::AddressPool> pools(std::string_view key, const Json& value) {
  constexpr std::string_view remedy = R"(write it like [{"base": "10.10.0.0/16", "size": 24}])";
  if (!value.is_array()) refuse(key, value, "is not a list", remedy);
  std::vector<ipam::AddressPool> all;
  for (const Json& item : value) {
    if (!item.is_object() || !item.contains("base") || !item.contains("size") || item.size() != 2)
      refuse(key, item, "is not a pool", remedy);
    const auto base = ipam::Prefix::parse(text("default-address-pools: base", item["base"]));
    if (!base) refuse(key, item["base"], "is not an address with a prefix length", remedy);
    const int bits = base->address.bits();
    const int size = number("default-address-pools: size", item["size"], 1, bits);
    if (size < base->length)
      refuse(key, item,
             fmt::format("asks for subnets (/{}) larger than their base (/{})", size, base->length),
             fmt::format("give a size from {} to {}", base->length, bits));
    all.push_back({base->masked(), size});
  }
  return all;
}

std::map<std::string, drivers::Options> network_options(std::string_view key, const Json& value) {
  constexpr std::string_view remedy =
      R"(write it like {"bridge": {"com.docker.network.driver.mtu": "1400"}})";
  if (!value.is_object()) refuse(key, value, "is not an object", remedy);
  std::map<std::string, drivers::Options> by_driver;
  for (const auto& [driver, options] : value.items()) {
    if (!options.is_object()) refuse(key, options, "is not an object", remedy);
    for (const auto& [option, setting] : options.items())
      by_driver[driver][option] = text(fmt::format("{}: {}: {}", key, driver, option), setting);
  }
  return by_driver;
}

std::vector<ipam::Address> addresses(std::string_view key, const Json& value) {
  if (!value.is_array()) refuse(key, value, "is not a list", R"(write it like ["10.200.0.1"])");
  std::vector<ipam::Address> all;
  for (const Json& item : value)
    all.push_back(address(key, item));
  return all;
}

using Key = std::string_view;
struct Reader {
  Key key;
  void (*read)(Key, const Json&, Config&);
};

constexpr auto v4 = ipam::Family::v4;
constexpr auto v6 = ipam::Family::v6;

constexpr std::array readers{
    Reader{"plugin-dir", [](Key k, const Json& v, Config& c) { c.plugin_dir = text(k, v); }},
    Reader{"state-dir", [](Key k, const Json& v, Config& c) { c.state_dir = text(k, v); }},
    Reader{"run-dir", [](Key k, const Json& v, Config& c) { c.run_dir = text(k, v); }},
    Reader{"host",
           [](Key k, const Json& v, Config& c) {
             c.hosts = v.is_string() ? std::vector{text(k, v)} : texts(k, v);
           }},
    Reader{"hosts", [](Key k, const Json& v, Config& c) { c.hosts = texts(k, v); }},
    Reader{"tls",
           [](Key k, const Json& v, Config&) {
             // Docker's tls without tlsverify lets everybody in who speaks TLS.
             if (flag(k, v)) refuse(k, v, "asks no client for a certificate", "use tlsverify");
           }},
    Reader{"tlsverify", [](Key k, const Json& v, Config& c) { c.tlsverify = flag(k, v); }},
    Reader{"tlscacert", [](Key k, const Json& v, Config& c) { c.tlscacert = text(k, v); }},
    Reader{"tlscert", [](Key k, const Json& v, Config& c) { c.tlscert = text(k, v); }},
    Reader{"tlskey", [](Key k, const Json& v, Config& c) { c.tlskey = text(k, v); }},
    Reader{"insecure-tcp", [](Key k, const Json& v, Config& c) { c.insecure_tcp = flag(k, v); }},
    Reader{"log-level",
           [](Key k, const Json& v, Config& c) {
             c.log_level = one_of(k, v, log::is_level, "trace, debug, info, warn, error");
           }},
    Reader{"log-format",
           [](Key k, const Json& v, Config& c) {
             c.log_format = one_of(k, v, log::is_format, "text, json");
           }},
    Reader{"debug",
           [](Key k, const Json& v, Config& c) {
             if (flag(k, v)) c.log_level = "debug";
           }},
    Reader{"default-address-pools",
           [](Key k, const Json& v, Config& c) { c.default_address_pools = pools(k, v); }},
    Reader{
        "default-network-opts",
        [](Key k, const Json& v, Config& c) { c.default_network_options = network_options(k, v); }},
    Reader{"bridge", [](Key k, const Json& v, Config& c) { c.bridge = text(k, v); }},
    Reader{"bip", [](Key k, const Json& v, Config& c) { c.bip = prefix(k, v, v4); }},
    Reader{"bip6", [](Key k, const Json& v, Config& c) { c.bip6 = prefix(k, v, v6); }},
    Reader{"fixed-cidr",
           [](Key k, const Json& v, Config& c) { c.fixed_cidr = prefix(k, v, v4).masked(); }},
    Reader{"fixed-cidr-v6",
           [](Key k, const Json& v, Config& c) { c.fixed_cidr_v6 = prefix(k, v, v6).masked(); }},
    Reader{"default-gateway",
           [](Key k, const Json& v, Config& c) { c.default_gateway = address(k, v, v4); }},
    Reader{"default-gateway-v6",
           [](Key k, const Json& v, Config& c) { c.default_gateway_v6 = address(k, v, v6); }},
    Reader{"ipv6", [](Key k, const Json& v, Config& c) { c.bridge_ipv6 = flag(k, v); }},
    Reader{"mtu", [](Key k, const Json& v, Config& c) { c.mtu = number(k, v, 0, 65535); }},
    Reader{"icc", [](Key k, const Json& v, Config& c) { c.icc = flag(k, v); }},
    Reader{"ip-masq", [](Key k, const Json& v, Config& c) { c.ip_masq = flag(k, v); }},
    Reader{"ip", [](Key k, const Json& v, Config& c) { c.ip = address(k, v); }},
    Reader{"plugin-search-dirs",
           [](Key k, const Json& v, Config& c) { c.plugin_search_dirs = texts(k, v); }},
    Reader{"plugin-timeout",
           [](Key k, const Json& v, Config& c) { c.plugin_timeout = number(k, v, 1, 600); }},
    Reader{"cluster", [](Key k, const Json& v, Config& c) { c.cluster.store = text(k, v); }},
    Reader{"cluster-prefix",
           [](Key k, const Json& v, Config& c) { c.cluster.prefix = text(k, v); }},
    Reader{"cluster-cacert", [](Key k, const Json& v, Config& c) { c.cluster.ca = text(k, v); }},
    Reader{"cluster-cert", [](Key k, const Json& v, Config& c) { c.cluster.cert = text(k, v); }},
    Reader{"cluster-key", [](Key k, const Json& v, Config& c) { c.cluster.key = text(k, v); }},
    Reader{"insecure-store",
           [](Key k, const Json& v, Config& c) { c.cluster.insecure = flag(k, v); }},
    Reader{"vtep", [](Key k, const Json& v, Config& c) { c.cluster.vtep = text(k, v); }},
    Reader{
        "vxlan-port",
        [](Key k, const Json& v,
           Config&
               c) { c.cluster.vxlan_port = static_cast<std::uint16_t>(number(k, v, 1, UINT16_MAX)); }},
    Reader{"wireguard-port",
           [](Key k, const Json& v, Config& c) {
             c.cluster.wireguard_port = static_cast<std::uint16_t>(number(k, v, 1, UINT16_MAX));
           }},
    Reader{
        "dead-after",
        [](Key k, const Json& v,
           Config& c) { c.cluster.dead_after = std::chrono::seconds(number(k, v, 0, 31536000)); }},
    Reader{"ip-forward", [](Key k, const Json& v, Config& c) { c.ip_forward = flag(k, v); }},
    Reader{"userland-proxy",
           [](Key k, const Json& v, Config& c) { c.userland_proxy = flag(k, v); }},
    Reader{"dns", [](Key k, const Json& v, Config& c) { c.dns = addresses(k, v); }},
    Reader{"dns-search", [](Key k, const Json& v, Config& c) { c.dns_search = texts(k, v); }},
    Reader{"dns-opts", [](Key k, const Json& v, Config& c) { c.dns_options = texts(k, v); }},
};

/// Keys that change nothing here, with the reason.
struct Idle {
  Key key;
  std::string_view reason;
};
constexpr std::string_view own_table = "netd always filters with its own nftables table";
constexpr std::array idle{
    Idle{"iptables", own_table},
    Idle{"ip6tables", own_table},
    Idle{"firewall-backend", own_table},
    Idle{"ip-forward-no-drop", "netd never sets the policy of other tables' forward chains"},
    Idle{"live-restore", "containers' networks always stay up while netd is down"},
    Idle{"userland-proxy-path", "the relay is part of netd"},
};

/// Keys of netd and Docker that this version can't honour: ignoring them would be unsafe.
constexpr std::array absent{"allow-direct-routing", "bridge-accept-fwmark", "host-gateway-ip"};

/// Edits (Levenshtein) that make `a` of `b`.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row[b.size()];
}

std::string unknown_key(std::string_view key) {
  // Long nonsense is near to nothing, and would cost its length squared.
  const std::string_view part = key.substr(0, 64);
  const auto* nearest =
      std::min_element(readers.begin(), readers.end(), [&](const Reader& a, const Reader& b) {
        return distance(part, a.key) < distance(part, b.key);
      });
  std::string warning = fmt::format("{}: netd has no such key, it is ignored", part);
  if (distance(part, nearest->key) <= std::max<std::size_t>(2, part.size() / 3))
    warning += fmt::format("; the nearest is {}", nearest->key);
  return warning;
}

Json parse_object(std::string_view json) {
  Json document;
  try {
    document = Json::parse(json);
  } catch (const Json::parse_error& error) {
    const auto place = std::min(error.byte, json.size());
    const auto line =
        1 + std::count(json.begin(), json.begin() + static_cast<std::ptrdiff_t>(place), '\n');
    throw std::invalid_argument(
        fmt::format("line {}: this is not JSON (look for a missing or superfluous comma, "
                    "quote or brace there)",
                    line));
  } catch (const Json::out_of_range&) {
    throw std::invalid_argument("a number in it is too large; no key takes such a one");
  }
  if (!document.is_object())
    throw std::invalid_argument(R"(the file has to hold one JSON object, like {"mtu": 1400})");
  return document;
}

}  // namespace

std::vector<std::string> apply_config_text(std::string_view json, Config& config) {
  std::vector<std::string> warnings;
  // A file that is there and empty says nothing, as for Docker.
  if (json.find_first_not_of(" \t\r\n") == std::string_view::npos) return warnings;
  const Json document = parse_object(json);
  for (const auto& [key, value] : document.items()) {
    const auto is_it = [&name = key](const auto& candidate) { return candidate.key == name; };
    if (const auto* found = std::find_if(readers.begin(), readers.end(), is_it);
        found != readers.end())
      found->read(found->key, value, config);
    else if (const auto* without = std::find_if(idle.begin(), idle.end(), is_it);
             without != idle.end())
      warnings.push_back(fmt::format("{}: has no effect, {}", key, without->reason));
    else if (std::find(absent.begin(), absent.end(), key) != absent.end())
      throw std::invalid_argument(
          fmt::format("{}: not in this version of netd ({}); take it out", key, NETD_VERSION));
    else
      warnings.push_back(unknown_key(key));
  }
  return warnings;
}

}  // namespace netd
