#include "dns/answer.h"

#include <algorithm>
#include <string>

#include "dns/text.h"

namespace dns {
namespace {

/// No zone of ours holds the name, so there is no SOA to give.
constexpr std::size_t no_authority = std::string_view::npos;

constexpr std::string_view reverse_v4 = ".in-addr.arpa";
constexpr std::string_view reverse_v6 = ".ip6.arpa";

bool is_below_or_at(std::string_view name, std::string_view top) {
  if (!name.ends_with(top)) return false;
  return name.size() == top.size() || name[name.size() - top.size() - 1] == '.';
}

Answer finish(Response& response, Disposition disposition = Disposition::local) {
  return {disposition, response.finish()};
}

/// NXDOMAIN or NODATA from a zone that is ours; `suffix` is where the zone's name begins.
Answer negative(const Query& query, Rcode rcode, std::size_t suffix,
                std::span<std::uint8_t> buffer) {
  Response response(query, buffer);
  response.set_rcode(rcode);
  response.set_authoritative();
  if (suffix != no_authority) response.add_soa(suffix, local_ttl);
  return finish(response);
}

/// Where the name of the reverse zone begins that holds `subnet`: RFC 2317 aside, zones are cut at
/// whole octets (IPv4) or nibbles (IPv6).
std::size_t reverse_zone(std::string_view name, const ipam::Prefix& subnet) {
  const int label_bits = subnet.address.is_v4() ? 8 : 4;
  const int host_labels = (subnet.address.bits() - subnet.length) / label_bits;
  std::size_t position = 0;
  for (int i = 0; i < host_labels; ++i)
    position = name.find('.', position) + 1;
  return position;
}

Answer answer_pointer(const Query& query, std::string_view name, std::span<std::uint8_t> buffer) {
  Response response(query, buffer);
  response.set_authoritative();
  const bool wanted = query.type == type::ptr || query.type == type::any;
  // A name that DNS can't carry is kept back, but the address is ours all the same.
  if (wanted && is_host_name(name)) response.add_pointer(name, local_ttl);
  return finish(response);
}

/// The subnet of an attached network, or of a range that RFC 6303 keeps at home, with this address.
std::optional<ipam::Prefix> find_own_range(const Snapshot& snapshot, const ipam::Address& address) {
  for (const auto& zone : snapshot.zones)
    for (const ipam::Prefix& subnet : zone->subnets())
      if (subnet.contains(address)) return subnet;
  const ipam::Prefix this_network{ipam::Address::v4(0), 8};
  const ipam::Prefix broadcast{ipam::Address::v4(0xffffffff), 32};
  if (this_network.contains(address)) return this_network;
  if (broadcast.contains(address)) return broadcast;
  return std::nullopt;
}

/// Nothing when the address is nobody's here.
std::optional<Answer> answer_reverse(const Snapshot& snapshot, const Query& query,
                                     const ipam::Address& address, std::span<std::uint8_t> buffer) {
  if (address.is_loopback()) return answer_pointer(query, "localhost", buffer);
  for (const auto& zone : snapshot.zones) {
    const Host* host = zone->find_host(address);
    if (!host || host->names.empty()) continue;
    return answer_pointer(query, host->names.front() + "." + zone->network_name(), buffer);
  }
  if (const auto range = find_own_range(snapshot, address))
    return negative(query, Rcode::name_error, reverse_zone(query.name(), *range), buffer);
  return std::nullopt;
}

/// Names that the root doesn't have and that would only leak (RFC 6761 6.4, RFC 7686).
std::optional<Answer> answer_special(const Query& query, std::span<std::uint8_t> buffer) {
  for (const std::string_view top : {"invalid", "onion"})
    if (is_below_or_at(query.name(), top))
      return negative(query, Rcode::name_error, query.name().size() - top.size(), buffer);
  return std::nullopt;
}

/// The end of the line: what is not ours goes to an upstream server if the sandbox may.
Answer answer_unknown(const View& view, const Query& query, std::span<std::uint8_t> buffer) {
  Response response(query, buffer);
  if (view.forwarding == Forwarding::none || view.servers.empty()) {
    // At once and final: SERVFAIL would make glibc try again for seconds (moby #43430).
    response.set_rcode(Rcode::name_error);
    response.set_extended_error(ExtendedError::not_authoritative);
    return finish(response);
  }
  const bool is_address = query.type == type::a || query.type == type::aaaa;
  const bool is_single_label =
      query.name_size > 0 && query.name().find('.') == std::string_view::npos;
  if (is_address && is_single_label && !view.forward_single_labels) return finish(response);
  if (query.type == type::any) {
    response.add_any_refusal(local_ttl);
    return finish(response);
  }
  return {Disposition::forward, 0};
}

}  // namespace

void Snapshot::load(std::shared_ptr<const View> source) {
  view = std::move(source);
  zones.resize(view->zones.size());
  std::ranges::transform(view->zones, zones.begin(), [](const auto& zone) { return zone->load(); });
}

Answer Answerer::answer(const Snapshot& snapshot, const Query& query,
                        std::span<std::uint8_t> buffer) {
  if (!query.has_odd_label) {
    std::size_t authority = no_authority;
    if (is_below_or_at(query.name(), "localhost")) {
      found_ = {ipam::Address::v4(0x7f000001), ipam::Address::from_value(ipam::Family::v6, 1)};
      return answer_addresses(query, no_authority, buffer);
    }
    if (find(snapshot, query.name(), authority)) return answer_addresses(query, authority, buffer);
    if (const auto address = parse_reverse_name(query.name()))
      if (const auto reverse = answer_reverse(snapshot, query, *address, buffer)) return *reverse;
    if (const auto special = answer_special(query, buffer)) return *special;
  }
  return answer_unknown(*snapshot.view, query, buffer);
}

Answer Answerer::refuse(const Query& query, Rcode rcode, std::span<std::uint8_t> buffer) {
  Response response(query, buffer);
  response.set_rcode(rcode);
  return finish(response, Disposition::failed);
}

/// libnetwork.md 5.2: a.b.c is looked for whole in every network, then as a.b in network c, then as
/// a in network b.c. The first network that knows it wins.
bool Answerer::find(const Snapshot& snapshot, std::string_view name, std::size_t& authority) {
  if (name.empty()) return false;
  for (const auto& zone : snapshot.zones)
    if (find_in(snapshot, *zone, name)) return true;
  for (auto dot = name.rfind('.'); dot != name.npos; dot = name.rfind('.', dot - 1)) {
    for (const auto& zone : snapshot.zones) {
      if (zone->lower_network_name() != name.substr(dot + 1)) continue;
      if (!find_in(snapshot, *zone, name.substr(0, dot))) continue;
      authority = dot + 1;
      return true;
    }
  }
  return false;
}

/// A link's alias stands for its target only: what else has that name is hidden.
bool Answerer::find_in(const Snapshot& snapshot, const Zone& zone, std::string_view name) {
  const auto& links = snapshot.view->links;
  if (links.empty()) return zone.find(name, found_);
  const auto link = links.find(std::string(name));
  return zone.find(link == links.end() ? name : to_lower(link->second), found_);
}

Answer Answerer::answer_addresses(const Query& query, std::size_t authority,
                                  std::span<std::uint8_t> buffer) {
  const auto first_v6 =
      std::ranges::find_if(found_, [](const ipam::Address& address) { return address.is_v6(); });
  const std::span v4(found_.begin(), first_v6);
  const std::span v6(first_v6, found_.end());
  std::span<const ipam::Address> wanted;
  if (query.type == type::a || (query.type == type::any && !v4.empty())) wanted = v4;
  if (query.type == type::aaaa || (query.type == type::any && v4.empty())) wanted = v6;
  // NODATA, never NXDOMAIN: musl takes that of one family as final for both (aardvark-dns #679).
  if (wanted.empty()) return negative(query, Rcode::no_error, authority, buffer);

  Response response(query, buffer);
  response.set_authoritative();
  const std::size_t start = rotation_++;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (!response.add_address(wanted[(start + i) % wanted.size()], local_ttl)) break;
  return finish(response);
}

namespace {

std::optional<std::uint8_t> parse_octet(std::string_view label) {
  if (label.empty() || label.size() > 3 || (label.size() > 1 && label[0] == '0'))
    return std::nullopt;
  unsigned value = 0;
  for (const char digit : label) {
    if (digit < '0' || digit > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(digit - '0');
  }
  if (value > 255) return std::nullopt;
  return static_cast<std::uint8_t>(value);
}

std::optional<ipam::Address> parse_reverse_v4(std::string_view labels) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const auto end = std::min(labels.find('.'), labels.size());
    const auto octet = parse_octet(labels.substr(0, end));
    const bool is_last = end == labels.size();
    if (!octet || is_last != (i == 3)) return std::nullopt;
    value |= static_cast<std::uint32_t>(*octet) << (8 * i);
    labels.remove_prefix(is_last ? end : end + 1);
  }
  return ipam::Address::v4(value);
}

std::optional<ipam::Address> parse_reverse_v6(std::string_view labels) {
  if (labels.size() != 63) return std::nullopt;  // 32 nibbles and 31 dots
  constexpr std::string_view digits = "0123456789abcdef";
  ipam::Offset value = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    const auto nibble = digits.find(labels[2 * i]);
    if (nibble == digits.npos || (i < 31 && labels[2 * i + 1] != '.')) return std::nullopt;
    value |= static_cast<ipam::Offset>(nibble) << (4 * i);
  }
  return ipam::Address::from_value(ipam::Family::v6, value);
}

}  // namespace

std::optional<ipam::Address> parse_reverse_name(std::string_view name) {
  if (name.ends_with(reverse_v4))
    return parse_reverse_v4(name.substr(0, name.size() - reverse_v4.size()));
  if (name.ends_with(reverse_v6))
    return parse_reverse_v6(name.substr(0, name.size() - reverse_v6.size()));
  return std::nullopt;
}

bool is_host_name(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  std::size_t label = 0;
  for (const char byte : name) {
    if (byte == '.') {
      if (label == 0) return false;
      label = 0;
      continue;
    }
    const char lower = to_lower(byte);
    const bool is_allowed = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') ||
                            lower == '-' || lower == '_';
    if (!is_allowed || ++label > 63) return false;
  }
  return label > 0;
}

}  // namespace dns
