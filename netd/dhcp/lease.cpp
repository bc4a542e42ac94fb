#include "netd/dhcp/lease.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "netd/value_json.h"

namespace netd::dhcp {
namespace {

using std::chrono::seconds;

constexpr std::uint16_t least_mtu = 576;  // RFC 791: what every host takes; less is a mistake
constexpr std::size_t most_domain_bytes = 253;
constexpr std::size_t most_domains = 32;

bool is_unicast(const ipam::Address& address) {
  const auto value = static_cast<std::uint32_t>(address.value());
  return value >> 24 != 0 && value >> 24 != 127 && value >> 28 < 0xe;  // not class D and E
}

/// Nothing when `mask` has a hole.
std::optional<int> length_of(const ipam::Address& mask) {
  const auto bits = static_cast<std::uint32_t>(mask.value());
  const int length = std::countl_one(bits);
  if (std::popcount(bits) != length || length == 0) return std::nullopt;
  return length;
}

/// RFC 791 3.2.
int class_length_of(const ipam::Address& address) {
  const int leading_ones = std::countl_one(address.bytes()[0]);
  return leading_ones == 0 ? 8 : leading_ones == 1 ? 16 : 24;
}

std::optional<ipam::Prefix> address_of(const Message& ack) {
  if (!is_unicast(ack.your_address)) return std::nullopt;
  if (!ack.options.contains(option::subnet_mask))
    return ipam::Prefix{ack.your_address, class_length_of(ack.your_address)};
  const auto mask = ack.address(option::subnet_mask);
  const auto length = mask ? length_of(*mask) : std::nullopt;
  if (!length) return std::nullopt;
  return ipam::Prefix{ack.your_address, *length};
}

/// It ends up in a resolv.conf: nothing may pass that means something else there.
bool is_domain(std::string_view text) {
  const auto is_fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= most_domain_bytes && std::ranges::all_of(text, is_fine) &&
         !text.starts_with('.') && text.find("..") == std::string::npos;
}

std::string domain_of(const Message& ack) {
  std::string domain = ack.text(option::domain);
  if (!domain.empty() && domain.back() == '.') domain.pop_back();
  return is_domain(domain) ? domain : std::string();
}

/// The name at `offset`, which moves behind it; nothing when it is malformed. Ends: a pointer leads
/// back, and between two visits of the same one the name has grown.
std::optional<std::string> read_name(View bytes, std::size_t& offset) {
  constexpr std::uint8_t pointer = 0xc0, longest_label = 63;
  std::string name;
  bool has_jumped = false;
  for (std::size_t at = offset; at < bytes.size() && name.size() <= most_domain_bytes;) {
    const std::uint8_t length = bytes[at];
    const std::size_t next = at + (length >= pointer ? 2 : 1 + length);
    if (next > bytes.size()) return std::nullopt;
    if (!std::exchange(has_jumped, has_jumped || length >= pointer)) offset = next;
    if (length == 0) return name;
    if (length >= pointer) {
      const std::size_t target = u16_at(bytes, at) & 0x3fff;
      if (target >= at) return std::nullopt;
      at = target;
      continue;
    }
    if (length > longest_label) return std::nullopt;
    if (!name.empty()) name += '.';
    name.append(bytes.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                bytes.begin() + static_cast<std::ptrdiff_t>(next));
    at = next;
  }
  return std::nullopt;
}

/// RFC 3397 2: names as in DNS messages, pointers count from the option's beginning.
std::vector<std::string> search_of(const Message& ack) {
  std::vector<std::string> search;
  const auto found = ack.options.find(option::domain_search);
  if (found == ack.options.end()) return search;
  const View bytes(found->second);
  for (std::size_t offset = 0; offset < bytes.size() && search.size() < most_domains;) {
    auto name = read_name(bytes, offset);
    if (!name) break;
    if (is_domain(*name)) search.push_back(std::move(*name));
  }
  return search;
}

std::vector<ipam::Address> unicast_addresses(const Message& ack, std::uint8_t code) {
  std::vector<ipam::Address> result = ack.addresses(code);
  std::erase_if(result, [](const ipam::Address& address) { return !is_unicast(address); });
  return result;
}

void read_routes(const Message& ack, Lease& lease) {
  if (!ack.options.contains(option::classless_routes)) {
    lease.routers = unicast_addresses(ack, option::router);
    return;
  }
  for (const Route& route : ack.routes()) {
    if (!route.gateway.is_any() && !is_unicast(route.gateway)) continue;
    if (route.destination.length > 0)
      lease.routes.push_back(route);
    else if (!route.gateway.is_any())
      lease.routers.push_back(route.gateway);
  }
}

void read_times(const Message& ack, Lease& lease) {
  const seconds half = lease.lifetime / 2;
  const seconds most = lease.lifetime - lease.lifetime / 8;
  lease.renew_after = ack.duration(option::renewal_time).value_or(half);
  lease.rebind_after = ack.duration(option::rebinding_time).value_or(most);
  if (lease.renew_after <= lease.rebind_after && lease.rebind_after <= lease.lifetime) return;
  lease.renew_after = half;
  lease.rebind_after = most;
}

/// FNV-1a, 128 bits: a name is no secret, it only has to come out the same each time.
std::array<std::uint8_t, 16> digest_of(std::string_view text) {
  using Number = unsigned __int128;
  constexpr Number prime = (Number{1} << 88) + 0x13b;
  Number hash = (Number{0x6c62272e07bb0142} << 64) + 0x62b821756295c58d;
  for (const char c : text)
    hash = (hash ^ static_cast<std::uint8_t>(c)) * prime;
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = bytes.size(); i-- > 0; hash >>= 8)
    bytes[i] = static_cast<std::uint8_t>(hash);
  return bytes;
}

}  // namespace

bool is_same_configuration(const Lease& left, const Lease& right) {
  return left.address == right.address && left.routers == right.routers &&
         left.routes == right.routes && left.dns == right.dns && left.domain == right.domain &&
         left.search == right.search && left.mtu == right.mtu;
}

std::optional<Lease> lease_of(const Message& ack, const ipam::Mac& server_mac, Time obtained) {
  const auto address = address_of(ack);
  const auto server = ack.address(option::server);
  const auto lifetime = ack.duration(option::lease_time);
  if (!address || !server || !is_unicast(*server) || !lifetime || lifetime->count() == 0)
    return std::nullopt;
  Lease lease{.address = *address,
              .dns = unicast_addresses(ack, option::dns_server),
              .domain = domain_of(ack),
              .search = search_of(ack),
              .server = *server,
              .server_mac = server_mac,
              .obtained = obtained,
              .lifetime = *lifetime};
  if (const auto mtu = ack.number(option::mtu); mtu && *mtu >= least_mtu) lease.mtu = mtu;
  read_routes(ack, lease);
  read_times(ack, lease);
  return lease;
}

Bytes client_id_of(std::string_view name) {
  constexpr std::uint8_t type_duid = 255;
  constexpr std::uint16_t duid_uuid = 4;
  const auto digest = digest_of(name);
  Bytes id;
  id.reserve(1 + 4 + 2 + digest.size());
  id.push_back(type_duid);
  append(id, View(digest).first(4));
  append_u16(id, duid_uuid);
  append(id, View(digest));
  return id;
}

void to_json(nlohmann::json& json, const Route& route) {
  json = {{"destination", route.destination}, {"gateway", route.gateway}};
}

void from_json(const nlohmann::json& json, Route& route) {
  json.at("destination").get_to(route.destination);
  json.at("gateway").get_to(route.gateway);
}

void to_json(nlohmann::json& json, const Lease& lease) {
  json = {{"address", lease.address},
          {"routers", lease.routers},
          {"routes", lease.routes},
          {"dns", lease.dns},
          {"domain", lease.domain},
          {"search", lease.search},
          {"mtu", lease.mtu},
          {"server", lease.server},
          {"server_mac", lease.server_mac},
          {"obtained_ms", lease.obtained.time_since_epoch().count()},
          {"renew_after", lease.renew_after.count()},
          {"rebind_after", lease.rebind_after.count()},
          {"lifetime", lease.lifetime.count()}};
}

void from_json(const nlohmann::json& json, Lease& lease) {
  const auto duration = [&](const char* key) { return seconds(json.at(key).get<std::uint32_t>()); };
  lease =
      Lease{.address = json.at("address").get<ipam::Prefix>(),
            .routers = json.at("routers").get<std::vector<ipam::Address>>(),
            .routes = json.at("routes").get<std::vector<Route>>(),
            .dns = json.at("dns").get<std::vector<ipam::Address>>(),
            .domain = json.at("domain").get<std::string>(),
            .search = json.value("search", std::vector<std::string>()),
            .mtu = json.at("mtu").get<std::optional<std::uint16_t>>(),
            .server = json.at("server").get<ipam::Address>(),
            .server_mac = json.at("server_mac").get<ipam::Mac>(),
            .obtained = Time(std::chrono::milliseconds(json.at("obtained_ms").get<std::int64_t>())),
            .renew_after = duration("renew_after"),
            .rebind_after = duration("rebind_after"),
            .lifetime = duration("lifetime")};
}

}  // namespace netd::dhcp
