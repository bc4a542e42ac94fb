#include "tests/sandbox/overlay_lab.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "sandbox/netns.h"
#include "sandbox/transition.h"
#include "tests/sandbox/example_plans.h"

namespace tests {
namespace {

constexpr std::uint16_t answering_port = 7777;
constexpr std::uint16_t frame_type = 0x88b5;  // IEEE 802, local experimental

std::string path_of(const std::string& netns) {
  return "/run/netns/" + netns;
}

sandbox::Fd socket_in(const std::string& netns, int family, int type) {
  return sandbox::in_netns(sandbox::open_netns(path_of(netns)).get(),
                           [&] { return sandbox::Fd(::socket(family, type | SOCK_CLOEXEC, 0)); });
}

}  // namespace

void OverlayLab::build(ipam::Family underlay, const std::string& flood) {
  enter_fresh_namespaces();
  const bool v4 = underlay == ipam::Family::v4;
  shell(
      "ip netns add h1; ip netns add h2; ip link add u0 netns h1 type veth peer name u0 netns h2");
  int number = 0;
  for (Host* host : {&h1, &h2}) {
    host->name = fmt::format("h{}", ++number);
    host->vtep = address(((v4 ? "192.0.2." : "2001:db8::") + std::to_string(number)).c_str());
    shell(fmt::format(
        "ip -n {0} link set lo up; ip -n {0} address add {1} dev u0 {2};"
        "ip -n {0} link set u0 up",
        host->name, ipam::Prefix{host->vtep, v4 ? 24 : 64}.to_string(), v4 ? "" : "nodad"));
    host->kernel = sandbox::in_netns(sandbox::open_netns(path_of(host->name)).get(),
                                     [] { return std::make_unique<sandbox::LinuxKernel>(); });
    host->kernel->replace_firewall({});
    drivers::Network& network = host->network;
    network.id = std::string(64, 'a');
    network.name = "shop";
    network.driver = "overlay";
    network.ipv6 = true;
    network.options = {{"io.netd.flood", flood}};
    network.pools = {{.subnet = prefix("10.1.0.0/24")},
                     {.subnet = prefix("10.2.0.0/24")},
                     {.subnet = prefix("fd00:1::/64")}};
    network.tunnel = drivers::Tunnel{.link = drivers::overlay_vxlan(4096),
                                     .index = 101,
                                     .mac = mac("02:00:00:00:01:01"),
                                     .vni = 4096,
                                     .port = 4789,
                                     .local = host->vtep};
    network.tunnel->mtu = drivers::overlay_mtu(network, 1500, underlay);
    network.link_name = drivers::Overlay().link_name(network);
    network.link_index = 100;
    network.link_mac = mac("02:00:00:00:01:00");
    sandbox::transition(*host->kernel, {}, drivers::Overlay().network_plan(network));
    host->peers = std::make_unique<sandbox::PeerTable>(host->kernel->peers(),
                                                       sandbox::PeerLinks{100, 101}, flood == "on");
  }
  // Looking makes a link's carrier true (LinuxKernel::settle).
  shell("ip -n h1 link show dev u0; ip -n h2 link show dev u0");
}

OverlayLab::Container& OverlayLab::join(Host& host, const std::string& name, const std::string& v4,
                                        const std::string& v6) {
  shell("ip netns add " + name + "; ip -n " + name + " link set lo up");
  auto& container = *containers_.emplace_back(std::make_unique<Container>());
  container.name = name;
  drivers::Endpoint& endpoint = container.endpoint;
  endpoint.id = name;
  endpoint.host_link = "nv" + name;
  endpoint.sandbox_link = "eth0";
  endpoint.host_index = next_index_++;
  endpoint.sandbox_index = next_index_++;
  endpoint.host_mac = mac("02:00:00:00:02:00");
  endpoint.ipv4 = prefix(v4.c_str());
  if (!v6.empty()) endpoint.ipv6 = prefix(v6.c_str());
  endpoint.mac = drivers::Overlay().default_mac(endpoint).value();
  sandbox::transition(*host.kernel, {},
                      drivers::Overlay().endpoint_plan(host.network, endpoint,
                                                       {.id = name, .netns = path_of(name)}));
  EXPECT_TRUE(other(host).peers->put(name, peer_of(host, container)).failures.empty());
  return container;
}

sandbox::Peer OverlayLab::peer_of(const Host& host, const Container& container) const {
  sandbox::Peer peer{.mac = container.mac(), .vtep = host.vtep};
  for (const auto& own : {container.endpoint.ipv4, container.endpoint.ipv6})
    if (own) peer.addresses.push_back(own->address);
  return peer;
}

std::uint64_t OverlayLab::tunnelled(const Host& host) {
  return std::stoull(
      shell("ip -n " + host.name + " -j -s link show nx001000 | jq '.[0].stats64.tx.packets'"));
}

std::string OverlayLab::bridge_entry(const Host& host, const ipam::Mac& mac) {
  return shell(
      fmt::format("bridge -n {} -j fdb show br nb001000 | jq -r '.[] | "
                  "select(.mac==\"{}\" and .master!=null) | [.ifname] + .flags + "
                  "[.state // \"\"] | join(\" \")' | sort -u | tr -d '\\n'",
                  host.name, mac.to_string()));
}

void OverlayLab::send_frame(const Container& from, const ipam::Mac& source, const ipam::Mac& to) {
  const sandbox::Fd fd = socket_in(from.name, AF_PACKET, SOCK_RAW);
  std::array<std::uint8_t, 60> frame{};
  std::ranges::copy(to.bytes, frame.begin());
  std::ranges::copy(source.bytes, frame.begin() + ETH_ALEN);
  frame[12] = frame_type >> 8;
  frame[13] = frame_type & 0xff;
  sockaddr_ll link{};
  link.sll_family = AF_PACKET;
  link.sll_ifindex = static_cast<int>(from.endpoint.sandbox_index);
  link.sll_halen = ETH_ALEN;
  ASSERT_EQ(::sendto(fd.get(), frame.data(), frame.size(), 0,
                     reinterpret_cast<const sockaddr*>(&link), sizeof link),
            static_cast<ssize_t>(frame.size()));
}

sandbox::Fd OverlayLab::receive_frames(const Container& at) {
  sandbox::Fd fd = socket_in(at.name, AF_PACKET, SOCK_RAW);
  sockaddr_ll link{};
  link.sll_family = AF_PACKET;
  link.sll_protocol = htons(frame_type);
  link.sll_ifindex = static_cast<int>(at.endpoint.sandbox_index);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&link), sizeof link), 0);
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

std::string OverlayLab::next_destination(const sandbox::Fd& frames) {
  std::array<std::uint8_t, 2048> frame{};
  if (::recv(frames.get(), frame.data(), frame.size(), 0) < ETH_HLEN) return "";
  ipam::Mac mac;
  std::copy_n(frame.begin(), mac.bytes.size(), mac.bytes.begin());
  return mac.to_string();
}

std::string OverlayLab::ask_with(const std::string& netns, const std::string& to,
                                 std::size_t bytes) {
  const ipam::Address target = address(to.c_str());
  const bool v4 = target.is_v4();
  const sandbox::Fd fd = socket_in(netns, v4 ? AF_INET : AF_INET6, SOCK_DGRAM);
  const int never = v4 ? IP_PMTUDISC_DO : IPV6_PMTUDISC_DO;
  setsockopt(fd.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER,
             &never, sizeof never);
  const timeval patience{.tv_sec = 3, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_storage storage{};
  if (v4) {
    auto& address4 = reinterpret_cast<sockaddr_in&>(storage);
    address4.sin_family = AF_INET;
    address4.sin_port = htons(answering_port);
    std::memcpy(&address4.sin_addr, target.bytes().data(), 4);
  } else {
    auto& address6 = reinterpret_cast<sockaddr_in6&>(storage);
    address6.sin6_family = AF_INET6;
    address6.sin6_port = htons(answering_port);
    std::memcpy(&address6.sin6_addr, target.bytes().data(), 16);
  }
  const std::vector<char> payload(bytes - (v4 ? 28 : 48), 'x');
  if (::sendto(fd.get(), payload.data(), payload.size(), 0,
               reinterpret_cast<const sockaddr*>(&storage),
               v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6)) < 0)
    return std::strerror(errno);
  std::array<char, 256> answer{};
  const ssize_t size = ::recv(fd.get(), answer.data(), answer.size(), 0);
  return size < 0 ? "silence" : std::string(answer.data(), static_cast<std::size_t>(size));
}

}  // namespace tests
