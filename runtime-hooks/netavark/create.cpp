#include "runtime-hooks/netavark/create.h"

#include <arpa/inet.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime-hooks/netavark/network.h"
#include "runtime-hooks/reader.h"
#include "runtime-hooks/sandbox_id.h"

namespace runtime_hooks::netavark {
namespace {

using nlohmann::json;
using Bytes = std::vector<unsigned char>;  // 4 or 16

struct Subnet {
  Bytes address;
  int length = 0;
};

Bytes parse_address(const std::string& text) {
  std::array<unsigned char, 16> bytes{};
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1)
    return {bytes.begin(), bytes.begin() + 4};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return {bytes.begin(), bytes.end()};
  throw std::runtime_error(fmt::format("invalid IP address {}", text));
}

std::string text_of(const Bytes& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return inet_ntop(address.size() == 4 ? AF_INET : AF_INET6, address.data(), text.data(),
                   text.size());
}

/// Sets what is beyond `length` to zero.
void cut(Bytes& address, int length) {
  for (int bit = length; bit < static_cast<int>(address.size()) * 8; ++bit)
    address[static_cast<std::size_t>(bit) / 8] &= static_cast<unsigned char>(~(0x80 >> bit % 8));
}

Subnet parse_subnet(const std::string& text) {
  const std::size_t slash = text.find('/');
  Subnet subnet{.address = parse_address(text.substr(0, slash))};
  const int most = static_cast<int>(subnet.address.size()) * 8;
  const char* begin = text.data() + std::min(slash, text.size() - 1) + 1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, subnet.length);
  if (slash == std::string::npos || error != std::errc{} || stop != end || subnet.length < 0 ||
      subnet.length > most)
    throw std::runtime_error(fmt::format("invalid subnet {}", text));
  cut(subnet.address, subnet.length);
  return subnet;
}

/// The address as a subnet of its own.
Subnet whole(Bytes address) {
  const int length = static_cast<int>(address.size()) * 8;
  return {.address = std::move(address), .length = length};
}

bool overlap(const Subnet& one, const Subnet& other) {
  if (one.address.size() != other.address.size()) return false;
  Bytes a = one.address, b = other.address;
  const int length = std::min(one.length, other.length);
  cut(a, length);
  cut(b, length);
  return a == b;
}

bool contains(const Subnet& subnet, const Bytes& address) {
  return overlap(subnet, whole(address));
}

/// Adds 1 at the last bit of a prefix of this length; false: there is no next one.
bool advance(Bytes& address, int length) {
  for (int bit = length - 1; bit >= 0; --bit) {
    auto& byte = address[static_cast<std::size_t>(bit) / 8];
    const auto mask = static_cast<unsigned char>(0x80 >> bit % 8);
    byte ^= mask;
    if (byte & mask) return true;
  }
  return false;
}

std::string text_of(const Subnet& subnet) {
  return fmt::format("{}/{}", text_of(subnet.address), subnet.length);
}

json subnet_json(Subnet subnet, bool with_gateway) {
  json result{{"subnet", text_of(subnet)}};
  if (with_gateway && advance(subnet.address, static_cast<int>(subnet.address.size()) * 8))
    result["gateway"] = text_of(subnet.address);
  return result;
}

std::uint32_t parse_number(const std::string& key, const std::string& text) {
  std::uint32_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || stop != text.data() + text.size())
    throw std::runtime_error(
        fmt::format("unable to parse \"{}\": invalid digit found in string", key));
  return number;
}

/// podman 6 leaves it to netavark to know the options. netd's and Docker's have dots in their
/// names.
void check_options(const std::string& driver, const json& options) {
  constexpr std::uint32_t last_vlan = 4094;
  for (const auto& [key, value] : options.items()) {
    if (key.find('.') == std::string::npos && !is_network_option(key))
      throw std::runtime_error(fmt::format("unsupported {} network option: {}", driver, key));
    if (key != "mtu" && key != "metric" && key != "vlan") continue;
    if (parse_number(key, value.get<std::string>()) > last_vlan && key == "vlan")
      throw std::runtime_error("vlan ID should be a number between 0 and 4094");
  }
}

std::string now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

/// The address of that name lies in its subnet, where there is one.
void check_inside(const Subnet& subnet, const Reader& object, const char* key, const char* what) {
  const std::string address = object.text(key);
  if (!address.empty() && !contains(subnet, parse_address(address)))
    throw std::runtime_error(fmt::format("{} {} not in subnet {}", what, address, text_of(subnet)));
}

/// Each subnet of a new network, without the bits of a host. Throws for what netd would refuse with
/// the first container, when the network is there for podman.
std::vector<Subnet> checked_subnets(json& network) {
  std::vector<Subnet> subnets;
  if (!network.contains("subnets") || network["subnets"].is_null()) return subnets;
  for (json& one : network["subnets"]) {
    const Reader given(one, "subnets");
    const Subnet subnet = parse_subnet(given.text("subnet"));
    for (const Subnet& other : subnets)
      if (overlap(subnet, other))
        throw std::runtime_error(
            fmt::format("subnets {} and {} overlap", text_of(other), text_of(subnet)));
    check_inside(subnet, given, "gateway", "gateway");
    const Reader range = given.object("lease_range");
    check_inside(subnet, range, "start_ip", "lease range start_ip");
    check_inside(subnet, range, "end_ip", "lease range end_ip");
    one["subnet"] = text_of(subnet);
    subnets.push_back(subnet);
  }
  return subnets;
}

class Creation {
 public:
  explicit Creation(const json& request)
      : request_(request, ""), network_(request.value("network", json::object())) {}

  json complete() {
    const Reader given = request_.object("network");
    driver_ = given.text("driver").empty() ? "bridge" : given.text("driver");
    check_name(given);
    read_used();
    if (is_bridge() || is_on_a_parent()) check_options(driver_, given.text_map("options"));
    choose_interface(given.text("network_interface"));
    const std::string ipam = given.text_map("ipam_options").value("driver", "");
    if (ipam == "none" || is_on_a_parent()) network_["dns_enabled"] = false;  // as netavark
    if (driver_ == "ipvlan" && (ipam == "dhcp" || given.objects("subnets").empty()))
      throw std::runtime_error("ipam driver dhcp is not supported with ipvlan");
    complete_subnets(given, ipam);
    if (!given.texts("network_dns_servers").empty() && !has_dns())
      throw std::runtime_error(
          "cannot set NetworkDNSServers if DNS is not enabled for the network");
    network_request(network_);  // says what netd has no way to do
    network_["created"] = now();
    return network_;
  }

 private:
  static void check_name(const Reader& network) {
    const std::string name = network.text("name");
    const auto plain = [](unsigned char c) { return std::isalnum(c) != 0; };
    const bool is_name = !name.empty() && plain(static_cast<unsigned char>(name[0])) &&
                         std::ranges::all_of(name, [&](unsigned char c) {
                           return plain(c) || c == '_' || c == '.' || c == '-';
                         });
    if (!is_name)
      throw std::runtime_error(fmt::format(
          "network name {} invalid: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*", name));
    if (!is_sandbox_id(network.text("id")))
      throw std::runtime_error(
          fmt::format("network id {} invalid: 64 hex digits are expected", network.text("id")));
  }

  void read_used() {
    const Reader used = request_.object("used");
    for (const std::string& interface : used.texts("interfaces"))
      interfaces_.insert(interface);
    for (const std::string& subnet : used.texts("subnets"))
      used_.push_back(parse_subnet(subnet));
    const std::string name = request_.object("network").text("name");
    if (used.contains("names") && used.object("names").contains(name))
      throw std::runtime_error(fmt::format("network already exists {}", name));
  }

  bool has_dns() const { return Reader(network_, "network").flag("dns_enabled", false); }
  bool is_bridge() const { return driver_ == "bridge"; }
  bool is_on_a_parent() const { return driver_ == "macvlan" || driver_ == "ipvlan"; }

  void choose_interface(const std::string& wanted) {
    if (!is_bridge()) return;
    const bool is_managed =
        request_.object("network").text_map("options").value("mode", "managed") == "managed";
    if (wanted.empty())
      network_["network_interface"] = free_interface();
    else if (is_managed && interfaces_.contains(wanted))
      throw std::runtime_error(fmt::format("bridge name {} already in use", wanted));
  }

  std::string free_interface() const {
    std::string prefix = request_.object("options").text("default_interface_name");
    if (prefix.empty()) prefix = "podman";
    for (int number = 0;; ++number)
      if (std::string name = fmt::format("{}{}", prefix, number); !interfaces_.contains(name))
        return name;
  }

  bool is_used(const Subnet& subnet) const {
    return std::ranges::any_of(used_, [&](const Subnet& other) { return overlap(subnet, other); });
  }

  Subnet free_v4() const {
    for (const Reader& pool : request_.object("options").objects("subnet_pools")) {
      const Subnet base = parse_subnet(pool.text("base"));
      const auto length = static_cast<int>(pool.number("size"));
      if (length < base.length || length > 32 || base.address.size() != 4)
        throw std::runtime_error(fmt::format("invalid subnet pool {}", pool.text("base")));
      Subnet subnet{.address = base.address, .length = length};
      for (bool more = true; more && overlap(subnet, base); more = advance(subnet.address, length))
        if (!is_used(subnet)) return subnet;
    }
    throw std::runtime_error("failed to find free subnet");
  }

  /// RFC 4193 3.2: a random one of fd00::/8.
  Subnet free_v6() const {
    for (;;) {
      Subnet subnet{.address = Bytes(16), .length = 64};
      if (getrandom(subnet.address.data(), 8, 0) != 8)
        throw std::runtime_error("getrandom: no random bytes");
      subnet.address[0] = 0xfd;
      if (!is_used(subnet)) return subnet;
    }
  }

  json complete_subnet(const Subnet& subnet, const json& given, bool has_gateway) const {
    // What a container's macvlan link is on, the host's own link is usually on too.
    if (is_bridge() && request_.object("options").flag("check_used_subnets", true) &&
        is_used(subnet))
      throw std::runtime_error(fmt::format(
          "subnet {} is already used on the host or by another config", text_of(subnet)));
    json completed = subnet_json(subnet, has_gateway);
    completed.update(given);
    if (Reader(completed, "subnets").text("gateway").empty()) completed.erase("gateway");
    return completed;
  }

  void complete_subnets(const Reader& given, const std::string& ipam) {
    const bool has_gateway = !given.flag("internal", false) || has_dns();
    json subnets = json::array();
    for (const Subnet& subnet : checked_subnets(network_))
      subnets.push_back(complete_subnet(subnet, network_["subnets"][subnets.size()], has_gateway));
    const auto is_v6 = [](const json& one) {
      return one.at("subnet").get<std::string>().find(':') != std::string::npos;
    };
    if (is_bridge() && ipam != "dhcp" && ipam != "none") {
      if (subnets.empty()) subnets.push_back(subnet_json(free_v4(), has_gateway));
      if (given.flag("ipv6_enabled", false) && std::ranges::none_of(subnets, is_v6))
        subnets.push_back(subnet_json(free_v6(), has_gateway));
    }
    if (std::ranges::any_of(subnets, is_v6)) network_["ipv6_enabled"] = true;
    if (ipam.empty())
      network_["ipam_options"] = {{"driver", subnets.empty() ? "dhcp" : "host-local"}};
    network_["subnets"] = std::move(subnets);
  }

  Reader request_;
  json network_;
  std::string driver_;
  std::set<std::string> interfaces_;
  std::vector<Subnet> used_;
};

}  // namespace

json create_network(const json& request) {
  return Creation(request).complete();
}

json create_plugin_network(json network) {
  if (checked_subnets(network).empty())
    throw std::runtime_error("netd's networks need a subnet: --subnet");
  network_request(network);
  return network;
}

}  // namespace runtime_hooks::netavark
