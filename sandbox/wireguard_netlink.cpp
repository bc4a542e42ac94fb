#include "sandbox/wireguard_netlink.h"

#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <system_error>

#include "sandbox/rtnl.h"

namespace sandbox::wireguard_netlink {
namespace {

genlmsghdr header(std::uint8_t command, std::uint8_t version) {
  return {.cmd = command, .version = version, .reserved = 0};
}

const nlattr* attributes(nlmsghdr* message) {
  return static_cast<const nlattr*>(nlmsg_data(message)) + GENL_HDRLEN / sizeof(nlattr);
}

int attributes_size(nlmsghdr* message) {
  return nlmsg_datalen(message) - GENL_HDRLEN;
}

/// A conversation with the kernel's WireGuard.
class Conversation {
 public:
  Conversation() : socket_(NETLINK_GENERIC) {
    RtnlMessage question(GENL_ID_CTRL);
    question.append(header(CTRL_CMD_GETFAMILY, 1));
    question.put(CTRL_ATTR_FAMILY_NAME, std::string(WG_GENL_NAME));
    socket_.query(question, "ask for the kernel's WireGuard", [&](nlmsghdr* answer) {
      nlattr* found[CTRL_ATTR_MAX + 1] = {};
      nla_parse(found, CTRL_ATTR_MAX, const_cast<nlattr*>(attributes(answer)),
                attributes_size(answer), nullptr);
      if (found[CTRL_ATTR_FAMILY_ID]) family_ = nla_get_u16(found[CTRL_ATTR_FAMILY_ID]);
    });
    if (family_ == 0)
      throw std::system_error(ENOENT, std::system_category(), "ask for the kernel's WireGuard");
  }

  RtnlMessage about(const std::string& name, std::uint8_t command) const {
    RtnlMessage message(family_);
    message.append(header(command, WG_GENL_VERSION));
    message.put(WGDEVICE_A_IFNAME, name);
    return message;
  }
  RtnlSocket& socket() { return socket_; }

 private:
  RtnlSocket socket_;
  int family_ = 0;
};

WireguardKey key_of(const nlattr* attribute) {
  WireguardKey key;
  if (attribute && nla_len(attribute) == static_cast<int>(key.bytes.size()))
    std::memcpy(key.bytes.data(), nla_data(attribute), key.bytes.size());
  return key;
}

void read_endpoint(const nlattr* attribute, WireguardPeer& peer) {
  const auto* const bytes = static_cast<const std::uint8_t*>(nla_data(attribute));
  const auto size = static_cast<std::size_t>(nla_len(attribute));
  const auto from = [&](std::size_t address, std::size_t length, std::size_t port) {
    peer.host = *ipam::Address::from_bytes(std::span(bytes + address, length));
    peer.port = static_cast<std::uint16_t>(bytes[port] << 8 | bytes[port + 1]);
  };
  if (size == sizeof(sockaddr_in))
    from(offsetof(sockaddr_in, sin_addr), 4, offsetof(sockaddr_in, sin_port));
  else if (size == sizeof(sockaddr_in6))
    from(offsetof(sockaddr_in6, sin6_addr), 16, offsetof(sockaddr_in6, sin6_port));
}

void read_peer(nlattr* attribute, WireguardFacts& facts) {
  nlattr* found[WGPEER_A_MAX + 1] = {};
  if (nla_parse_nested(found, WGPEER_A_MAX, attribute, nullptr) < 0) return;
  const WireguardKey key = key_of(found[WGPEER_A_PUBLIC_KEY]);
  WireguardPeer& peer = facts.peers[key];
  if (found[WGPEER_A_ENDPOINT]) read_endpoint(found[WGPEER_A_ENDPOINT], peer);
  if (const nlattr* time = found[WGPEER_A_LAST_HANDSHAKE_TIME]) {
    std::int64_t seconds = 0;  // __kernel_timespec
    if (nla_len(time) >= static_cast<int>(sizeof seconds))
      std::memcpy(&seconds, nla_data(time), sizeof seconds);
    if (seconds > 0) facts.handshakes[key] = seconds;
  }
  if (!found[WGPEER_A_ALLOWEDIPS]) return;
  int remaining = 0;
  nlattr* allowed = nullptr;
  nla_for_each_nested(allowed, found[WGPEER_A_ALLOWEDIPS], remaining) {
    nlattr* parts[WGALLOWEDIP_A_MAX + 1] = {};
    if (nla_parse_nested(parts, WGALLOWEDIP_A_MAX, allowed, nullptr) < 0) continue;
    const nlattr* const address = parts[WGALLOWEDIP_A_IPADDR];
    if (!address) continue;
    peer.inside =
        ipam::Address::from_bytes(std::span(static_cast<const std::uint8_t*>(nla_data(address)),
                                            static_cast<std::size_t>(nla_len(address))));
  }
}

template <class Header>
std::span<const std::uint8_t> bytes_of(const Header& header) {
  return {reinterpret_cast<const std::uint8_t*>(&header), sizeof header};
}

void put_endpoint(RtnlMessage& message, const WireguardPeer& peer) {
  const auto copy = [&](void* to) {
    const auto bytes = peer.host.bytes();
    std::memcpy(to, bytes.data(), bytes.size());
  };
  if (peer.host.is_v4()) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(peer.port);
    copy(&address.sin_addr);
    message.put(WGPEER_A_ENDPOINT, bytes_of(address));
  } else {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(peer.port);
    copy(&address.sin6_addr);
    message.put(WGPEER_A_ENDPOINT, bytes_of(address));
  }
}

/// One peer in the device's list.
template <class Fill>
void put_one_peer(RtnlMessage& message, const WireguardKey& key, const Fill& fill) {
  message.nest(WGDEVICE_A_PEERS, [&] {
    message.nest(0, [&] {
      message.put(WGPEER_A_PUBLIC_KEY, std::span(key.bytes));
      fill();
    });
  });
}

}  // namespace

bool is_there() {
  try {
    const Conversation kernel;
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

WireguardFacts read(const std::string& name) {
  Conversation kernel;
  WireguardFacts facts;
  RtnlMessage question = kernel.about(name, WG_CMD_GET_DEVICE);
  kernel.socket().dump(question, "read WireGuard link " + name, [&](nlmsghdr* answer) {
    nlattr* found[WGDEVICE_A_MAX + 1] = {};
    nla_parse(found, WGDEVICE_A_MAX, const_cast<nlattr*>(attributes(answer)),
              attributes_size(answer), nullptr);
    if (found[WGDEVICE_A_PRIVATE_KEY]) facts.private_key = key_of(found[WGDEVICE_A_PRIVATE_KEY]);
    if (found[WGDEVICE_A_LISTEN_PORT]) facts.port = nla_get_u16(found[WGDEVICE_A_LISTEN_PORT]);
    if (!found[WGDEVICE_A_PEERS]) return;
    int remaining = 0;
    nlattr* peer = nullptr;
    nla_for_each_nested(peer, found[WGDEVICE_A_PEERS], remaining) read_peer(peer, facts);
  });
  return facts;
}

void set_link(const std::string& name, const WireguardKey& private_key, std::uint16_t port) {
  Conversation kernel;
  RtnlMessage message = kernel.about(name, WG_CMD_SET_DEVICE);
  message.put(WGDEVICE_A_PRIVATE_KEY, std::span(private_key.bytes));
  message.put_u16(WGDEVICE_A_LISTEN_PORT, port);
  kernel.socket().request(message, "configure WireGuard link " + name);
}

void put_peer(const std::string& name, const WireguardKey& key, const WireguardPeer& peer) {
  Conversation kernel;
  // Off and on: with that it says hello at once.
  for (const std::uint16_t keepalive : {std::uint16_t{0}, keepalive_seconds}) {
    RtnlMessage message = kernel.about(name, WG_CMD_SET_DEVICE);
    put_one_peer(message, key, [&] {
      message.put_u32(WGPEER_A_FLAGS, WGPEER_F_REPLACE_ALLOWEDIPS);
      put_endpoint(message, peer);
      message.put_u16(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, keepalive);
      if (!peer.inside) return;
      message.nest(WGPEER_A_ALLOWEDIPS, [&] {
        message.nest(0, [&] {
          message.put_u16(WGALLOWEDIP_A_FAMILY, peer.inside->is_v4() ? AF_INET : AF_INET6);
          message.put(WGALLOWEDIP_A_IPADDR, *peer.inside);
          message.put_u8(WGALLOWEDIP_A_CIDR_MASK, peer.inside->is_v4() ? 32 : 128);
        });
      });
    });
    kernel.socket().request(message, "add a peer to WireGuard link " + name);
  }
}

void erase_peer(const std::string& name, const WireguardKey& key) {
  Conversation kernel;
  RtnlMessage message = kernel.about(name, WG_CMD_SET_DEVICE);
  put_one_peer(message, key, [&] { message.put_u32(WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME); });
  kernel.socket().request(message, "remove a peer of WireGuard link " + name);
}

}  // namespace sandbox::wireguard_netlink
