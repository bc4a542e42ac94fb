#include "tests/dns/client.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <system_error>

#include "dns/message.h"
#include "sandbox/netns.h"

namespace tests {
namespace {

void check(bool is_good, const char* what) {
  if (!is_good) throw std::system_error(errno, std::system_category(), what);
}

sandbox::Fd connect_in(const std::string& netns, std::uint16_t port, int type) {
  const sandbox::Fd pinned = sandbox::open_netns(netns);
  return sandbox::in_netns(pinned.get(), [&] {
    sandbox::Fd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(0x7f00000b);
    check(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "connect");
    const timeval limit{6, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
  });
}

}  // namespace

void make_sandbox_namespace(const std::string& path) {
  sandbox::pin_new(path);
  const sandbox::Fd pinned = sandbox::open_netns(path);
  sandbox::in_netns(pinned.get(), [] {
    const sandbox::Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    check(ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0, "set lo up");
  });
}

UdpClient::UdpClient(const std::string& netns, std::uint16_t port)
    : fd_(connect_in(netns, port, SOCK_DGRAM)) {}

void UdpClient::send(const Bytes& packet) {
  ::send(fd_.get(), packet.data(), packet.size(), 0);
}

Bytes UdpClient::receive(int milliseconds) {
  pollfd ready{fd_.get(), POLLIN, 0};
  if (poll(&ready, 1, milliseconds) <= 0) return {};
  Bytes packet(65536);
  const auto size = recv(fd_.get(), packet.data(), packet.size(), MSG_DONTWAIT);
  packet.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return packet;
}

Bytes UdpClient::ask(const Bytes& packet) {
  send(packet);
  return receive();
}

TcpClient::TcpClient(const std::string& netns, std::uint16_t port)
    : fd_(connect_in(netns, port, SOCK_STREAM)) {}

void TcpClient::send(const Bytes& stream) {
  ::send(fd_.get(), stream.data(), stream.size(), MSG_NOSIGNAL);
}

Bytes TcpClient::frame(const Bytes& message) {
  const Bytes length = {static_cast<std::uint8_t>(message.size() >> 8),
                        static_cast<std::uint8_t>(message.size())};
  return length + message;
}

Bytes TcpClient::receive() {
  Bytes length(2);
  if (recv(fd_.get(), length.data(), 2, MSG_WAITALL) != 2) return {};
  Bytes message(dns::read_u16(length, 0));
  const auto size = recv(fd_.get(), message.data(), message.size(), MSG_WAITALL);
  message.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return message;
}

bool TcpClient::is_at_end() {
  Bytes byte(1);
  const auto size = recv(fd_.get(), byte.data(), 1, 0);
  return size == 0 || (size < 0 && errno == ECONNRESET);
}

void TcpClient::finish_sending() {
  shutdown(fd_.get(), SHUT_WR);
}

void TcpClient::reset() {
  const linger at_once{1, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  fd_.reset();
}

}  // namespace tests
