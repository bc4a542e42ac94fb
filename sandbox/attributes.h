// libmnl's loops over netlink attributes, for C++ (its macros need C's conversions from void*).
#pragma once

#include <libmnl/libmnl.h>

#include <cstddef>

namespace sandbox {

/// Calls use(const nlattr*) for each well-formed attribute of the message behind `fixed_bytes` of
/// payload.
template <typename Use>
void for_each_attribute(const nlmsghdr* message, std::size_t fixed_bytes, Use use) {
  const auto* attribute =
      static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, fixed_bytes));
  const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
  for (; mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)));
       attribute = mnl_attr_next(attribute))
    use(attribute);
}

/// The same for those inside `parent`.
template <typename Use>
void for_each_nested(const nlattr* parent, Use use) {
  const auto* attribute = static_cast<const nlattr*>(mnl_attr_get_payload(parent));
  const char* end =
      static_cast<const char*>(mnl_attr_get_payload(parent)) + mnl_attr_get_payload_len(parent);
  for (; mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)));
       attribute = mnl_attr_next(attribute))
    use(attribute);
}

}  // namespace sandbox
