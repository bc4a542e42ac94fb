// The sets and maps of table `inet netd`: names, types and what an element says. One element is
// keyed by one or more fields, each padded to 32 bits (nf_tables registers), in network order;
// interface indexes are in host order.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "sandbox/plan.h"

namespace sandbox {

inline constexpr const char* nft_table = "netd";

enum class FieldType { link, protocol, port, address4, address6 };

struct SetSchema {
  std::string_view name;
  std::vector<FieldType> key;
  std::vector<FieldType> value;  // empty: a set, else a map
  std::string_view comment;
  bool is_map() const { return !value.empty(); }
};

/// All of them, in the order in which they are created and listed.
std::span<const SetSchema> nft_sets();

/// Throws std::invalid_argument when the table has no such set or the element does not fit it.
const SetSchema& schema_of(const Element& element);

/// The fields as registers hold them.
std::vector<std::uint8_t> encode(const std::vector<ElementField>& fields);

/// Bytes of those fields in registers.
std::uint32_t encoded_bytes(const std::vector<FieldType>& fields);

/// nft's number for the (concatenated) type, which `nft list` goes by.
std::uint32_t nft_type(const std::vector<FieldType>& fields);

}  // namespace sandbox
