// JSON of values that records and API bodies share: addresses as text, absent optionals as null.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>

#include "ipam/address.h"
#include "sandbox/process.h"

namespace sandbox {
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ProcessIdentity, pid, started)
}

namespace netd::detail {

/// `T::parse(text)`, or std::invalid_argument "expected <what>, found <json>".
template <class T>
T parse_value(const nlohmann::json& json, const char* what) {
  if (json.is_string())
    if (const auto value = T::parse(json.get_ref<const std::string&>())) return *value;
  throw std::invalid_argument(std::string("expected ") + what + ", found " + json.dump());
}

}  // namespace netd::detail

namespace nlohmann {

template <>
struct adl_serializer<ipam::Address> {
  static void to_json(json& j, const ipam::Address& value) { j = value.to_string(); }
  static void from_json(const json& j, ipam::Address& value) {
    value = netd::detail::parse_value<ipam::Address>(j, "an IP address");
  }
};

template <>
struct adl_serializer<ipam::Prefix> {
  static void to_json(json& j, const ipam::Prefix& value) { j = value.to_string(); }
  static void from_json(const json& j, ipam::Prefix& value) {
    value = netd::detail::parse_value<ipam::Prefix>(j, "an address with a prefix length");
  }
};

template <>
struct adl_serializer<ipam::Mac> {
  static void to_json(json& j, const ipam::Mac& value) { j = value.to_string(); }
  static void from_json(const json& j, ipam::Mac& value) {
    value = netd::detail::parse_value<ipam::Mac>(j, "a MAC address");
  }
};

template <class T>
struct adl_serializer<std::optional<T>> {
  static void to_json(json& j, const std::optional<T>& value) {
    if (value)
      j = *value;
    else
      j = nullptr;
  }
  static void from_json(const json& j, std::optional<T>& value) {
    if (j.is_null())
      value.reset();
    else
      value = j.get<T>();
  }
};

}  // namespace nlohmann
