// Steps about namespaces, addresses, routes and sysctls, and what revert leaves, on the real
// kernel.
#include "sandbox/linux_kernel.h"

#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include "sandbox/link_watch.h"
#include "sandbox/links.h"
#include "tests/sandbox/kernel_fixture.h"

namespace {

using namespace sandbox;
using tests::bridge_step;
using tests::pin_step;
using tests::veth_step;

ipam::Prefix prefix(const char* text) {
  return *ipam::Prefix::parse(text);
}
ipam::Address address(const char* text) {
  return *ipam::Address::parse(text);
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

ino_t inode(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

/// Whether the kernel has seen the link's carrier. Asked by netlink, it would look first.
bool is_running(const std::string& link) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  link.copy(request.ifr_name, IFNAMSIZ - 1);
  return ioctl(socket.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_RUNNING) != 0;
}

bool looks_when_asked() {
  utsname name{};
  std::pair<int, int> version;
  uname(&name);
  return std::sscanf(name.release, "%d.%d", &version.first, &version.second) == 2 &&
         version >= std::pair(6, 8);
}

/// Makes and deletes links in a network of its own, as on a machine with many containers: the
/// kernel's lock is hardly ever free.
class Others {
 public:
  Others() {
    for (std::jthread& thread : threads_)
      thread = std::jthread([](const std::stop_token& stop) {
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        RtnlSocket rtnl;
        while (!stop.stop_requested()) {
          create_bridge(rtnl, bridge_step());
          delete_link(rtnl, bridge_step().index);
        }
      });
  }

 private:
  std::array<std::jthread, 3> threads_;
};

class LinuxKernelTest : public tests::KernelTest {
 protected:
  /// A whole endpoint as the bridge driver plans it.
  static std::vector<Step> endpoint() {
    return {
        bridge_step(),
        AddAddress{.index = 100, .address = prefix("10.1.0.1/16")},
        SetLink{.index = 100, .up = true},
        pin_step(),
        SetLink{.netns = "/run/ns1", .index = 1, .up = true},
        veth_step(),
        SetLink{
            .index = 101, .alias = "netd:e1", .master = 100, .ipv6_link_local = false, .up = true},
        AddAddress{.netns = "/run/ns1", .index = 2, .address = prefix("10.1.0.2/16")},
        SetLink{.netns = "/run/ns1", .index = 2, .ipv6_link_local = false, .up = true},
        AddRoute{.netns = "/run/ns1",
                 .destination = prefix("0.0.0.0/0"),
                 .gateway = address("10.1.0.1"),
                 .index = 2}};
  }
};

TEST_F(LinuxKernelTest, PinsANewNamespaceAndUnpinsIt) {
  apply({pin_step()});
  EXPECT_TRUE(kernel().is_pinned("/run/ns1"));
  EXPECT_NE(inode("/run/ns1"), inode("/proc/self/ns/net"));
  revert({pin_step()});
  EXPECT_FALSE(kernel().is_pinned("/run/ns1"));
  EXPECT_FALSE(std::filesystem::exists("/run/ns1"));
}

TEST_F(LinuxKernelTest, AdoptsANamespaceByItsPath) {
  shell("touch /run/theirs && unshare --net=/run/theirs true");
  apply({PinNamespace{.path = "/run/ns1", .source = "/run/theirs"}});
  EXPECT_EQ(inode("/run/ns1"), inode("/run/theirs"));
  revert({PinNamespace{.path = "/run/ns1", .source = "/run/theirs"}});
  EXPECT_TRUE(kernel().is_pinned("/run/theirs"));
}

TEST_F(LinuxKernelTest, AddsAnIpv4AddressWithItsBroadcastAddress) {
  apply({bridge_step(), AddAddress{.index = 100, .address = prefix("10.1.0.1/16")}});
  const auto found = ip("-4 addr show dev br0").at(0).at("addr_info").at(0);
  EXPECT_EQ(found.at("local"), "10.1.0.1");
  EXPECT_EQ(found.at("prefixlen"), 16);
  EXPECT_EQ(found.at("broadcast"), "10.1.255.255");
  EXPECT_EQ(found.at("scope"), "global");
}

TEST_F(LinuxKernelTest, GivesPointToPointPrefixesNoBroadcastAddress) {
  apply({bridge_step(), AddAddress{.index = 100, .address = prefix("10.1.0.1/32")},
         AddAddress{.index = 100, .address = prefix("10.2.0.0/31")}});
  const auto addresses = ip("-4 addr show dev br0").at(0).at("addr_info");
  ASSERT_EQ(addresses.size(), 2u);
  for (const auto& found : addresses) {
    EXPECT_FALSE(found.contains("broadcast")) << found;
  }
}

TEST_F(LinuxKernelTest, AddsLinkLocalAddressesWithScopeLink) {
  apply({bridge_step(), AddAddress{.index = 100, .address = prefix("169.254.7.1/16")},
         AddAddress{.index = 100, .address = prefix("fe80::7/64")}});
  const auto addresses = ip("addr show dev br0").at(0).at("addr_info");
  ASSERT_EQ(addresses.size(), 2u);
  for (const auto& found : addresses) {
    EXPECT_EQ(found.at("scope"), "link") << found;
  }
}

TEST_F(LinuxKernelTest, AddsAnIpv6AddressThatIsUsableAtOnce) {
  apply({bridge_step(), AddAddress{.index = 100, .address = prefix("fd00::1/64")},
         SetLink{.index = 100, .ipv6_link_local = false, .up = true}});
  const auto found = ip("-6 addr show dev br0").at(0).at("addr_info").at(0);
  EXPECT_EQ(found.at("local"), "fd00::1");
  EXPECT_TRUE(found.contains("nodad"));
  EXPECT_FALSE(found.contains("tentative"));
}

TEST_F(LinuxKernelTest, RefusesAnAddressTwiceAndForgetsItOnce) {
  const AddAddress step{.index = 100, .address = prefix("10.1.0.1/16")};
  apply({bridge_step(), step});
  try {
    kernel().apply(step);
    FAIL() << "added twice";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::file_exists);
    EXPECT_TRUE(std::string(error.what()).starts_with("add address 10.1.0.1/16 on link 100: "))
        << error.what();
  }
  kernel().revert(step);
  kernel().revert(step);
  EXPECT_TRUE(kernel().find_link("", "br0")->addresses.empty());
}

TEST_F(LinuxKernelTest, AddressesFirstThenUpThenTheDefaultRoutes) {
  apply({bridge_step(), SetLink{.index = 100, .up = true}, pin_step(), veth_step(),
         SetLink{.index = 101, .master = 100, .ipv6_link_local = false, .up = true},
         AddAddress{.netns = "/run/ns1", .index = 2, .address = prefix("10.1.0.2/16")},
         AddAddress{.netns = "/run/ns1", .index = 2, .address = prefix("fd00::2/64")},
         SetLink{.netns = "/run/ns1", .index = 2, .ipv6_link_local = true, .up = true},
         AddRoute{"/run/ns1", prefix("0.0.0.0/0"), address("10.1.0.1"), 2, 0},
         AddRoute{"/run/ns1", prefix("::/0"), address("fd00::1"), 2, 0}});
  EXPECT_EQ(ip("-4 route show default", "/run/ns1").at(0).at("gateway"), "10.1.0.1");
  EXPECT_EQ(ip("-6 route show default", "/run/ns1").at(0).at("gateway"), "fd00::1");
  EXPECT_EQ(ip("-6 addr show dev eth0 to fd00::/64 -tentative", "/run/ns1").size(), 1u);
}

TEST_F(LinuxKernelTest, WhatIsUpTakesPacketsAtOnce) {
  apply({bridge_step(), SetLink{.index = 100, .up = true}, pin_step()});
  const Others others;
  LinkWatch watch;
  // Many times: left to itself the kernel would be in time now and then.
  for (std::uint32_t number = 0; number < 30; ++number) {
    CreateVeth veth = veth_step();
    veth.name = "nv" + std::to_string(number);
    veth.index = 200 + number;
    veth.peer_name = "eth" + std::to_string(number);
    veth.peer_index = 10 + number;
    apply({veth, SetLink{.index = veth.index, .master = 100, .up = true},
           SetLink{.netns = "/run/ns1", .index = veth.peer_index, .up = true}});
    kernel().settle();
    pollfd notices{.fd = watch.fd(), .events = POLLIN, .revents = 0};
    while (!looks_when_asked() && !is_running(veth.name) && poll(&notices, 1, 5000) > 0)
      watch.read();
    EXPECT_TRUE(is_running(veth.name)) << veth.name;
  }
  EXPECT_TRUE(is_running("br0"));
}

TEST_F(LinuxKernelTest, AddsAnOnLinkRouteWithAMetric) {
  const AddRoute step{"", prefix("10.9.0.0/24"), std::nullopt, 100, 7};
  apply({bridge_step(), SetLink{.index = 100, .up = true}, step});
  const auto route = ip("route show 10.9.0.0/24").at(0);
  EXPECT_EQ(route.at("dev"), "br0");
  EXPECT_EQ(route.at("scope"), "link");
  EXPECT_EQ(route.at("metric"), 7);
  kernel().revert(step);
  kernel().revert(step);
  EXPECT_EQ(shell("ip route show 10.9.0.0/24"), "");
}

TEST_F(LinuxKernelTest, AddsAnIpv6OnLinkRoute) {
  const AddRoute step{"", prefix("fd09::/64"), std::nullopt, 100, 0};
  apply({bridge_step(), SetLink{.index = 100, .up = true}, step});
  EXPECT_EQ(ip("-6 route show fd09::/64").at(0).at("dev"), "br0");
  kernel().revert(step);
  kernel().revert(step);
  EXPECT_EQ(shell("ip -6 route show fd09::/64"), "");
}

TEST_F(LinuxKernelTest, RefusesARouteTwice) {
  const AddRoute step{"", prefix("fd09::/64"), std::nullopt, 100, 0};
  apply({bridge_step(), SetLink{.index = 100, .up = true}, step});
  try {
    kernel().apply(step);
    FAIL() << "added twice";
  } catch (const std::system_error& error) {
    EXPECT_STREQ(error.what(), "add route fd09::/64 on link 100: File exists");
  }
}

TEST_F(LinuxKernelTest, SaysWhatTheKernelSaysOfARefusedRoute) {
  apply({bridge_step(), SetLink{.index = 100, .up = true}});
  try {
    kernel().apply(AddRoute{"", prefix("0.0.0.0/0"), address("10.1.0.1"), 100, 0});
    FAIL() << "a route to a gateway that is on no link";
  } catch (const std::system_error& error) {
    EXPECT_STREQ(error.what(),
                 "add route 0.0.0.0/0 via 10.1.0.1 on link 100: "
                 "Nexthop has invalid gateway: Network is unreachable");
  }
}

TEST_F(LinuxKernelTest, ListsOnlyOnLinkRoutesOfTheHost) {
  shell("ip link add br0 type bridge && ip link set br0 up && ip addr add 10.1.0.1/16 dev br0");
  shell("ip addr add 169.254.1.1/16 dev br0 && ip addr add fd00::1/64 dev br0 nodad");
  shell("ip route add default via 10.1.0.9 && ip route add 10.7.0.0/16 via 10.1.0.9");
  shell("ip route add 10.8.0.0/16 dev br0 table 77 && ip route add unreachable 10.6.0.0/16");
  shell("ip -6 route add default via fd00::9 && ip route add 10.5.0.0/24 dev br0");
  std::vector<std::string> routes;
  for (const auto& route : kernel().on_link_routes())
    routes.push_back(route.to_string());
  EXPECT_EQ(routes, (std::vector<std::string>{"10.1.0.0/16", "10.5.0.0/24", "fd00::/64"}));
}

TEST_F(LinuxKernelTest, SetsASysctlInTheSandboxOnly) {
  apply({pin_step(), SetSysctl{"/run/ns1", "net/ipv4/conf/default/arp_notify", "1"}});
  EXPECT_EQ(kernel().read_sysctl("/run/ns1", "net/ipv4/conf/default/arp_notify"), "1");
  EXPECT_EQ(kernel().read_sysctl("", "net/ipv4/conf/default/arp_notify"), "0");
}

TEST_F(LinuxKernelTest, SetsASysctlOfTheHost) {
  apply({SetHostSysctl{"net/ipv4/ip_forward", "1"}});
  EXPECT_EQ(kernel().read_sysctl("", "net/ipv4/ip_forward"), "1");
  revert({SetHostSysctl{"net/ipv4/ip_forward", "1"}});
  EXPECT_EQ(kernel().read_sysctl("", "net/ipv4/ip_forward"), "1");
}

TEST_F(LinuxKernelTest, ReadsNothingWhereNoSysctlIs) {
  EXPECT_EQ(kernel().read_sysctl("", "net/ipv4/no_such"), std::nullopt);
  EXPECT_EQ(kernel().read_sysctl("/run/gone", "net/ipv4/ip_forward"), std::nullopt);
}

TEST_F(LinuxKernelTest, RefusesASandboxSysctlOfTheWholeMachine) {
  apply({pin_step()});
  EXPECT_THROW(kernel().apply(SetSysctl{"/run/ns1", "kernel/hostname", "x"}),
               std::invalid_argument);
  EXPECT_THROW(kernel().apply(SetSysctl{"/run/ns1", "net/../kernel/hostname", "x"}),
               std::invalid_argument);
}

TEST_F(LinuxKernelTest, RevertingAnEndpointTakesBothEndsDownAtOnce) {
  apply(endpoint());
  kernel().revert(veth_step());
  EXPECT_FALSE(kernel().find_link("", "nv1"));
  EXPECT_EQ(kernel().link_names(""), (std::vector<std::string>{"lo", "br0"}));
  const auto peer = kernel().find_link("/run/ns1", "eth0");
  EXPECT_TRUE(!peer || !peer->up);
  kernel().drain();
  EXPECT_EQ(host_links(), (std::vector<std::string>{"br0", "lo"}));
}

TEST_F(LinuxKernelTest, RevertingEverythingLeavesNothing) {
  const std::size_t descriptors = open_descriptors();
  for (int i = 0; i < 5; ++i) {
    apply(endpoint());
    revert(endpoint());
  }
  kernel().drain();
  EXPECT_EQ(kernel().dying_links(), 0u);
  EXPECT_EQ(host_links(), std::vector<std::string>{"lo"});
  EXPECT_EQ(shell("ip route show table all | grep -v -e ' dev lo ' || true"), "");
  EXPECT_EQ(shell("grep ns1 /proc/self/mountinfo || true"), "");
  EXPECT_EQ(open_descriptors(), descriptors);
}

TEST_F(LinuxKernelTest, RevertingTwiceIsDone) {
  apply(endpoint());
  revert(endpoint());
  EXPECT_NO_THROW(revert(endpoint()));
}

TEST_F(LinuxKernelTest, RevertingAfterTheNamespaceDiedIsDone) {
  auto steps = endpoint();
  steps.push_back(RedirectDns{"/run/ns1", 5353});
  apply(steps);
  restart_kernel();  // or its cache would keep the namespace alive
  shell("umount /run/ns1");
  EXPECT_NO_THROW(revert(steps));
  kernel().drain();
  EXPECT_EQ(host_links(), std::vector<std::string>{"lo"});
  EXPECT_FALSE(std::filesystem::exists("/run/ns1"));
}

TEST_F(LinuxKernelTest, NoticesThatAnotherNamespaceIsPinnedNow) {
  apply({pin_step(), veth_step()});
  shell("umount -l /run/ns1 && unshare --net=/run/ns1 true");
  EXPECT_EQ(kernel().link_names("/run/ns1"), std::vector<std::string>{"lo"});
}

TEST_F(LinuxKernelTest, RevertLeavesAnothersLinkWithTheSameIndexAlone) {
  shell("ip link add theirs index 101 type bridge");
  kernel().revert(veth_step());
  kernel().drain();
  EXPECT_EQ(host_links(), (std::vector<std::string>{"lo", "theirs"}));
}

TEST_F(LinuxKernelTest, RevertFindsALinkThatWasRenamed) {
  apply({pin_step(), veth_step()});
  shell("ip link set nv1 name other");
  kernel().revert(veth_step());
  kernel().drain();
  EXPECT_EQ(host_links(), std::vector<std::string>{"lo"});
}

TEST_F(LinuxKernelTest, ADyingNameIsWaitedFor) {
  apply({bridge_step(), pin_step(), veth_step()});
  for (int i = 0; i < 3; ++i) {
    revert({bridge_step(), veth_step()});
    apply({bridge_step(), veth_step()});
    EXPECT_EQ(host_links(), (std::vector<std::string>{"br0", "lo", "nv1"}));
  }
}

TEST_F(LinuxKernelTest, ADyingPeerNameIsWaitedFor) {
  apply({pin_step(), veth_step()});
  revert({veth_step()});
  CreateVeth next = veth_step();  // another endpoint, but eth0 of the same sandbox again
  next.name = "nv2";
  next.index = 102;
  EXPECT_NO_THROW(kernel().apply(next));
}

TEST_F(LinuxKernelTest, RedirectsDnsInTheSandboxOnly) {
  const RedirectDns step{"/run/ns1", 5353};
  apply({pin_step(), step});
  EXPECT_NE(shell("nsenter --net=/run/ns1 nft list ruleset").find("5353"), std::string::npos);
  EXPECT_EQ(shell("nft list ruleset"), "");
  revert({step});
  EXPECT_EQ(shell("nsenter --net=/run/ns1 nft list ruleset"), "");
}

TEST_F(LinuxKernelTest, AddsElementsToTheFirewallAndTakesThemAway) {
  const AddElements step{{Element{.set = "pub4",
                                  .key = {Protocol::tcp, PortNumber{8080}},
                                  .value = {address("10.1.0.2"), PortNumber{80}}}}};
  kernel().replace_firewall({});
  apply({step});
  EXPECT_NE(shell("nft list ruleset").find("10.1.0.2 . 80"), std::string::npos);
  revert({step});
  EXPECT_EQ(shell("nft list ruleset").find("10.1.0.2 . 80"), std::string::npos);
  kernel().remove_firewall();
  EXPECT_EQ(shell("nft list ruleset"), "");
}

}  // namespace
