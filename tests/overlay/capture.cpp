#include "tests/overlay/capture.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>

namespace overlay {
namespace {

std::uint16_t number_at(std::string_view frame, std::size_t at) {
  if (frame.size() < at + 2) return 0;
  return static_cast<std::uint16_t>(static_cast<unsigned char>(frame[at]) << 8 |
                                    static_cast<unsigned char>(frame[at + 1]));
}

std::string kind_of_payload(std::uint8_t protocol, std::string_view frame, std::size_t at) {
  const std::string port =
      " " + std::to_string(std::min(number_at(frame, at), number_at(frame, at + 2)));
  switch (protocol) {
    case IPPROTO_TCP:
      return "tcp" + port;
    case IPPROTO_UDP:
      return "udp" + port;
    case IPPROTO_ICMP:
      return "icmp";
    case IPPROTO_IGMP:
      return "igmp";
    case IPPROTO_ICMPV6:
      return "icmp6";
    case IPPROTO_HOPOPTS:
      return "icmp6";  // MLD, RFC 3810 5
    default:
      return "protocol " + std::to_string(protocol);
  }
}

std::string kind_of(std::string_view frame) {
  constexpr std::size_t ethernet = 14, ipv6_header = 40;
  const std::uint16_t type = number_at(frame, 12);
  if (type == ETH_P_ARP) return "arp";
  if (type == ETH_P_IP && frame.size() > ethernet + 20) {
    const auto length = static_cast<std::size_t>(frame[ethernet] & 0x0f) * 4;
    return kind_of_payload(static_cast<std::uint8_t>(frame[ethernet + 9]), frame,
                           ethernet + length);
  }
  if (type == ETH_P_IPV6 && frame.size() > ethernet + ipv6_header)
    return kind_of_payload(static_cast<std::uint8_t>(frame[ethernet + 6]), frame,
                           ethernet + ipv6_header);
  return "type " + std::to_string(type);
}

}  // namespace

Capture::Capture(const std::string& link, std::string secret) : secret_(std::move(secret)) {
  fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
  const int room = 32 << 20;
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(link.c_str()));
  if (fd_ < 0 || setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0 ||
      bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw std::system_error(errno, std::system_category(), "capture on " + link);
  thread_ = std::thread([this] { run(); });
}

Capture::~Capture() {
  if (thread_.joinable()) stop();
}

void Capture::run() {
  std::string frame(65536, '\0');
  pollfd ready{fd_, POLLIN, 0};
  while (poll(&ready, 1, 50) > 0 || !stopping_) {
    const ssize_t size = recv(fd_, frame.data(), frame.size(), MSG_DONTWAIT);
    if (size <= 0) continue;
    const std::string_view bytes(frame.data(), static_cast<std::size_t>(size));
    ++seen_.kinds[kind_of(bytes)];
    if (bytes.find(secret_) != std::string_view::npos) ++seen_.with_secret;
  }
}

Capture::Seen Capture::stop() {
  stopping_ = true;
  thread_.join();
  tpacket_stats lost{};
  socklen_t size = sizeof lost;
  getsockopt(fd_, SOL_PACKET, PACKET_STATISTICS, &lost, &size);
  seen_.lost = lost.tp_drops;
  close(fd_);
  return seen_;
}

}  // namespace overlay
