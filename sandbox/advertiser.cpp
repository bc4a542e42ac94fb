#include "sandbox/advertiser.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <span>
#include <system_error>

namespace sandbox {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::array<std::uint8_t, 6> broadcast = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr std::array<std::uint8_t, 6> all_nodes_mac = {0x33, 0x33, 0, 0, 0, 1};  // RFC 2464 7
constexpr std::array<std::uint8_t, 16> all_nodes = {0xff, 0x02, 0, 0, 0, 0, 0, 0,
                                                    0,    0,    0, 0, 0, 0, 0, 1};

void append(Bytes& frame, std::span<const std::uint8_t> bytes) {
  for (const std::uint8_t byte : bytes)
    frame.push_back(byte);
}

void append(Bytes& frame, std::initializer_list<std::uint8_t> bytes) {
  append(frame, std::span(bytes.begin(), bytes.size()));
}

/// RFC 1071, over an even number of bytes.
std::uint16_t internet_checksum(std::span<const std::uint8_t> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2)
    sum += bytes[i] << 8 | bytes[i + 1];
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

/// RFC 826, with the fields of RFC 5227 3: sender and target address are the same.
Bytes arp_announcement(const ipam::Mac& mac, const ipam::Address& address) {
  Bytes frame;
  append(frame, broadcast);
  append(frame, mac.bytes);
  append(frame, {0x08, 0x06});                                      // EtherType ARP
  append(frame, {0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01});  // Ethernet, IPv4, request
  append(frame, mac.bytes);
  append(frame, address.bytes());
  append(frame, {0, 0, 0, 0, 0, 0});
  append(frame, address.bytes());
  return frame;
}

/// RFC 4861 4.4: not solicited, override, target link-layer address option.
Bytes neighbour_advertisement(const ipam::Mac& mac, const ipam::Address& address) {
  constexpr std::uint8_t icmpv6 = 58;
  constexpr std::size_t checksum_at = 2;
  Bytes message = {136, 0, 0, 0, 0x20, 0, 0, 0};
  append(message, address.bytes());
  append(message, {2, 1});
  append(message, mac.bytes);
  const auto length = static_cast<std::uint8_t>(message.size());

  Bytes summed;  // RFC 8200 8.1: the pseudo-header, then the message
  append(summed, address.bytes());
  append(summed, all_nodes);
  append(summed, {0, 0, 0, length, 0, 0, 0, icmpv6});
  append(summed, message);
  const std::uint16_t checksum = internet_checksum(summed);
  message[checksum_at] = static_cast<std::uint8_t>(checksum >> 8);
  message[checksum_at + 1] = static_cast<std::uint8_t>(checksum);

  Bytes frame;
  append(frame, all_nodes_mac);
  append(frame, mac.bytes);
  append(frame, {0x86, 0xdd});                             // EtherType IPv6
  append(frame, {0x60, 0, 0, 0, 0, length, icmpv6, 255});  // hop limit 255: RFC 4861 7.1.2
  append(frame, address.bytes());
  append(frame, all_nodes);
  append(frame, message);
  return frame;
}

RtnlMessage neighbour_message(int type, std::uint32_t link_index, const ipam::Address& address) {
  ndmsg header{};
  header.ndm_family = address.is_v4() ? AF_INET : AF_INET6;
  header.ndm_ifindex = static_cast<int>(link_index);
  RtnlMessage message(type);
  message.append(header);
  message.put(NDA_DST, address);
  return message;
}

/// The host's entry may be of whoever had the address before. None there, or the bridge gone: fine.
/// A permanent one is somebody's will (peers.h), not what the host has heard.
void forget_neighbour(RtnlSocket& rtnl, std::uint32_t link_index, const ipam::Address& address) {
  bool permanent = false;
  try {
    RtnlMessage get = neighbour_message(RTM_GETNEIGH, link_index, address);
    rtnl.query(get, "find neighbour " + address.to_string(), [&](nlmsghdr* reply) {
      permanent = (static_cast<const ndmsg*>(nlmsg_data(reply))->ndm_state & NUD_PERMANENT) != 0;
    });
    if (permanent) return;
    RtnlMessage forget = neighbour_message(RTM_DELNEIGH, link_index, address);
    rtnl.request(forget, "delete neighbour " + address.to_string());
  } catch (const std::system_error&) {
  }
}

}  // namespace

std::vector<std::uint8_t> announcement(const ipam::Mac& mac, const ipam::Address& address) {
  return address.is_v4() ? arp_announcement(mac, address) : neighbour_advertisement(mac, address);
}

// Protocol 0: the socket only sends, no frame is ever queued on it.
Advertiser::Advertiser() : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
  thread_ = std::thread([this] { run(); });
}

Advertiser::~Advertiser() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Advertiser::advertise(std::uint32_t bridge_index, const ipam::Mac& mac,
                           const std::vector<ipam::Address>& addresses, int count,
                           std::chrono::milliseconds interval) {
  if (count <= 0 || !socket_) return;
  {
    const std::lock_guard lock(mutex_);
    const Clock::time_point first = Clock::now();
    for (const ipam::Address& address : addresses) {
      if (queue_.size() + sending_.has_value() >= queue_limit) break;
      queue_.emplace(first, Announcement{bridge_index, mac, address, count, interval, true});
    }
  }
  changed_.notify_all();
}

void Advertiser::withdraw(const ipam::Mac& mac) {
  std::unique_lock lock(mutex_);
  std::erase_if(queue_, [&](const auto& entry) { return entry.second.mac == mac; });
  if (sending_ != mac) return;
  withdrawn_ = true;
  changed_.wait(lock, [&] { return sending_ != mac; });
}

std::size_t Advertiser::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size() + sending_.has_value();
}

void Advertiser::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (queue_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const Clock::time_point due = queue_.begin()->first;
    if (due > Clock::now()) {
      changed_.wait_until(lock, due);
      continue;
    }
    send_next(lock);
  }
}

/// Without the lock: the kernel carries a broadcast to every port of the bridge before it returns.
void Advertiser::send_next(std::unique_lock<std::mutex>& lock) {
  Announcement next = queue_.extract(queue_.begin()).mapped();
  sending_ = next.mac;
  withdrawn_ = false;
  lock.unlock();
  if (next.first) forget_neighbour(rtnl_, next.bridge_index, next.address);
  const bool sent = send(next);
  lock.lock();
  sending_.reset();
  next.first = false;
  if (sent && !withdrawn_ && --next.remaining > 0)
    queue_.emplace(Clock::now() + next.interval, next);
  changed_.notify_all();
}

/// False when the bridge is gone or down.
bool Advertiser::send(const Announcement& next) const {
  const std::vector<std::uint8_t> frame = announcement(next.mac, next.address);
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(next.bridge_index);
  to.sll_halen = ETH_ALEN;
  std::memcpy(&to.sll_protocol, frame.data() + 2 * ETH_ALEN, sizeof to.sll_protocol);
  std::copy_n(frame.begin(), ETH_ALEN, to.sll_addr);
  const ssize_t sent = ::sendto(socket_.get(), frame.data(), frame.size(), MSG_DONTWAIT,
                                reinterpret_cast<const sockaddr*>(&to), sizeof to);
  return sent >= 0 || (errno != ENXIO && errno != ENODEV && errno != ENETDOWN);
}

}  // namespace sandbox
