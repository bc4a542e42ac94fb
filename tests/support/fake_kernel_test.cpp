#include "tests/support/fake_kernel.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <system_error>

namespace tests {
namespace {

using namespace sandbox;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

ipam::Prefix prefix(const char* text) {
  return ipam::Prefix::parse(text).value();
}
ipam::Address address(const char* text) {
  return ipam::Address::parse(text).value();
}

CreateBridge bridge(const char* name, std::uint32_t index) {
  return {.name = name, .index = index, .mac = {}, .mtu = 0};
}

CreateVeth veth(const char* name, std::uint32_t index, const char* netns) {
  return {.name = name,
          .index = index,
          .mac = {},
          .netns = netns,
          .peer_name = "eth0",
          .peer_index = index + 1,
          .peer_mac = {},
          .mtu = 0};
}

SetLink up(const char* netns, std::uint32_t index) {
  return {
      .netns = netns, .index = index, .alias = {}, .master = {}, .ipv6_link_local = {}, .up = true};
}

SetLink enslave(std::uint32_t index, std::uint32_t master) {
  return {
      .netns = "", .index = index, .alias = {}, .master = master, .ipv6_link_local = {}, .up = {}};
}

class FakeKernelTest : public testing::Test {
 protected:
  /// 0 = it worked.
  int error_of(const Step& step) {
    try {
      kernel_.apply(step);
      return 0;
    } catch (const std::system_error& error) {
      return error.code().value();
    }
  }

  void make_web() {
    kernel_.apply(PinNamespace{.path = "/web", .source = ""});
    kernel_.apply(bridge("br0", 10));
    kernel_.apply(veth("nv0", 20, "/web"));
    kernel_.apply(enslave(20, 10));
    kernel_.apply(up("/web", 21));
  }

  FakeKernel kernel_;
};

TEST_F(FakeKernelTest, RefusesNamesAndIndexesInUse) {
  kernel_.apply(bridge("br0", 10));
  EXPECT_EQ(error_of(bridge("br0", 11)), EEXIST);
  EXPECT_EQ(error_of(bridge("br1", 10)), EEXIST);
  EXPECT_EQ(error_of(bridge("a-name-too-long-", 12)), EINVAL);
}

TEST_F(FakeKernelTest, RefusesWhatHasNoPlace) {
  EXPECT_EQ(error_of(veth("nv0", 20, "/nowhere")), ENOENT);
  EXPECT_EQ(error_of(up("", 99)), ENODEV);
  EXPECT_EQ(error_of(AddAddress{.netns = "", .index = 99, .address = prefix("10.0.0.1/8")}),
            ENODEV);
  EXPECT_EQ(error_of(SetSysctl{.netns = "", .key = "net/ipv4/conf/eth9/forwarding", .value = "1"}),
            ENOENT);
}

TEST_F(FakeKernelTest, TakesPeersAlongWithTheirNamespace) {
  make_web();
  kernel_.revert(PinNamespace{.path = "/web", .source = ""});
  EXPECT_THAT(kernel_.link_names(""), ElementsAre("lo", "br0"));
  EXPECT_FALSE(kernel_.is_pinned("/web"));
}

TEST_F(FakeKernelTest, KeepsAnAdoptedNamespaceAlive) {
  kernel_.add_namespace("/proc/42/ns/net");
  kernel_.apply(PinNamespace{.path = "/web", .source = "/proc/42/ns/net"});
  kernel_.apply(veth("nv0", 20, "/web"));
  kernel_.revert(PinNamespace{.path = "/web", .source = ""});
  EXPECT_THAT(kernel_.link_names("/proc/42/ns/net"), ElementsAre("lo", "eth0"));
}

TEST_F(FakeKernelTest, LetsRevertedLinksDieUntilTheyAreReaped) {
  make_web();
  kernel_.revert(veth("nv0", 20, "/web"));
  EXPECT_EQ(kernel_.dying_links(), 1u);
  EXPECT_THAT(kernel_.link_names("/web"), ElementsAre("lo"));
  EXPECT_THAT(kernel_.state(), Not(HasSubstr("nv0")));
  kernel_.drain();
  EXPECT_EQ(kernel_.dying_links(), 0u);
}

TEST_F(FakeKernelTest, ReapsALinkWhoseNameIsWanted) {
  kernel_.apply(bridge("br0", 10));
  kernel_.revert(bridge("br0", 10));
  EXPECT_EQ(error_of(bridge("br0", 11)), 0);
  EXPECT_EQ(kernel_.dying_links(), 0u);
}

TEST_F(FakeKernelTest, RevertsTolerantly) {
  kernel_.revert(bridge("br0", 10));
  kernel_.revert(PinNamespace{.path = "/web", .source = ""});
  kernel_.revert(AddAddress{.netns = "/web", .index = 1, .address = prefix("10.0.0.1/8")});
  kernel_.revert(RedirectDns{.netns = "/web", .port = 53});
  EXPECT_EQ(kernel_.counters().reverted, 4u);
}

TEST_F(FakeKernelTest, WantsALinkThatIsUpAndAGatewayInReach) {
  make_web();
  AddRoute route{.netns = "/web",
                 .destination = prefix("0.0.0.0/0"),
                 .gateway = address("10.5.0.1"),
                 .index = 21,
                 .metric = 0};
  EXPECT_EQ(error_of(route), ENETUNREACH);
  kernel_.apply(AddAddress{.netns = "/web", .index = 21, .address = prefix("10.5.0.2/16")});
  EXPECT_EQ(error_of(route), 0);
  EXPECT_EQ(error_of(route), EEXIST);
  route.netns = "";
  route.index = 10;
  EXPECT_EQ(error_of(route), ENETDOWN);
}

TEST_F(FakeKernelTest, FlushesRoutesWithTheLastAddress) {
  make_web();
  const AddAddress own{.netns = "/web", .index = 21, .address = prefix("10.5.0.2/16")};
  kernel_.apply(own);
  kernel_.apply(AddRoute{.netns = "/web",
                         .destination = prefix("0.0.0.0/0"),
                         .gateway = address("10.5.0.1"),
                         .index = 21,
                         .metric = 0});
  kernel_.revert(own);
  EXPECT_THAT(kernel_.state(), Not(HasSubstr("route")));
}

TEST_F(FakeKernelTest, ResetsPortFlagsWithTheBridge) {
  make_web();
  kernel_.apply(bridge("br1", 11));
  kernel_.apply(SetBridgePort{.index = 20, .isolated = true, .hairpin = false});
  kernel_.apply(enslave(20, 11));
  EXPECT_THAT(kernel_.state(), Not(HasSubstr("isolated")));
  EXPECT_EQ(error_of(SetBridgePort{.index = 10, .isolated = true, .hairpin = false}), EOPNOTSUPP);
}

TEST_F(FakeKernelTest, AddsElementsAllOrNone) {
  const Element first{.set = "nets", .key = {LinkIndex{1}}, .value = {}};
  const Element second{.set = "nets", .key = {LinkIndex{2}}, .value = {}};
  kernel_.apply(AddElements{{first}});
  EXPECT_EQ(error_of(AddElements{{second, first}}), EEXIST);
  EXPECT_THAT(kernel_.elements(), ElementsAre(first));
  kernel_.remove_firewall();
  EXPECT_EQ(error_of(AddElements{{second}}), ENOENT);
}

TEST_F(FakeKernelTest, FailsWhenToldTo) {
  kernel_.fail_at(2);
  EXPECT_EQ(error_of(bridge("br0", 10)), 0);
  EXPECT_EQ(error_of(bridge("br1", 11)), EIO);
  EXPECT_EQ(error_of(bridge("br1", 11)), 0);
  kernel_.fail_reverts(1);
  EXPECT_THROW(kernel_.revert(bridge("br0", 10)), std::system_error);
  kernel_.revert(bridge("br0", 10));
}

TEST_F(FakeKernelTest, ForgetsAllButTheHostsOwnAtAReboot) {
  kernel_.add_link("", "enp1s0", "", {prefix("192.168.1.2/24")});
  const std::string before = kernel_.state();
  make_web();
  kernel_.apply(SetHostSysctl{.key = "net/ipv4/ip_forward", .value = "1"});
  kernel_.reboot();
  EXPECT_EQ(kernel_.state(), before);
  EXPECT_EQ(kernel_.read_sysctl("", "net/ipv4/ip_forward"), "0");
  EXPECT_FALSE(kernel_.has_firewall());
}

TEST_F(FakeKernelTest, KnowsTheOnLinkRoutes) {
  kernel_.add_link("", "enp1s0", "", {prefix("192.168.1.2/24"), prefix("fe80::1/64")});
  kernel_.add_link("", "down0", "", {prefix("10.9.0.1/16")}, false);
  EXPECT_THAT(kernel_.on_link_routes(), ElementsAre(prefix("192.168.1.0/24")));
}

TEST_F(FakeKernelTest, GivesAVniToOneLinkThatIsNotDying) {
  const CreateVxlan first{.name = "nx1", .index = 5, .vni = 4096, .port = 4789};
  CreateVxlan second = first;
  second.name = "nx2";
  second.index = 6;
  kernel_.apply(first);
  EXPECT_EQ(error_of(second), EEXIST);
  kernel_.revert(first);
  EXPECT_EQ(error_of(second), 0);
  EXPECT_EQ(kernel_.find_vxlan("nx2")->vni, 4096u);
  EXPECT_FALSE(kernel_.find_vxlan("nx1"));
}

TEST_F(FakeKernelTest, AStaticEntryIsOnOnePortAndGoesWhenThatLeavesItsBridge) {
  const auto mac = *ipam::Mac::parse("02:00:00:00:00:09");
  kernel_.apply(bridge("br0", 10));
  kernel_.apply(veth("p1", 11, ""));
  EXPECT_EQ(error_of(AddFdbEntry{.index = 11, .mac = mac}), EINVAL);
  kernel_.apply(enslave(11, 10));
  kernel_.apply(enslave(12, 10));
  kernel_.apply(AddFdbEntry{.index = 11, .mac = mac});
  const std::string on_first = kernel_.state();
  kernel_.apply(AddFdbEntry{.index = 12, .mac = mac});
  kernel_.revert(AddFdbEntry{.index = 11, .mac = mac});
  EXPECT_THAT(kernel_.state(), HasSubstr("fdb 02:00:00:00:00:09"));
  EXPECT_NE(kernel_.state(), on_first);
  kernel_.apply(enslave(12, 0));
  EXPECT_THAT(kernel_.state(), Not(HasSubstr("fdb")));
}

TEST_F(FakeKernelTest, FindsLinksWithTheirFacts) {
  kernel_.add_link("", "enp1s0", "", {prefix("192.168.1.2/24")});
  const auto found = kernel_.find_link("", "enp1s0");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->index, 2u);
  EXPECT_TRUE(found->up);
  EXPECT_THAT(found->addresses, ElementsAre(prefix("192.168.1.2/24")));
  EXPECT_FALSE(kernel_.find_link("", "eth7"));
  EXPECT_FALSE(kernel_.find_link("/nowhere", "lo"));
}

}  // namespace
}  // namespace tests
