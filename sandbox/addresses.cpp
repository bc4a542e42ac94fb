#include "sandbox/addresses.h"

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <cerrno>
#include <initializer_list>
#include <optional>
#include <span>
#include <system_error>

namespace sandbox {
namespace {

constexpr int create_flags = NLM_F_CREATE | NLM_F_EXCL;

std::uint8_t family_of(const ipam::Address& address) {
  return address.is_v4() ? AF_INET : AF_INET6;
}

std::uint8_t scope_of(const ipam::Address& address) {
  if (address.is_loopback()) return RT_SCOPE_HOST;
  return address.is_link_local() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

/// Runs a deletion; the codes in `gone` mean that there is nothing to delete.
void request_unless_gone(RtnlSocket& rtnl, RtnlMessage& message, const std::string& act,
                         std::initializer_list<int> gone) {
  try {
    rtnl.request(message, act);
  } catch (const std::system_error& error) {
    for (const int code : gone) {
      if (error.code().value() == code) return;
    }
    throw;
  }
}

RtnlMessage address_message(int type, int flags, const AddAddress& step) {
  const ipam::Address& address = step.address.address;
  ifaddrmsg header{};
  header.ifa_family = family_of(address);
  header.ifa_prefixlen = static_cast<std::uint8_t>(step.address.length);
  header.ifa_flags = address.is_v6() ? IFA_F_NODAD : 0;
  header.ifa_scope = scope_of(address);
  header.ifa_index = step.index;
  RtnlMessage message(type, flags);
  message.append(header);
  message.put(IFA_LOCAL, address);
  message.put(IFA_ADDRESS, address);
  return message;
}

std::string address_text(const AddAddress& step) {
  return fmt::format("address {} on link {}", step.address.to_string(), step.index);
}

std::uint8_t route_type(const std::string& name) {
  if (name.empty()) return RTN_UNICAST;
  if (name == "blackhole") return RTN_BLACKHOLE;
  if (name == "unreachable") return RTN_UNREACHABLE;
  if (name == "prohibit") return RTN_PROHIBIT;
  throw std::invalid_argument("no such type of route: " + name);
}

/// An on-link route has scope link: its destination is reached without a gateway.
RtnlMessage route_message(int type, int flags, const AddRoute& step) {
  rtmsg header{};
  header.rtm_family = family_of(step.destination.address);
  header.rtm_dst_len = static_cast<std::uint8_t>(step.destination.length);
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_type = route_type(step.type);
  const bool on_link_v4 = !step.gateway && step.type.empty() && step.destination.address.is_v4();
  header.rtm_scope = on_link_v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  RtnlMessage message(type, flags);
  message.append(header);
  if (step.destination.length > 0) message.put(RTA_DST, step.destination.network());
  if (step.gateway) message.put(RTA_GATEWAY, *step.gateway);
  if (step.index != 0) message.put_u32(RTA_OIF, step.index);
  if (step.metric != 0) message.put_u32(RTA_PRIORITY, step.metric);
  return message;
}

std::string route_text(const AddRoute& step) {
  const std::string via = step.gateway ? " via " + step.gateway->to_string() : "";
  const std::string on = step.index == 0 ? "" : fmt::format(" on link {}", step.index);
  return fmt::format("route {}{}{}", step.destination.to_string(), via, on);
}

std::optional<ipam::Address> parse_address(const nlattr* attribute) {
  if (!attribute) return std::nullopt;
  return ipam::Address::from_bytes(std::span(static_cast<const std::uint8_t*>(nla_data(attribute)),
                                             static_cast<std::size_t>(nla_len(attribute))));
}

/// The destination when the main table's route is of the kind that list_on_link_routes is after.
std::optional<ipam::Prefix> on_link_destination(nlmsghdr* message) {
  nlattr* attributes[RTA_MAX + 1] = {};
  nlmsg_parse(message, sizeof(rtmsg), attributes, RTA_MAX, nullptr);
  const auto* header = static_cast<const rtmsg*>(nlmsg_data(message));
  if (header->rtm_type != RTN_UNICAST || header->rtm_table != RT_TABLE_MAIN) return std::nullopt;
  if (header->rtm_flags & RTM_F_CLONED) return std::nullopt;
  for (const int elsewhere : {RTA_GATEWAY, RTA_VIA, RTA_MULTIPATH, RTA_NH_ID}) {
    if (attributes[elsewhere]) return std::nullopt;
  }
  const auto destination = parse_address(attributes[RTA_DST]);
  if (!destination || header->rtm_dst_len == 0) return std::nullopt;
  if (destination->is_loopback() || destination->is_link_local()) return std::nullopt;
  return ipam::Prefix{*destination, header->rtm_dst_len};
}

}  // namespace

void add_address(RtnlSocket& rtnl, const AddAddress& step) {
  RtnlMessage message = address_message(RTM_NEWADDR, create_flags, step);
  const ipam::Prefix& prefix = step.address;
  if (prefix.address.is_v4() && prefix.length < 31) message.put(IFA_BROADCAST, prefix.last());
  rtnl.request(message, "add " + address_text(step));
}

void remove_address(RtnlSocket& rtnl, const AddAddress& step) {
  RtnlMessage message = address_message(RTM_DELADDR, 0, step);
  request_unless_gone(rtnl, message, "remove " + address_text(step), {EADDRNOTAVAIL, ENODEV});
}

std::vector<ipam::Prefix> list_addresses(RtnlSocket& rtnl, std::uint32_t index) {
  ifaddrmsg header{};
  header.ifa_index = index;
  RtnlMessage message(RTM_GETADDR);
  message.append(header);
  std::vector<ipam::Prefix> addresses;
  const auto keep = [&](nlmsghdr* reply) {
    const auto* found = static_cast<const ifaddrmsg*>(nlmsg_data(reply));
    nlattr* attributes[IFA_MAX + 1] = {};
    nlmsg_parse(reply, sizeof(ifaddrmsg), attributes, IFA_MAX, nullptr);
    // IFA_ADDRESS is the peer's on a point-to-point link (linux/if_addr.h).
    const int own = attributes[IFA_LOCAL] ? IFA_LOCAL : IFA_ADDRESS;
    const auto address = parse_address(attributes[own]);
    if (address && found->ifa_index == index) addresses.push_back({*address, found->ifa_prefixlen});
  };
  try {
    rtnl.dump(message, fmt::format("list addresses of link {}", index), keep);
  } catch (const std::system_error& error) {
    if (error.code().value() != ENODEV) throw;
  }
  return addresses;
}

void add_route(RtnlSocket& rtnl, const AddRoute& step) {
  RtnlMessage message = route_message(RTM_NEWROUTE, create_flags, step);
  rtnl.request(message, "add " + route_text(step));
}

void remove_route(RtnlSocket& rtnl, const AddRoute& step) {
  RtnlMessage message = route_message(RTM_DELROUTE, 0, step);
  request_unless_gone(rtnl, message, "remove " + route_text(step), {ESRCH, ENODEV, ENETUNREACH});
}

std::vector<ipam::Prefix> list_on_link_routes(RtnlSocket& rtnl) {
  std::vector<ipam::Prefix> destinations;
  for (const int family : {AF_INET, AF_INET6}) {
    rtmsg header{};
    header.rtm_family = static_cast<std::uint8_t>(family);
    header.rtm_table = RT_TABLE_MAIN;
    RtnlMessage message(RTM_GETROUTE);
    message.append(header);
    rtnl.dump(message, "list routes", [&](nlmsghdr* reply) {
      if (auto destination = on_link_destination(reply)) destinations.push_back(*destination);
    });
  }
  return destinations;
}

}  // namespace sandbox
