#include "sandbox/host_addresses.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <system_error>

#include "sandbox/fd.h"

namespace sandbox {
namespace {

ipam::Address to_address(const sockaddr* address) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(address);
  if (address->sa_family == AF_INET)
    return *ipam::Address::from_bytes({bytes + offsetof(sockaddr_in, sin_addr), 4});
  return *ipam::Address::from_bytes({bytes + offsetof(sockaddr_in6, sin6_addr), 16});
}

bool is_ip(const sockaddr* address) {
  return address && (address->sa_family == AF_INET || address->sa_family == AF_INET6);
}

}  // namespace

std::vector<HostAddress> host_addresses() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0)
    throw std::system_error(errno, std::system_category(), "list this host's addresses");
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, freeifaddrs);
  std::vector<HostAddress> addresses;
  for (const ifaddrs* one = list; one; one = one->ifa_next)
    if (is_ip(one->ifa_addr)) addresses.push_back({to_address(one->ifa_addr), one->ifa_name});
  return addresses;
}

std::uint32_t mtu_of(const std::string& link) {
  const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  link.copy(request.ifr_name, IFNAMSIZ - 1);
  if (!fd || ioctl(fd.get(), SIOCGIFMTU, &request) != 0)
    throw std::system_error(errno, std::system_category(), "read the MTU of " + link);
  return static_cast<std::uint32_t>(request.ifr_mtu);
}

std::optional<ipam::Address> source_towards(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return std::nullopt;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  for (const addrinfo* one = found; one; one = one->ai_next) {
    const Fd fd(socket(one->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd || connect(fd.get(), one->ai_addr, one->ai_addrlen) != 0) continue;
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &size) == 0)
      return to_address(reinterpret_cast<const sockaddr*>(&own));
  }
  return std::nullopt;
}

}  // namespace sandbox
