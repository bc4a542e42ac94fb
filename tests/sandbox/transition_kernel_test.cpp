// The fault sweep on the real kernel: what a failed transition leaves there is what was there
// before.
#include <gtest/gtest.h>

#include <filesystem>

#include "sandbox/linux_kernel.h"
#include "sandbox/transition.h"
#include "tests/sandbox/example_plans.h"
#include "tests/support/fault_sweep.h"
#include "tests/support/namespace_test.h"

namespace sandbox {
namespace {

using tests::bridge_plan;
using tests::endpoint_plan;
using tests::joined;
using tests::sandbox_plan;

class TransitionOnTheKernel : public tests::NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    std::filesystem::create_directories("/run/netd/netns");
    shell("echo 1 > /proc/sys/net/ipv4/ip_forward");  // host-global: not undone
    kernel_.emplace();
    kernel_->replace_firewall({});
  }

  std::size_t sweep(const Plan& from, const Plan& to) {
    tests::FaultyKernel faulty(*kernel_);
    return tests::sweep(
        faulty, from, to, [&](std::size_t nth) { faulty.fail_at(nth); }, [] { return state(); });
  }

  /// Links, addresses, routes and nft tables of the host and of each pinned namespace.
  static std::string state() {
    std::string text = shell(dump("") + "; nft list table inet netd");
    for (const auto& pin : std::filesystem::directory_iterator("/run/netd/netns")) {
      const std::string path = pin.path().string();
      text +=
          path + "\n" +
          shell(dump("nsenter --net=" + path) + "; nsenter --net=" + path + " nft list ruleset");
    }
    return text;
  }

  static std::string dump(const std::string& in) {
    return in +
           " ip -j link | jq -c '.[] | [.ifname,.ifindex,.address,.mtu,.master,.ifalias,(.flags"
           "|contains([\"UP\"]))]'; " +
           in + " ip -j addr | jq -c '.[] | .addr_info[] | [.label,.local,.prefixlen]'; " + in +
           " ip route | sed 's/ linkdown//; s/ *$//'; bridge -j -d link | jq -c '.[] | "
           "[.ifname,.isolated,.learning,.locked,.flood,.neigh_suppress]' | sort; bridge fdb show "
           "| grep "
           "-E 'static|dst' | sort; true";
  }

  std::optional<LinuxKernel> kernel_;
};

TEST_F(TransitionOnTheKernel, MakesANetworkWhollyOrNotAtAll) {
  EXPECT_EQ(sweep({}, bridge_plan()), 6u);
}

TEST_F(TransitionOnTheKernel, MakesASandboxWithItsEndpointWhollyOrNotAtAll) {
  // Without ports, the kernel gives a bridge its default MTU again (br_mtu_auto_adjust).
  Plan bridge = bridge_plan();
  for (Step& step : bridge)
    if (auto* create = std::get_if<CreateBridge>(&step)) create->mtu = 0;
  transition(*kernel_, {}, bridge);
  EXPECT_EQ(sweep({}, joined({sandbox_plan(), endpoint_plan()})), 12u);
}

TEST_F(TransitionOnTheKernel, UndoesAChangeOfLinkAddressRouteAndPorts) {
  const Plan from = joined({bridge_plan(), sandbox_plan(), endpoint_plan()});
  Plan to = from;
  for (Step& step : to) {
    if (auto* veth = std::get_if<CreateVeth>(&step)) veth->mtu = 1400;
    if (auto* route = std::get_if<AddRoute>(&step)) route->metric = 50;
    if (auto* own = std::get_if<AddAddress>(&step); own && own->index == 1002)
      own->address = tests::prefix("10.5.0.9/16");
  }
  to.back() = AddElements{{tests::published(8443, 443), tests::published(9090, 90)}};
  EXPECT_EQ(sweep(from, to), 8u);
}

/// An overlay network, and a port of it whose container has another MAC address in `to`.
Plan overlay(const char* local, const char* container) {
  return {
      CreateBridge{
          .name = "nb001000", .index = 2000, .mac = tests::mac("02:42:00:00:01:00"), .bare = true},
      SetLink{
          .index = 2000, .alias = "netd:shop", .mtu = 1450, .ipv6_link_local = false, .up = true},
      CreateVxlan{.name = "nx001000",
                  .index = 2001,
                  .mac = tests::mac("02:42:00:00:01:01"),
                  .mtu = 1450,
                  .vni = 4096,
                  .port = 4789,
                  .local = tests::address(local)},
      SetLink{.index = 2001, .alias = "netd:shop", .master = 2000, .ipv6_link_local = false},
      SetBridgePort{
          .index = 2001, .no_learning = true, .suppress_neighbours = true, .no_flood = true},
      SetLink{.index = 2001, .up = true},
      CreateVeth{.name = "nv1",
                 .index = 2002,
                 .mac = tests::mac("02:42:00:00:01:02"),
                 .peer_name = "peer",
                 .peer_index = 2003,
                 .peer_mac = tests::mac("02:42:00:00:01:03"),
                 .mtu = 1450},
      SetLink{.index = 2002, .master = 2000, .ipv6_link_local = false, .up = true},
      SetBridgePort{.index = 2002, .no_learning = true, .locked = true},
      AddFdbEntry{.index = 2002, .mac = tests::mac(container)},
  };
}

TEST_F(TransitionOnTheKernel, MakesAnOverlayNetworkWhollyOrNotAtAll) {
  EXPECT_EQ(sweep({}, overlay("192.0.2.1", "02:42:0a:01:00:02")), 10u);
}

TEST_F(TransitionOnTheKernel, UndoesAChangeOfTheTunnelAndOfAnEntry) {
  // The tunnel's four steps and the entry.
  EXPECT_EQ(
      sweep(overlay("192.0.2.1", "02:42:0a:01:00:02"), overlay("192.0.2.9", "02:42:0a:01:00:09")),
      5u);
}

TEST_F(TransitionOnTheKernel, LosesTheRouteWithTheAddressAndMakesItAgain) {
  const Plan from = joined({bridge_plan(), sandbox_plan(), endpoint_plan()});
  Plan to = from;
  for (Step& step : to)
    if (auto* own = std::get_if<AddAddress>(&step); own && own->index == 1002)
      own->address = tests::prefix("10.5.0.9/16");
  EXPECT_EQ(sweep(from, to), 2u);
}

}  // namespace
}  // namespace sandbox
