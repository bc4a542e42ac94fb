#include "sandbox/nft_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace sandbox {
namespace {

using enum FieldType;

constexpr std::uint32_t port_bytes = 2;

// None has a size limit: for a set of known size the kernel makes a hash table of that many buckets
// at once (2 MiB for 131,072 elements), which costs more than all else in `replace`. Each port
// holds a descriptor of netd and each network a bridge, so both have their limits elsewhere.
std::vector<SetSchema> make_sets() {
  return {
      {"nets", {link}, {}, "every bridge of netd"},
      {"samebr", {link, link}, {}, "bridge . bridge: containers may talk (ICC)"},
      {"icc_off", {link, link}, {}, "bridge . bridge: only through published ports"},
      {"internal", {link}, {}, "no way out, no way in"},
      {"open_in", {link}, {}, "reachable from outside without publishing"},
      {"masq", {link}, {}, "leaves with the host's IPv4 address"},
      {"masq6", {link}, {}, "leaves with the host's IPv6 address"},
      {"snat4", {link}, {address4}, "leaves with this IPv4 address"},
      {"snat6", {link}, {address6}, "leaves with this IPv6 address"},
      {"pub4", {protocol, port}, {address4, port}, "published on all IPv4 addresses"},
      {"pub4a", {address4, protocol, port}, {address4, port}, "published on one"},
      {"pub6", {protocol, port}, {address6, port}, "published on all IPv6 addresses"},
      {"pub6a", {address6, protocol, port}, {address6, port}, "published on one"},
      {"open4", {address4, protocol, port}, {}, "reachable there without NAT"},
      {"open6", {address6, protocol, port}, {}, "reachable there without NAT"},
      {"hair4", {address4, address4}, {}, "container . same, which publishes"},
      {"hair6", {address6, address6}, {}, "container . same, which publishes"},
      {"overlays", {link}, {}, "bridges of overlay networks, where the host isn't"},
      {"tunnels", {port}, {}, "UDP ports of VXLAN tunnels"},
      {"hosts4", {address4}, {}, "IPv4 tunnel addresses of the cluster's hosts"},
      {"hosts6", {address6}, {}, "IPv6 tunnel addresses of the cluster's hosts"},
      {"enc_ports", {port}, {}, "UDP ports of VXLAN tunnels inside encrypted ones"},
      {"enc_links", {link}, {}, "the links that encrypt"},
  };
}

bool fits(FieldType type, const ElementField& field) {
  switch (type) {
    case link:
      return std::holds_alternative<LinkIndex>(field);
    case protocol:
      return std::holds_alternative<Protocol>(field);
    case port:
      return std::holds_alternative<PortNumber>(field);
    case address4:
    case address6: {
      const auto* address = std::get_if<ipam::Address>(&field);
      return address && address->is_v4() == (type == address4);
    }
  }
  return false;
}

bool fits(const std::vector<FieldType>& types, const std::vector<ElementField>& fields) {
  return std::equal(types.begin(), types.end(), fields.begin(), fields.end(),
                    [](FieldType type, const ElementField& field) { return fits(type, field); });
}

void append(std::vector<std::uint8_t>& bytes, const ElementField& field) {
  const auto pad = [&] { bytes.resize((bytes.size() + 3) / 4 * 4); };
  if (const auto* index = std::get_if<LinkIndex>(&field)) {
    const auto host_order = std::bit_cast<std::array<std::uint8_t, 4>>(index->index);
    bytes.insert(bytes.end(), host_order.begin(), host_order.end());
  } else if (const auto* protocol_number = std::get_if<Protocol>(&field)) {
    bytes.push_back(static_cast<std::uint8_t>(*protocol_number));
  } else if (const auto* port_number = std::get_if<PortNumber>(&field)) {
    bytes.push_back(static_cast<std::uint8_t>(port_number->number >> 8));
    bytes.push_back(static_cast<std::uint8_t>(port_number->number & 0xff));
  } else {
    const auto address = std::get<ipam::Address>(field).bytes();
    bytes.insert(bytes.end(), address.begin(), address.end());
  }
  pad();
}

/// enum datatypes in nftables' include/datatype.h.
std::uint32_t nft_type(FieldType type) {
  switch (type) {
    case link:
      return 20;  // iface_index
    case protocol:
      return 12;  // inet_proto
    case port:
      return 13;  // inet_service
    case address4:
      return 7;  // ipv4_addr
    case address6:
      return 8;  // ipv6_addr
  }
  return 0;
}

}  // namespace

std::span<const SetSchema> nft_sets() {
  static const std::vector<SetSchema> sets = make_sets();
  return sets;
}

const SetSchema& schema_of(const Element& element) {
  const auto sets = nft_sets();
  const auto found = std::find_if(sets.begin(), sets.end(), [&](const SetSchema& schema) {
    return schema.name == element.set;
  });
  if (found == sets.end())
    throw std::invalid_argument(fmt::format("no set {} in table inet netd", element.set));
  if (!fits(found->key, element.key) || !fits(found->value, element.value))
    throw std::invalid_argument(fmt::format("set {} of table inet netd cannot hold element {}",
                                            element.set, to_text(element)));
  return *found;
}

std::vector<std::uint8_t> encode(const std::vector<ElementField>& fields) {
  std::vector<std::uint8_t> bytes;
  bytes.reserve(32);
  for (const ElementField& field : fields)
    append(bytes, field);
  // Alone, a field is as long as it is; the padding tells the fields of a concatenation apart.
  if (fields.size() == 1 && std::holds_alternative<PortNumber>(fields.front()))
    bytes.resize(port_bytes);
  return bytes;
}

std::uint32_t encoded_bytes(const std::vector<FieldType>& fields) {
  if (fields.size() == 1 && fields.front() == port) return port_bytes;
  std::uint32_t bytes = 0;
  for (const FieldType field : fields)
    bytes += field == address6 ? 16 : 4;
  return bytes;
}

std::uint32_t nft_type(const std::vector<FieldType>& fields) {
  std::uint32_t type = 0;
  for (const FieldType field : fields)
    type = type << 6 | nft_type(field);  // TYPE_BITS
  return type;
}

}  // namespace sandbox
