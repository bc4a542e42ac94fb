// Each step about links, on the real kernel.
#include <chrono>
#include <system_error>

#include "sandbox/links.h"
#include "tests/sandbox/kernel_fixture.h"

namespace {

using namespace sandbox;
using tests::bridge_step;
using tests::pin_step;
using tests::veth_step;

class Links : public tests::KernelTest {};

/// The host end of veth_step as the bridge driver sets it.
SetLink host_end() {
  return {.index = 101, .alias = "netd:e1", .master = 100, .ipv6_link_local = false, .up = true};
}

SetLink container_end(bool ipv6) {
  return {.netns = "/run/ns1", .index = 2, .ipv6_link_local = ipv6, .up = true};
}

TEST_F(Links, CreatesABridgeWithTheChosenIndexDown) {
  apply({bridge_step()});
  const auto link = ip("link show br0").at(0);
  EXPECT_EQ(link.at("ifindex"), 100);
  EXPECT_EQ(link.at("address"), "02:00:00:00:01:00");
  EXPECT_EQ(link.at("mtu"), 1400);
  EXPECT_EQ(link.at("operstate"), "DOWN");
  EXPECT_EQ(link.at("linkinfo").at("info_kind"), "bridge");
}

TEST_F(Links, GivesANewLinkTheKernelsMtuWhenNoneIsChosen) {
  CreateBridge step = bridge_step();
  step.mtu = 0;
  apply({step});
  EXPECT_EQ(ip("link show br0").at(0).at("mtu"), 1500);
}

TEST_F(Links, CreatesAVethWhosePeerIsBornInTheSandbox) {
  apply({pin_step(), veth_step()});
  const auto host = ip("link show nv1").at(0);
  EXPECT_EQ(host.at("ifindex"), 101);
  EXPECT_EQ(host.at("address"), "02:00:00:00:01:01");
  EXPECT_EQ(host.at("mtu"), 1400);
  EXPECT_EQ(host.at("operstate"), "DOWN");
  const auto peer = ip("link show eth0", "/run/ns1").at(0);
  EXPECT_EQ(peer.at("ifindex"), 2);
  EXPECT_EQ(peer.at("address"), "02:00:00:00:01:02");
  EXPECT_EQ(peer.at("mtu"), 1400);
  EXPECT_EQ(peer.at("operstate"), "DOWN");
}

TEST_F(Links, CreatesAVethWithBothEndsInTheHost) {
  CreateVeth step = veth_step();
  step.netns = "";
  step.peer_index = 102;
  apply({step});
  EXPECT_EQ(host_links(), (std::vector<std::string>{"eth0", "lo", "nv1"}));
}

TEST_F(Links, SetsAliasMasterAndUpInOneStep) {
  apply({bridge_step(), pin_step(), veth_step(), host_end()});
  const auto link = ip("link show nv1").at(0);
  EXPECT_EQ(link.at("ifalias"), "netd:e1");
  EXPECT_EQ(link.at("master"), "br0");
  EXPECT_EQ(link.at("inet6_addr_gen_mode"), "none");
  EXPECT_NE(link.at("flags").dump().find("\"UP\""), std::string::npos);
}

TEST_F(Links, SetsTheMtu) {
  apply({bridge_step(), SetLink{.index = 100, .mtu = 1300}});
  EXPECT_EQ(kernel().find_link("", "br0")->mtu, 1300u);
}

TEST_F(Links, LeavesAloneWhatASetDoesNotName) {
  apply({bridge_step(), pin_step(), veth_step(), host_end(), SetLink{.index = 101, .alias = "x"}});
  const auto link = ip("link show nv1").at(0);
  EXPECT_EQ(link.at("ifalias"), "x");
  EXPECT_EQ(link.at("master"), "br0");
  EXPECT_NE(link.at("flags").dump().find("\"UP\""), std::string::npos);
}

TEST_F(Links, WithoutLinkLocalNoEndGetsAnFe80Address) {
  apply({bridge_step(), SetLink{.index = 100, .ipv6_link_local = false, .up = true}, pin_step(),
         veth_step(), host_end(), container_end(false)});
  await_carrier("nv1");
  await_carrier("eth0", "/run/ns1");
  EXPECT_EQ(shell("ip -6 -o addr show scope link"), "");
  EXPECT_EQ(shell("nsenter --net=/run/ns1 ip -6 -o addr show scope link"), "");
}

TEST_F(Links, WithoutLinkLocalALinkThatHasCarrierAtOnceGetsNoFe80Address) {
  // The peer is up first: the kernel would make the address inside the request that sets "up".
  apply({bridge_step(), pin_step(), veth_step(), container_end(true), host_end()});
  await_carrier("nv1");
  EXPECT_EQ(shell("ip -6 -o addr show scope link"), "");
}

TEST_F(Links, WithLinkLocalTheContainerEndGetsItsFe80Address) {
  apply({bridge_step(), pin_step(), veth_step(), host_end(), container_end(true)});
  await_carrier("eth0", "/run/ns1");
  const auto addresses = ip("-6 addr show dev eth0", "/run/ns1").at(0).at("addr_info");
  ASSERT_EQ(addresses.size(), 1u);
  EXPECT_EQ(addresses.at(0).at("local"), "fe80::ff:fe00:102");
}

TEST_F(Links, TurnsLinkLocalOffWhereIpv6IsMissing) {
  CreateVeth step = veth_step();
  step.mtu = 1000;  // below 1280 the kernel gives a link no IPv6 at all
  apply({pin_step(), step, SetLink{.index = 101, .ipv6_link_local = false, .up = true}});
  EXPECT_TRUE(kernel().find_link("", "nv1")->up);
}

TEST_F(Links, SetsTheFlagsOfABridgePort) {
  apply({bridge_step(), pin_step(), veth_step(), host_end(),
         SetBridgePort{.index = 101, .isolated = true, .hairpin = true}});
  auto port = ip("link show nv1").at(0).at("linkinfo").at("info_slave_data");
  EXPECT_EQ(port.at("isolated"), true);
  EXPECT_EQ(port.at("hairpin"), true);
  apply({SetBridgePort{.index = 101, .isolated = false, .hairpin = false}});
  port = ip("link show nv1").at(0).at("linkinfo").at("info_slave_data");
  EXPECT_EQ(port.at("isolated"), false);
  EXPECT_EQ(port.at("hairpin"), false);
}

TEST_F(Links, RefusesAnExistingNameWithActAndObject) {
  shell("ip link add br0 type bridge");
  try {
    kernel().apply(bridge_step());
    FAIL() << "created br0 twice";
  } catch (const std::system_error& error) {
    EXPECT_STREQ(error.what(), "create bridge br0: File exists");
    EXPECT_EQ(error.code(), std::errc::file_exists);
  }
}

TEST_F(Links, RefusesAnExistingNameInTheSandbox) {
  apply({pin_step()});
  shell("nsenter --net=/run/ns1 ip link add eth0 type bridge");
  try {
    kernel().apply(veth_step());
    FAIL() << "created eth0 twice";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::file_exists);
  }
  EXPECT_EQ(host_links(), std::vector<std::string>{"lo"});
}

TEST_F(Links, RefusesAVethIntoANamespaceThatIsGone) {
  try {
    kernel().apply(veth_step());
    FAIL() << "created a veth into nowhere";
  } catch (const std::system_error& error) {
    EXPECT_STREQ(error.what(), "open network namespace /run/ns1: No such file or directory");
  }
}

TEST_F(Links, FindsALinkWithItsAddresses) {
  shell("ip link add br0 mtu 1300 type bridge && ip link set br0 alias hello up");
  shell("ip addr add 10.1.0.1/16 dev br0 && ip addr add fd00::1/64 dev br0 nodad");
  const auto link = kernel().find_link("", "br0");
  ASSERT_TRUE(link);
  EXPECT_EQ(link->kind, "bridge");
  EXPECT_EQ(link->alias, "hello");
  EXPECT_EQ(link->mtu, 1300u);
  EXPECT_TRUE(link->up);
  std::vector<std::string> addresses;
  for (const auto& address : link->addresses)
    addresses.push_back(address.to_string());
  EXPECT_EQ(addresses.at(0), "10.1.0.1/16");
  EXPECT_EQ(addresses.at(1), "fd00::1/64");
}

TEST_F(Links, FindsNothingWhereNothingIs) {
  EXPECT_FALSE(kernel().find_link("", "br0"));
  EXPECT_FALSE(kernel().find_link("/run/ns1", "eth0"));
  EXPECT_EQ(kernel().link_names("/run/ns1"), std::vector<std::string>{});
}

TEST_F(Links, NamesTheLinksOfANamespace) {
  apply({pin_step(), veth_step()});
  EXPECT_EQ(kernel().link_names("/run/ns1"), (std::vector<std::string>{"lo", "eth0"}));
  EXPECT_EQ(kernel().link_names(""), (std::vector<std::string>{"lo", "nv1"}));
}

TEST_F(Links, ListsHundredsOfLinks) {
  shell("for i in $(seq 300); do echo link add d$i type bridge; done | ip -batch -");
  EXPECT_EQ(kernel().link_names("").size(), 301u);
}

// What a plugin made: a pair in the host's namespace.
TEST_F(Links, MovesALinkUnderItsNewNameAndIndexAndBack) {
  shell("ip link add vh type veth peer name vp; ip link set vh up; ip link set vp up");
  const MoveLink move{.name = "vp", .netns = "/run/ns1", .new_name = "eth0", .index = 7000};
  apply({pin_step(), move});
  EXPECT_FALSE(kernel().find_link("", "vp"));
  const auto inside = kernel().find_link("/run/ns1", "eth0");
  ASSERT_TRUE(inside);
  EXPECT_EQ(inside->index, 7000u);
  EXPECT_FALSE(inside->up);
  revert({move});
  EXPECT_TRUE(kernel().find_link("", "vp"));
  EXPECT_FALSE(kernel().find_link("/run/ns1", "eth0"));
}

TEST_F(Links, AMovedLinkThatIsGoneIsDone) {
  shell("ip link add vh type veth peer name vp");
  const MoveLink move{.name = "vp", .netns = "/run/ns1", .new_name = "eth0", .index = 7000};
  apply({pin_step(), move});
  shell("ip link del vh");
  revert({move});
  revert({pin_step(), move});
}

TEST_F(Links, AMoveToATakenNameLeavesTheLinkWhereItWas) {
  shell("ip link add vh type veth peer name vp");
  apply({pin_step()});
  shell("nsenter --net=/run/ns1 ip link add eth0 type veth peer name other");
  const MoveLink move{.name = "vp", .netns = "/run/ns1", .new_name = "eth0", .index = 7000};
  EXPECT_THROW(kernel().apply(move), std::system_error);
  EXPECT_TRUE(kernel().find_link("", "vp"));
  EXPECT_TRUE(kernel().find_link("/run/ns1", "eth0"));
}

TEST_F(Links, AMoveOfNothingIsRefusedWithItsName) {
  apply({pin_step()});
  try {
    kernel().apply(MoveLink{.name = "vp", .netns = "/run/ns1", .new_name = "eth0", .index = 7000});
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_STREQ(error.what(), "move link vp: No such device");
  }
}

TEST_F(Links, SetsTheMac) {
  apply({bridge_step(), SetLink{.index = 100, .mac = ipam::Mac::parse("02:00:00:00:00:09")}});
  EXPECT_EQ(kernel().find_link("", "br0")->mac.to_string(), "02:00:00:00:00:09");
}

}  // namespace
