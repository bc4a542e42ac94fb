// VXLAN links on the real kernel: what they are made with, who is in the way, adopt or replace.
#include "sandbox/vxlan.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <system_error>

#include "sandbox/transition.h"
#include "tests/sandbox/example_plans.h"
#include "tests/sandbox/kernel_fixture.h"

namespace {

using namespace sandbox;
using testing::AllOf;
using testing::HasSubstr;
using tests::address;
using tests::mac;

CreateVxlan vxlan_step() {
  return {.name = "nx001000",
          .index = 201,
          .mac = mac("02:00:00:00:02:01"),
          .mtu = 1450,
          .vni = 4096,
          .port = 4789,
          .local = address("192.0.2.1")};
}

Plan overlay_plan(const CreateVxlan& vxlan = vxlan_step()) {
  return {
      CreateBridge{.name = "nb001000", .index = 200, .mac = mac("02:00:00:00:02:00"), .bare = true},
      SetLink{.index = 200, .alias = "netd:n1", .mtu = 1450, .ipv6_link_local = false, .up = true},
      vxlan,
      SetLink{.index = 201, .alias = "netd:n1", .master = 200, .ipv6_link_local = false},
      SetBridgePort{
          .index = 201, .no_learning = true, .suppress_neighbours = true, .no_flood = true},
      SetLink{.index = 201, .up = true}};
}

std::system_error error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const std::system_error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return std::system_error(std::error_code());
}

class VxlanTest : public tests::KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    shell("ip address add 192.0.2.1/32 dev lo; ip address add 2001:db8::1/128 dev lo nodad");
  }

  nlohmann::json data(const std::string& link) {
    return ip("link show " + link).at(0).at("linkinfo").at("info_data");
  }

  /// What netd does at its start with what isn't as planned. How many steps that were.
  std::size_t restore(const Plan& plan) {
    const Plan again = out_of_place(kernel(), plan);
    EXPECT_TRUE(transition(kernel(), again, {}).empty());
    transition(kernel(), {}, again);
    return again.size();
  }
};

TEST_F(VxlanTest, IsMadeWithEveryAttributeSaid) {
  apply({vxlan_step()});
  const auto link = data("nx001000");
  EXPECT_EQ(link.at("id"), 4096);
  EXPECT_EQ(link.at("port"), 4789);
  EXPECT_EQ(link.at("local"), "192.0.2.1");
  EXPECT_EQ(link.at("learning"), false);
  EXPECT_EQ(link.at("ttl"), 64);
  EXPECT_EQ(link.at("udp_csum"), false);
  EXPECT_EQ(ip("link show nx001000").at(0).at("mtu"), 1450);
}

TEST_F(VxlanTest, OnIpv6OuterPacketsHaveAChecksumBothWays) {
  CreateVxlan step = vxlan_step();
  step.local = address("2001:db8::1");
  apply({step});
  const auto link = data("nx001000");
  EXPECT_EQ(link.at("local6"), "2001:db8::1");
  EXPECT_EQ(link.at("udp_zero_csum6_tx"), false);
  EXPECT_EQ(link.at("udp_zero_csum6_rx"), false);
  EXPECT_EQ(kernel().find_vxlan("nx001000"), planned_vxlan({step}, step));
}

TEST_F(VxlanTest, IsReadAsItWasPlanned) {
  apply(overlay_plan());
  EXPECT_EQ(kernel().find_vxlan("nx001000"), planned_vxlan(overlay_plan(), vxlan_step()));
  EXPECT_FALSE(kernel().find_vxlan("nb001000"));
  EXPECT_FALSE(kernel().find_vxlan("nx001001"));
  EXPECT_TRUE(kernel().find_link("", "nb001000")->no_snooping);
}

TEST_F(VxlanTest, ReadsWhatSomebodyElseMade) {
  shell("ip link add theirs type vxlan id 7 dstport 4790 learning udpcsum");
  const auto theirs = kernel().find_vxlan("theirs");
  ASSERT_TRUE(theirs);
  EXPECT_TRUE(theirs->learns);
  EXPECT_TRUE(theirs->checksum);
  EXPECT_EQ(theirs->port, 4790);
  EXPECT_TRUE(theirs->local.is_any());
}

TEST_F(VxlanTest, ATakenVniIsToldWithItsHolder) {
  shell("ip link add theirs type vxlan id 4096 dstport 4789; ip link set theirs alias docker");
  const auto error = error_of([&] { apply({vxlan_step()}); });
  EXPECT_EQ(error.code().value(), EEXIST);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("create vxlan nx001000 (VNI 4096)"),
                                  HasSubstr("VNI 4096 is that of vxlan link theirs (docker)"),
                                  HasSubstr("give the network another VNI")));
}

TEST_F(VxlanTest, AVniWhoseLinkMovedAwayIsToldToo) {
  shell(
      "ip netns add away; ip link add theirs type vxlan id 4096 dstport 4789;"
      "ip link set theirs netns away");
  EXPECT_THAT(error_of([&] { apply({vxlan_step()}); }).what(),
              HasSubstr("is in another network namespace now"));
}

TEST_F(VxlanTest, ATakenNameIsSomebodyElses) {
  shell("ip link add nx001000 type bridge");
  EXPECT_THAT(error_of([&] { apply({vxlan_step()}); }).what(),
              HasSubstr("a link of that name is there"));
}

TEST_F(VxlanTest, APortTakenByAProcessIsToldWithTheProcess) {
  const Fd taken(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_port = htons(4789);
  ASSERT_EQ(::bind(taken.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own), 0);
  const auto error = error_of([&] { apply(overlay_plan()); });
  EXPECT_EQ(error.code().value(), EADDRINUSE);
  EXPECT_THAT(error.what(),
              AllOf(HasSubstr("take vxlan nx001000 up: UDP port 4789 is taken by process " +
                              std::to_string(::getpid()) + " ("),
                    HasSubstr("another VXLAN port")));
}

TEST_F(VxlanTest, APortTakenByALinkForAllVnisIsToldWithTheLink) {
  shell("ip link add theirs type vxlan external dstport 4789; ip link set theirs up");
  EXPECT_THAT(error_of([&] { apply(overlay_plan()); }).what(),
              HasSubstr("taken by vxlan link theirs, which takes all VNIs"));
}

TEST_F(VxlanTest, NetworksShareAPort) {
  CreateVxlan other = vxlan_step();
  other.name = "nx001001";
  other.index = 202;
  other.vni = 4097;
  apply(overlay_plan());
  apply({other, SetLink{.index = 202, .up = true}});
  EXPECT_TRUE(kernel().find_vxlan("nx001001")->up);
}

TEST_F(VxlanTest, AVniIsFreeAgainAtOnce) {
  for (int round = 0; round < 3; ++round) {
    apply(overlay_plan());
    EXPECT_TRUE(transition(kernel(), overlay_plan(), {}).empty());
    EXPECT_FALSE(kernel().find_vxlan("nx001000"));
  }
  kernel().drain();
  EXPECT_EQ(host_links(), std::vector<std::string>{"lo"});
}

TEST_F(VxlanTest, WhatIsAsPlannedIsAdoptedUntouched) {
  apply(overlay_plan());
  restart_kernel();
  EXPECT_EQ(restore(overlay_plan()), 0u);
}

TEST_F(VxlanTest, WhatDiffersIsReplaced) {
  apply(overlay_plan());
  for (const char* change :
       {"bridge link set dev nx001000 flood on", "bridge link set dev nx001000 learning on",
        "bridge link set dev nx001000 neigh_suppress off", "ip link set nx001000 mtu 1400",
        "ip link set nx001000 down", "ip link set nx001000 alias other",
        "ip link set nx001000 nomaster", "ip link del nx001000",
        "ip link set nx001000 type vxlan id 4096 dev lo local 192.0.2.1 ttl 1"}) {
    shell(change);
    // With another alias the link isn't ours by name, but by its index.
    EXPECT_EQ(restore(overlay_plan()), 4u) << change;
    EXPECT_EQ(restore(overlay_plan()), 0u) << change;
  }
  shell("ip link set nb001000 type bridge mcast_snooping 1");
  EXPECT_EQ(restore(overlay_plan()), 6u);
  EXPECT_EQ(restore(overlay_plan()), 0u);
}

TEST_F(VxlanTest, OfAnEarlierNetdIsReplacedWhateverItsIndex) {
  CreateVxlan old = vxlan_step();
  old.index = 300;
  apply({old, SetLink{.index = 300, .alias = "netd:n1"}});
  apply({overlay_plan()[0], overlay_plan()[1]});
  EXPECT_EQ(restore(overlay_plan()), 4u);
  EXPECT_EQ(kernel().find_vxlan("nx001000")->index, 201u);
}

TEST_F(VxlanTest, OfSomebodyElseIsLeftAlone) {
  shell("ip link add nx001000 index 300 type vxlan id 9 dstport 4789");
  apply({overlay_plan()[0], overlay_plan()[1]});
  EXPECT_EQ(error_of([&] { restore(overlay_plan()); }).code().value(), EEXIST);
  EXPECT_EQ(kernel().find_vxlan("nx001000")->vni, 9u);
}

class FdbEntry : public VxlanTest {
 protected:
  void SetUp() override {
    VxlanTest::SetUp();
    apply({overlay_plan()[0], overlay_plan()[1]});
    shell(
        "ip link add p1 index 301 type veth peer name q1;"
        "ip link add p2 index 302 type veth peer name q2;"
        "ip link set p1 master nb001000; ip link set p2 master nb001000");
  }
  static std::string port_of(const std::string& address) {
    return shell("bridge -j fdb show br nb001000 | jq -r '.[] | select(.mac==\"" + address +
                 "\") | .ifname + \" \" + .state' | sort -u | tr -d '\\n'");
  }
};

TEST_F(FdbEntry, IsStaticOnItsPortAndGoesWithTheStep) {
  const AddFdbEntry step{.index = 301, .mac = mac("02:00:00:00:00:09")};
  apply({step});
  EXPECT_EQ(port_of("02:00:00:00:00:09"), "p1 static");
  revert({step, step});
  EXPECT_EQ(port_of("02:00:00:00:00:09"), "");
}

TEST_F(FdbEntry, MovesToThePortThatHasItNow) {
  const AddFdbEntry first{.index = 301, .mac = mac("02:00:00:00:00:09")};
  const AddFdbEntry second{.index = 302, .mac = mac("02:00:00:00:00:09")};
  apply({first, second});
  EXPECT_EQ(port_of("02:00:00:00:00:09"), "p2 static");
  revert({first});
  EXPECT_EQ(port_of("02:00:00:00:00:09"), "p2 static");
}

TEST_F(FdbEntry, GoesTolerantlyWithoutItsPort) {
  const AddFdbEntry step{.index = 301, .mac = mac("02:00:00:00:00:09")};
  apply({step});
  shell("ip link set p1 nomaster");
  revert({step});
  shell("ip link del p1");
  revert({step});
  EXPECT_EQ(port_of("02:00:00:00:00:09"), "");
}

TEST_F(FdbEntry, PortFlagsAreSaidAndTakenBack) {
  apply({SetBridgePort{.index = 301, .no_learning = true, .locked = true}});
  const auto flags = [] {
    return shell(
        "bridge -j -d link show dev p1 | jq -c '.[] | [.learning,.locked,.flood,"
        ".mcast_flood,.bcast_flood,.neigh_suppress]' | tr -d '\\n'");
  };
  EXPECT_EQ(flags(), "[false,true,true,true,true,false]");
  apply({SetBridgePort{.index = 301, .suppress_neighbours = true, .no_flood = true}});
  EXPECT_EQ(flags(), "[true,false,false,false,false,true]");
}

}  // namespace
