#include "runtime-hooks/netns_view.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <string_view>
#include <system_error>

namespace runtime_hooks {
namespace {

std::system_error failure(const std::string& what, int error = errno) {
  return {error, std::system_category(), what};
}

int open_socket() {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) throw failure("open an rtnetlink socket");
  return fd;
}

/// A socket stays in the namespace that it was opened in.
int open_socket_in(const std::string& path) {
  const int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (own < 0) throw failure("open /proc/self/ns/net");
  const int there = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  int result = -1, error = there < 0 ? errno : 0;
  if (there >= 0 && setns(there, CLONE_NEWNET) == 0) {
    result = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (result < 0) error = errno;
    if (setns(own, CLONE_NEWNET) != 0) error = errno;
  } else if (there >= 0) {
    error = errno;
  }
  if (there >= 0) close(there);
  close(own);
  if (error != 0) throw failure(path, error);
  return result;
}

using Attributes = std::map<int, std::string_view>;

Attributes attributes_of(const char* data, std::size_t size) {
  Attributes all;
  while (size >= sizeof(rtattr)) {
    rtattr head{};
    std::memcpy(&head, data, sizeof head);
    if (head.rta_len < sizeof head || head.rta_len > size) break;
    all[head.rta_type & NLA_TYPE_MASK] = {data + sizeof head, head.rta_len - sizeof head};
    const std::size_t step = std::min<std::size_t>(RTA_ALIGN(head.rta_len), size);
    data += step;
    size -= step;
  }
  return all;
}

int number_of(const Attributes& attributes, int type) {
  const auto found = attributes.find(type);
  std::uint32_t number = 0;
  if (found != attributes.end() && found->second.size() == sizeof number)
    std::memcpy(&number, found->second.data(), sizeof number);
  return static_cast<int>(number);
}

std::string text_of(const Attributes& attributes, int type) {
  const auto found = attributes.find(type);
  if (found == attributes.end()) return "";
  return std::string(found->second.substr(0, found->second.find('\0')));
}

std::string mac_of(const Attributes& attributes) {
  const auto found = attributes.find(IFLA_ADDRESS);
  if (found == attributes.end() || found->second.size() != 6) return "";
  std::string text;
  for (const char byte : found->second)
    text += fmt::format("{}{:02x}", text.empty() ? "" : ":", static_cast<unsigned char>(byte));
  return text;
}

std::string address_of(const Attributes& attributes, int type, int family) {
  const auto found = attributes.find(type);
  std::array<char, INET6_ADDRSTRLEN> text{};
  const std::size_t size = family == AF_INET ? 4 : 16;
  if (found == attributes.end() || found->second.size() != size) return "";
  return inet_ntop(family, found->second.data(), text.data(), text.size());
}

}  // namespace

bool is_same_namespace(const std::string& path, const std::string& other) {
  struct stat one {
  }, two{};
  return stat(path.c_str(), &one) == 0 && stat(other.c_str(), &two) == 0 &&
         one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

struct NetnsView::Message {
  std::string text;  // what follows nlmsghdr

  template <class Head>
  Head head() const {
    Head result{};
    std::memcpy(&result, text.data(), std::min(sizeof result, text.size()));
    return result;
  }
  template <class Head>
  Attributes attributes() const {
    const std::size_t offset = NLMSG_ALIGN(sizeof(Head));
    if (text.size() < offset) return {};
    return attributes_of(text.data() + offset, text.size() - offset);
  }
};

NetnsView::NetnsView() : socket_(open_socket()) {}
NetnsView::NetnsView(const std::string& path) : socket_(open_socket_in(path)) {}
NetnsView::~NetnsView() {
  close(socket_);
}

/// Answers until NLMSG_DONE of a dump, or the one of a question; empty for ENODEV.
std::vector<NetnsView::Message> NetnsView::ask(int type, int flags, const void* head,
                                               std::size_t size, const std::string& name) {
  std::string request(NLMSG_LENGTH(0), '\0');
  request.append(static_cast<const char*>(head), size);
  if (!name.empty()) {
    const rtattr attribute{static_cast<unsigned short>(RTA_LENGTH(name.size() + 1)), IFLA_IFNAME};
    request.append(reinterpret_cast<const char*>(&attribute), sizeof attribute);
    request.append(name.c_str(), name.size() + 1);
  }
  const nlmsghdr begin{static_cast<std::uint32_t>(request.size()), static_cast<std::uint16_t>(type),
                       static_cast<std::uint16_t>(NLM_F_REQUEST | flags), ++sequence_, 0};
  std::memcpy(request.data(), &begin, sizeof begin);
  if (send(socket_, request.data(), request.size(), 0) < 0) throw failure("ask the kernel");

  std::vector<Message> messages;
  std::vector<char> buffer(1 << 16);
  for (;;) {
    const ssize_t count = recv(socket_, buffer.data(), buffer.size(), 0);
    if (count < 0) throw failure("read the kernel's answer");
    auto left = static_cast<unsigned>(count);
    for (const auto* one = reinterpret_cast<const nlmsghdr*>(buffer.data()); NLMSG_OK(one, left);
         one = NLMSG_NEXT(one, left)) {
      if (one->nlmsg_seq != sequence_) continue;
      if (one->nlmsg_type == NLMSG_DONE) return messages;
      if (one->nlmsg_type == NLMSG_ERROR) {
        const int error = -static_cast<const nlmsgerr*>(NLMSG_DATA(one))->error;
        if (error == ENODEV) return {};
        throw failure("ask the kernel", error);
      }
      messages.push_back({{static_cast<const char*>(NLMSG_DATA(one)), NLMSG_PAYLOAD(one, 0)}});
      if ((flags & NLM_F_DUMP) == 0) return messages;
    }
  }
}

std::optional<LinkView> NetnsView::find_link(int index, const std::string& name) {
  if (name.size() >= IFNAMSIZ) return std::nullopt;
  ifinfomsg head{};
  head.ifi_index = index;
  const auto messages = ask(RTM_GETLINK, 0, &head, sizeof head, name);
  if (messages.empty()) return std::nullopt;
  const Attributes attributes = messages.front().attributes<ifinfomsg>();
  LinkView link{.index = messages.front().head<ifinfomsg>().ifi_index,
                .name = text_of(attributes, IFLA_IFNAME),
                .mac = mac_of(attributes),
                .mtu = number_of(attributes, IFLA_MTU),
                .lower = number_of(attributes, IFLA_LINK),
                .master = number_of(attributes, IFLA_MASTER)};
  if (const auto info = attributes.find(IFLA_LINKINFO); info != attributes.end())
    link.kind = text_of(attributes_of(info->second.data(), info->second.size()), IFLA_INFO_KIND);
  return link;
}

std::optional<LinkView> NetnsView::link(const std::string& name) {
  return find_link(0, name);
}

std::optional<LinkView> NetnsView::link(int index) {
  return find_link(index, "");
}

std::vector<std::string> NetnsView::addresses(int link) {
  std::vector<std::string> all;
  const ifaddrmsg head{};
  for (const Message& message : ask(RTM_GETADDR, NLM_F_DUMP, &head, sizeof head)) {
    const auto is = message.head<ifaddrmsg>();
    if (static_cast<int>(is.ifa_index) != link) continue;
    if (is.ifa_family == AF_INET6 && is.ifa_scope == RT_SCOPE_LINK) continue;
    const Attributes attributes = message.attributes<ifaddrmsg>();
    std::string address = address_of(attributes, IFA_LOCAL, is.ifa_family);
    if (address.empty()) address = address_of(attributes, IFA_ADDRESS, is.ifa_family);
    all.push_back(fmt::format("{}/{}", address, is.ifa_prefixlen));
  }
  return all;
}

std::vector<RouteView> NetnsView::routes(int link) {
  std::vector<RouteView> all;
  const rtmsg head{};
  for (const Message& message : ask(RTM_GETROUTE, NLM_F_DUMP, &head, sizeof head)) {
    const auto is = message.head<rtmsg>();
    const Attributes attributes = message.attributes<rtmsg>();
    if (link != 0 && number_of(attributes, RTA_OIF) != link) continue;
    if (is.rtm_type != RTN_UNICAST) continue;
    if (number_of(attributes, RTA_TABLE) != RT_TABLE_MAIN || is.rtm_protocol == RTPROT_KERNEL)
      continue;
    std::string destination = address_of(attributes, RTA_DST, is.rtm_family);
    if (destination.empty()) destination = is.rtm_family == AF_INET ? "0.0.0.0" : "::";
    all.push_back({.destination = fmt::format("{}/{}", destination, is.rtm_dst_len),
                   .gateway = address_of(attributes, RTA_GATEWAY, is.rtm_family),
                   .metric = number_of(attributes, RTA_PRIORITY),
                   .link = number_of(attributes, RTA_OIF)});
  }
  return all;
}

}  // namespace runtime_hooks
