#include "sandbox/echo.h"

#include <fmt/format.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <random>
#include <span>
#include <system_error>
#include <vector>

#include "sandbox/netns.h"

namespace sandbox {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t header_bytes = 8;  // of ICMP's echo messages

std::size_t ip_bytes(bool v4) {
  return v4 ? 20 : 40;
}

std::uint16_t checksum(std::span<const std::uint8_t> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    sum += static_cast<std::uint32_t>(bytes[i]) << (i % 2 == 0 ? 8 : 0);
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

/// Type, code, checksum, identifier, sequence, and zeros (RFC 792).
std::vector<std::uint8_t> request(const ipam::Address& to, std::uint16_t id, std::size_t bytes) {
  const std::size_t ip = ip_bytes(to.is_v4());
  std::vector<std::uint8_t> packet(std::max(bytes, ip + header_bytes) - ip);
  packet[0] = to.is_v4() ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
  packet[4] = static_cast<std::uint8_t>(id >> 8);
  packet[5] = static_cast<std::uint8_t>(id);
  packet[7] = 1;
  if (!to.is_v4()) return packet;  // the kernel sums up ICMPv6
  const std::uint16_t sum = checksum(packet);
  packet[2] = static_cast<std::uint8_t>(sum >> 8);
  packet[3] = static_cast<std::uint8_t>(sum);
  return packet;
}

/// Whether what came in is the answer. On IPv4 raw sockets see the IP header too, raw(7).
bool is_answer(std::span<const std::uint8_t> packet, bool v4, std::uint16_t id) {
  if (v4) {
    const std::size_t ip = packet.empty() ? 0 : (packet[0] & 0xfU) * 4U;
    if (packet.size() < ip + header_bytes) return false;
    packet = packet.subspan(ip);
  }
  return packet.size() >= header_bytes && packet[0] == (v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) &&
         packet[4] == static_cast<std::uint8_t>(id >> 8) &&
         packet[5] == static_cast<std::uint8_t>(id);
}

struct Target {
  sockaddr_storage address{};
  socklen_t size = 0;
};

Target target_of(const ipam::Address& to) {
  Target target;
  const auto bytes = to.bytes();
  if (to.is_v4()) {
    auto& in = reinterpret_cast<sockaddr_in&>(target.address);
    in.sin_family = AF_INET;
    std::memcpy(&in.sin_addr, bytes.data(), bytes.size());
    target.size = sizeof in;
  } else {
    auto& in6 = reinterpret_cast<sockaddr_in6&>(target.address);
    in6.sin6_family = AF_INET6;
    std::memcpy(&in6.sin6_addr, bytes.data(), bytes.size());
    target.size = sizeof in6;
  }
  return target;
}

Fd open_socket(bool v4) {
  Fd fd(socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
               v4 ? static_cast<int>(IPPROTO_ICMP) : static_cast<int>(IPPROTO_ICMPV6)));
  if (!fd) throw std::system_error(errno, std::system_category(), "open an ICMP socket");
  // Never fragmented, whatever the kernel knows of the path, ip(7).
  const int probe = v4 ? IP_PMTUDISC_PROBE : IPV6_PMTUDISC_PROBE;
  setsockopt(fd.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER,
             &probe, sizeof probe);
  return fd;
}

EchoOutcome ask(const ipam::Address& to, std::size_t bytes, std::chrono::milliseconds limit) {
  const Fd fd = open_socket(to.is_v4());
  const auto id = static_cast<std::uint16_t>(std::random_device{}());
  const auto packet = request(to, id, bytes);
  const Target target = target_of(to);
  const auto begin = steady_clock::now();
  if (sendto(fd.get(), packet.data(), packet.size(), 0,
             reinterpret_cast<const sockaddr*>(&target.address), target.size) < 0)
    throw std::system_error(errno, std::system_category(),
                            fmt::format("send {} bytes to {}", bytes, to.to_string()));
  std::array<std::uint8_t, 65536> buffer;
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(begin + limit - steady_clock::now());
    pollfd ready{fd.get(), POLLIN, 0};
    if (left.count() <= 0 || poll(&ready, 1, static_cast<int>(left.count())) <= 0)
      return {.problem = fmt::format("no answer within {} ms", limit.count())};
    const ssize_t count = recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (count > 0 && is_answer({buffer.data(), static_cast<std::size_t>(count)}, to.is_v4(), id))
      return {.answered = true,
              .time = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() -
                                                                            begin)};
  }
}

}  // namespace

EchoOutcome echo(const std::string& netns, const ipam::Address& to, std::size_t bytes,
                 std::chrono::milliseconds limit) {
  try {
    if (netns.empty()) return ask(to, bytes, limit);
    const Fd fd = open_netns(netns);
    return in_netns(fd.get(), [&] { return ask(to, bytes, limit); });
  } catch (const std::exception& error) {
    return {.problem = error.what()};
  }
}

}  // namespace sandbox
