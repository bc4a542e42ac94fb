#include "tests/sandbox/packet_lab.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "sandbox/netns.h"

namespace tests {
namespace {

using sandbox::Fd;

// Duplicate address detection holds back a router's link-local address for a second or two, and
// without one it doesn't look for the neighbours to which it forwards.
constexpr const char* no_dad = "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad";

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress socket_address(const std::string& text, std::uint16_t port) {
  SocketAddress result;
  auto& v4 = reinterpret_cast<sockaddr_in&>(result.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(result.storage);
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    result.length = sizeof v4;
    return result;
  }
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  if (inet_pton(AF_INET6, text.empty() ? "::" : text.c_str(), &v6.sin6_addr) != 1)
    throw std::invalid_argument("not an address: " + text);
  result.length = sizeof v6;
  return result;
}

std::string text_of(const sockaddr_storage& peer) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (peer.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return text.data();
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer);
  inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  const std::string_view all(text.data());
  return std::string(all.starts_with("::ffff:") ? all.substr(7) : all);
}

/// A socket of that namespace. It stays there whichever thread uses it.
Fd socket_in(const std::string& netns, int family, int type) {
  const auto make = [&] { return Fd(socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); };
  Fd made = netns.empty()
                ? make()
                : sandbox::in_netns(sandbox::open_netns("/run/netns/" + netns).get(), make);
  if (!made) throw std::system_error(errno, std::system_category(), "socket");
  return made;
}

Fd bound_socket(const std::string& netns, int type, const SocketAddress& local) {
  Fd made = socket_in(netns, local.storage.ss_family, type);
  const int yes = 1;
  setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(made.get(), local.get(), local.length) < 0)
    throw std::system_error(errno, std::system_category(), "bind");
  return made;
}

bool wait_for(int fd, short events, std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  pollfd wanted{.fd = fd, .events = events, .revents = 0};
  return poll(&wanted, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) > 0;
}

int pending_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}

std::string verdict_of(int error) {
  if (error == ETIMEDOUT) return "silence";
  return error == ECONNREFUSED ? "refused" : std::strerror(error);
}

}  // namespace

ipam::Address address(const std::string& text) {
  const auto parsed = ipam::Address::parse(text);
  if (!parsed) throw std::invalid_argument("not an address: " + text);
  return *parsed;
}

Answerer::Answerer(const std::string& netns, std::uint16_t port, const std::string& local_address)
    : name_(netns.empty() ? "host" : netns), stop_(eventfd(0, EFD_CLOEXEC)) {
  const SocketAddress local = socket_address(local_address, port);
  tcp_ = bound_socket(netns, SOCK_STREAM, local);
  udp_ = bound_socket(netns, SOCK_DGRAM, local);
  if (listen(tcp_.get(), 64) < 0) throw std::system_error(errno, std::system_category(), "listen");
  thread_ = std::thread([this] { serve(); });
}

Answerer::~Answerer() {
  const std::uint64_t one = 1;
  if (write(stop_.get(), &one, sizeof one) != sizeof one) std::abort();
  thread_.join();
}

void Answerer::serve() {
  std::array<pollfd, 3> wanted{pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0},
                               pollfd{.fd = tcp_.get(), .events = POLLIN, .revents = 0},
                               pollfd{.fd = udp_.get(), .events = POLLIN, .revents = 0}};
  for (;;) {
    poll(wanted.data(), wanted.size(), -1);
    if (wanted[0].revents != 0) return;
    if (wanted[1].revents != 0) answer_tcp();
    if (wanted[2].revents != 0) answer_udp();
  }
}

void Answerer::answer_tcp() {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  const Fd connection(
      accept4(tcp_.get(), reinterpret_cast<sockaddr*>(&peer), &length, SOCK_CLOEXEC));
  const std::string answer = name_ + " " + text_of(peer);
  if (connection) (void)!write(connection.get(), answer.data(), answer.size());
}

void Answerer::answer_udp() {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  std::array<char, 64> question{};
  if (recvfrom(udp_.get(), question.data(), question.size(), 0, reinterpret_cast<sockaddr*>(&peer),
               &length) < 0)
    return;
  const std::string answer = name_ + " " + text_of(peer);
  sendto(udp_.get(), answer.data(), answer.size(), 0, reinterpret_cast<const sockaddr*>(&peer),
         length);
}

std::string ask(const std::string& netns, Via via, const std::string& address, std::uint16_t port,
                std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const SocketAddress remote = socket_address(address, port);
  const Fd connection =
      socket_in(netns, remote.storage.ss_family, via == Via::tcp ? SOCK_STREAM : SOCK_DGRAM);
  if (connect(connection.get(), remote.get(), remote.length) < 0) {
    if (errno != EINPROGRESS) return verdict_of(errno);
    if (!wait_for(connection.get(), POLLOUT, deadline)) return "silence";
    if (const int error = pending_error(connection.get())) return verdict_of(error);
  }
  // A datagram is lost where the kernel has not seen yet that a link of the lab is up: said again.
  while (true) {
    if (via == Via::udp && send(connection.get(), "?", 1, 0) < 0) return verdict_of(errno);
    const auto again = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    if (wait_for(connection.get(), POLLIN, std::min(again, deadline))) break;
    if (again >= deadline) return "silence";
  }
  std::array<char, 128> answer{};
  const ssize_t bytes = recv(connection.get(), answer.data(), answer.size(), 0);
  return bytes < 0 ? verdict_of(errno) : std::string(answer.data(), static_cast<size_t>(bytes));
}

std::string ask_in_vain(const std::string& netns, Via via, const std::string& address,
                        std::uint16_t port) {
  return ask(netns, via, address, port, std::chrono::milliseconds(150));
}

void PacketLab::make_netns(const std::string& name) {
  shell(fmt::format("ip netns add {0}; ip netns exec {0} sh -c '{1}'", name, no_dad));
}

void PacketLab::make_container(const std::string& name, const std::string& bridge, int network,
                               int host) {
  make_netns(name);
  shell(fmt::format(R"(ip link add v-{0} type veth peer name eth0 netns {0}
    ip link set v-{0} master {1} up
    ip -n {0} -batch - <<END
link set lo up
address add 10.{2}.0.{3}/24 dev eth0
address add fd00:{2}::{3}/64 dev eth0 nodad
link set eth0 up
route add default via 10.{2}.0.1
route add default via fd00:{2}::1
END)",
                    name, bridge, network, host));
}

void PacketLab::SetUp() {
  NamespaceTest::SetUp();
  shell(no_dad);
  make_netns("lan");
  shell(fmt::format(R"(echo 1 > /proc/sys/net/ipv4/ip_forward
    echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
    echo {0} > /proc/sys/net/bridge/bridge-nf-call-iptables
    echo {0} > /proc/sys/net/bridge/bridge-nf-call-ip6tables
    ip -batch - <<END
link add up0 type veth peer name eth0 netns lan
address add 192.0.2.1/24 dev up0
address add 192.0.2.9/24 dev up0
address add 2001:db8::9/64 dev up0 nodad
address add 2001:db8::1/64 dev up0 nodad
link set up0 up
END
    for network in 1 2 3 4; do
      ip -batch - <<END
link add br$network index 10$network type bridge
address add 10.$network.0.1/24 dev br$network
address add fd00:$network::1/64 dev br$network nodad
link set br$network up
END
    done
    ip -n lan -batch - <<END
link set lo up
address add 192.0.2.2/24 dev eth0
address add 2001:db8::2/64 dev eth0 nodad
link set eth0 up
route add 10.0.0.0/8 via 192.0.2.1
route add fd00::/16 via 2001:db8::1
END)",
                    br_netfilter() ? 1 : 0));
  make_container("a1", "br1", 1, 2);
  make_container("a2", "br1", 1, 3);
  make_container("b1", "br2", 2, 2);
  make_container("i1", "br3", 3, 2);
  make_container("i2", "br3", 3, 3);
  make_container("c1", "br4", 4, 2);
  make_container("c2", "br4", 4, 3);
  shell("bridge link set dev v-c1 isolated on; bridge link set dev v-c2 isolated on");
  // What netd does for a container that publishes while the bridge's frames go through iptables.
  if (br_netfilter()) shell("bridge link set dev v-a1 hairpin on");
}

std::vector<sandbox::Element> PacketLab::network_elements() {
  using sandbox::LinkIndex;
  std::vector<sandbox::Element> elements;
  for (const std::uint32_t bridge : {101u, 102u, 103u, 104u}) {
    const LinkIndex index{bridge};
    elements.push_back({"nets", {index}, {}});
    elements.push_back({bridge == 104 ? "icc_off" : "samebr", {index, index}, {}});
    if (bridge == 103) {
      elements.push_back({"internal", {index}, {}});
    } else {
      elements.push_back({"masq", {index}, {}});
      elements.push_back({"masq6", {index}, {}});
    }
  }
  return elements;
}

std::vector<sandbox::Element> PacketLab::published(std::uint16_t port) {
  using sandbox::PortNumber;
  using sandbox::Protocol;
  std::vector<sandbox::Element> elements;
  for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
    elements.push_back(
        {"pub4", {protocol, PortNumber{port}}, {address("10.1.0.2"), PortNumber{80}}});
    elements.push_back(
        {"pub6", {protocol, PortNumber{port}}, {address("fd00:1::2"), PortNumber{80}}});
  }
  elements.push_back({"hair4", {address("10.1.0.2"), address("10.1.0.2")}, {}});
  elements.push_back({"hair6", {address("fd00:1::2"), address("fd00:1::2")}, {}});
  return elements;
}

}  // namespace tests
