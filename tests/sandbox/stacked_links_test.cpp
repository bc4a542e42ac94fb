// Links of one piece, on the real kernel: made in another namespace, deleted there in the
// background, and what a bridge's VLANs and routes to nowhere become.
#include <gmock/gmock.h>

#include <system_error>

#include "sandbox/links.h"
#include "tests/sandbox/kernel_fixture.h"

namespace {

using namespace sandbox;
using testing::HasSubstr;
using tests::pin_step;

class StackedLinks : public tests::KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    shell("ip link add eth9 index 50 type veth peer name far9; ip link set eth9 up");
  }
};

CreateLink macvlan_step() {
  return {.kind = "macvlan",
          .name = "eth0",
          .index = 7,
          .mac = *ipam::Mac::parse("02:00:00:00:00:07"),
          .netns = "/run/ns1",
          .parent = 50,
          .mode = "bridge"};
}

TEST_F(StackedLinks, AMacvlanIsBornInTheSandbox) {
  apply({pin_step(), macvlan_step()});
  const auto link = ip("link show eth0", "/run/ns1").at(0);
  EXPECT_EQ(link.at("ifindex"), 7);
  EXPECT_EQ(link.at("address"), "02:00:00:00:00:07");
  EXPECT_EQ(link.at("operstate"), "DOWN");
  EXPECT_EQ(link.at("linkinfo").at("info_kind"), "macvlan");
  EXPECT_EQ(link.at("linkinfo").at("info_data").at("mode"), "bridge");
}

TEST_F(StackedLinks, EveryMacvlanModeIsTheKernels) {
  apply({pin_step()});
  CreateLink step = macvlan_step();
  for (const char* mode : {"private", "vepa", "bridge", "passthru"}) {
    step.mode = mode;
    apply({step});
    EXPECT_EQ(ip("link show eth0", "/run/ns1").at(0).at("linkinfo").at("info_data").at("mode"),
              mode);
    kernel().revert(step);
    kernel().drain();
  }
  step.mode = "source";
  step.sources = {*ipam::Mac::parse("02:00:00:00:00:0a")};
  apply({step});
  EXPECT_THAT(shell("nsenter --net=/run/ns1 ip -d link show eth0"), HasSubstr("02:00:00:00:00:0a"));
}

TEST_F(StackedLinks, WhatIsWrongIsAnErrorAndLeavesNothing) {
  apply({pin_step()});
  const auto error_of = [&](const CreateLink& step) {
    try {
      apply({step});
    } catch (const std::system_error& error) {
      return error.code().value();
    } catch (const std::invalid_argument&) {
      return EINVAL;
    }
    return 0;
  };
  CreateLink step = macvlan_step();
  step.parent = 4711;
  EXPECT_EQ(error_of(step), ENODEV);
  step = macvlan_step();
  step.mode = "bridged";
  EXPECT_EQ(error_of(step), EINVAL);
  step = macvlan_step();
  step.kind = "nonsense";
  EXPECT_EQ(error_of(step), EINVAL);
  EXPECT_EQ(kernel().link_names("/run/ns1"), std::vector<std::string>{"lo"});
  apply({macvlan_step()});
  EXPECT_EQ(error_of(macvlan_step()), EEXIST);
}

TEST_F(StackedLinks, ItIsDownAtOnceAndDeletedInTheBackground) {
  apply({pin_step(), macvlan_step(), SetLink{.netns = "/run/ns1", .index = 7, .up = true}});
  kernel().revert(macvlan_step());
  EXPECT_EQ(kernel().link_names("/run/ns1"), std::vector<std::string>{"lo"});
  kernel().drain();
  EXPECT_THAT(shell("nsenter --net=/run/ns1 ip -o link show | wc -l"), HasSubstr("1"));
  kernel().revert(macvlan_step());  // gone = done
}

TEST_F(StackedLinks, TheNextOneMayHaveTheSameNameIndexAndAddress) {
  apply({pin_step(), macvlan_step()});
  for (int round = 0; round < 3; ++round) {
    kernel().revert(macvlan_step());
    apply({macvlan_step()});
  }
  EXPECT_EQ(ip("link show eth0", "/run/ns1").at(0).at("ifindex"), 7);
}

TEST_F(StackedLinks, WhatAKilledNetdLeftDyingIsSwept) {
  apply({pin_step(), macvlan_step()});
  shell("nsenter --net=/run/ns1 ip link set eth0 down group 0x6e657464");
  kernel().sweep("/run/ns1");
  kernel().drain();
  EXPECT_THAT(shell("nsenter --net=/run/ns1 ip -o link show | wc -l"), HasSubstr("1"));
}

TEST_F(StackedLinks, OneThatAnEngineGaveBackHasItsOldName) {
  CreateLink step = macvlan_step();
  step.netns = "";
  step.name = "np1";
  apply({pin_step(), step});
  shell(
      "ip link set np1 netns /run/ns1 name eth5; "
      "nsenter --net=/run/ns1 ip link set eth5 netns 1 2>/dev/null || true");
  // In a container: out of sight, and no error.
  kernel().revert(step);
  shell("ip link add np1 link eth9 type macvlan mode bridge");  // came back with another index
  kernel().revert(step);
  kernel().drain();
  EXPECT_FALSE(kernel().find_link("", "np1"));
}

TEST_F(StackedLinks, KindsThatTheKernelLacksAreKnown) {
  EXPECT_TRUE(kernel().has_link_kind("veth"));
  EXPECT_TRUE(kernel().has_link_kind("macvlan"));
  EXPECT_FALSE(kernel().has_link_kind("nonsense"));
  EXPECT_EQ(shell("ip -o link show | wc -l"), "3\n");  // asking makes nothing
}

TEST_F(StackedLinks, RoutesToNowhere) {
  apply({pin_step()});
  Plan routes;
  for (const char* type : {"blackhole", "unreachable", "prohibit"})
    routes.push_back(AddRoute{.netns = "/run/ns1",
                              .destination = *ipam::Prefix::parse("10.9.0.0/16"),
                              .metric = static_cast<std::uint32_t>(routes.size() + 1),
                              .type = type});
  routes.push_back(AddRoute{
      .netns = "/run/ns1", .destination = *ipam::Prefix::parse("fd09::/64"), .type = "blackhole"});
  apply(routes);
  const std::string shown = shell("nsenter --net=/run/ns1 sh -c 'ip route; ip -6 route'");
  for (const char* line : {"blackhole 10.9.0.0/16", "unreachable 10.9.0.0/16",
                           "prohibit 10.9.0.0/16", "blackhole fd09::/64"})
    EXPECT_THAT(shown, HasSubstr(line));
  for (const Step& route : routes)
    kernel().revert(route);
  EXPECT_EQ(shell("nsenter --net=/run/ns1 ip route"), "");
}

}  // namespace
