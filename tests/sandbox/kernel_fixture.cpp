#include "tests/sandbox/kernel_fixture.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ranges>
#include <thread>

namespace tests {

void KernelTest::SetUp() {
  NamespaceTest::SetUp();
  kernel_.emplace();
}

void KernelTest::restart_kernel() {
  kernel_.reset();
  kernel_.emplace();
}

void KernelTest::apply(const std::vector<sandbox::Step>& steps) {
  for (const auto& step : steps)
    kernel().apply(step);
}

void KernelTest::revert(const std::vector<sandbox::Step>& steps) {
  for (const auto& step : std::views::reverse(steps))
    kernel().revert(step);
}

nlohmann::json KernelTest::ip(const std::string& arguments, const std::string& netns) {
  const std::string enter = netns.empty() ? "" : "nsenter --net=" + netns + " ";
  const std::string output = shell(enter + "ip -j -d " + arguments);
  return output.empty() ? nlohmann::json::array() : nlohmann::json::parse(output);
}

std::vector<std::string> KernelTest::host_links() {
  std::vector<std::string> names;
  for (const auto& link : ip("link"))
    names.push_back(link.at("ifname"));
  std::ranges::sort(names);
  return names;
}

void KernelTest::await_carrier(const std::string& link, const std::string& netns) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (std::chrono::steady_clock::now() < deadline) {
    if (ip("link show " + link, netns).at(0).at("operstate") == "UP") return;
  }
  ADD_FAILURE() << link << " has no carrier after two seconds";
}

sandbox::Fd open_capture(std::uint32_t index) {
  sandbox::Fd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
  EXPECT_TRUE(fd);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(index);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const timeval timeout{.tv_sec = 1, .tv_usec = 0};
  EXPECT_EQ(::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), 0);
  return fd;
}

std::string next_frame(const sandbox::Fd& capture, std::uint16_t ether_type) {
  for (int frames = 0; frames < 100; ++frames) {
    std::array<std::uint8_t, 2048> bytes{};
    const ssize_t size = ::recv(capture.get(), bytes.data(), bytes.size(), 0);
    if (size < ETH_HLEN) return "";
    if ((bytes[12] << 8 | bytes[13]) != ether_type) continue;
    std::string hex;
    for (ssize_t i = 0; i < size; ++i)
      hex += fmt::format("{:02x}", bytes[i]);
    return hex;
  }
  return "";
}

sandbox::CreateBridge bridge_step() {
  return {.name = "br0", .index = 100, .mac = *ipam::Mac::parse("02:00:00:00:01:00"), .mtu = 1400};
}

sandbox::CreateVeth veth_step() {
  return {.name = "nv1",
          .index = 101,
          .mac = *ipam::Mac::parse("02:00:00:00:01:01"),
          .netns = "/run/ns1",
          .peer_name = "eth0",
          .peer_index = 2,
          .peer_mac = *ipam::Mac::parse("02:00:00:00:01:02"),
          .mtu = 1400};
}

sandbox::PinNamespace pin_step() {
  return {.path = "/run/ns1", .source = ""};
}

}  // namespace tests
