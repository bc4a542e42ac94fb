#include "sandbox/link_watch.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace sandbox {
namespace {

constexpr std::size_t most_of_a_datagram = 32768;  // what the kernel fills at most

void add_change(nlmsghdr* message, std::vector<LinkChange>& changes) {
  if (message->nlmsg_type == RTM_NEWADDR || message->nlmsg_type == RTM_DELADDR) {
    const auto* address = static_cast<const ifaddrmsg*>(nlmsg_data(message));
    changes.push_back({address->ifa_index, ""});
    return;
  }
  if (message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK) return;
  nlattr* attributes[IFLA_MAX + 1] = {};
  if (nlmsg_parse(message, sizeof(ifinfomsg), attributes, IFLA_MAX, nullptr) < 0) return;
  const auto* header = static_cast<const ifinfomsg*>(nlmsg_data(message));
  // A bridge tells of its ports the same way, in a family of its own.
  if (header->ifi_family != AF_UNSPEC || !attributes[IFLA_IFNAME]) return;
  changes.push_back(
      {static_cast<std::uint32_t>(header->ifi_index), nla_get_string(attributes[IFLA_IFNAME])});
}

}  // namespace

LinkWatch::LinkWatch() : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (!fd_ || bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    throw std::system_error(errno, std::system_category(), "watch links");
}

LinkNotices LinkWatch::read() {
  LinkNotices notices;
  alignas(nlmsghdr) std::array<char, most_of_a_datagram> buffer;
  for (;;) {
    const ssize_t size = recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == ENOBUFS) {
      notices.lost = true;
      continue;
    }
    if (size <= 0) return notices;
    int left = static_cast<int>(size);
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(message, left);
         message = nlmsg_next(message, &left))
      add_change(message, notices.changes);
  }
}

}  // namespace sandbox
