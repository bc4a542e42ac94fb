#include "sandbox/transition.h"

#include <gmock/gmock.h>

#include <cerrno>

#include "tests/sandbox/example_plans.h"
#include "tests/support/fault_sweep.h"

namespace sandbox {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using tests::address;
using tests::bridge_plan;
using tests::endpoint_plan;
using tests::FakeKernel;
using tests::joined;
using tests::prefix;
using tests::sandbox_plan;

/// Writes down what it is asked to do.
class Recorder : public FakeKernel {
 public:
  void apply(const Step& step) override {
    calls.push_back("apply " + to_text(step));
    FakeKernel::apply(step);
  }
  void revert(const Step& step) override {
    calls.push_back("revert " + to_text(step));
    FakeKernel::revert(step);
  }
  std::vector<std::string> calls;
};

template <class Kind>
Kind& step_of(Plan& plan) {
  for (Step& step : plan)
    if (auto* found = std::get_if<Kind>(&step)) return *found;
  throw std::logic_error("no such step");
}

class Transition : public testing::Test {
 protected:
  void start(const Plan& plan) {
    ASSERT_THAT(transition(kernel_, {}, plan), IsEmpty());
    kernel_.calls.clear();
  }

  Recorder kernel_;
  const Plan everything_ = joined({bridge_plan(), sandbox_plan(), endpoint_plan()});
};

TEST_F(Transition, AppliesANewPlanInItsOrder) {
  EXPECT_THAT(transition(kernel_, {}, bridge_plan()), IsEmpty());
  EXPECT_THAT(kernel_.calls,
              ElementsAre("apply host-sysctl net/ipv4/ip_forward = 1",
                          "apply bridge br-3f2a91c0d4e7 index 1000 mac 02:42:00:00:00:01 mtu 1450",
                          "apply link 1000 alias \"netd:3f2a91c0d4e7\" ipv6-link-local off up",
                          "apply sysctl net/ipv4/conf/br-3f2a91c0d4e7/arp_announce = 2",
                          "apply address 10.5.0.1/16 link 1000",
                          "apply elements nets { 1000 } samebr { 1000 . 1000 }"));
}

TEST_F(Transition, LeavesEqualPlansAlone) {
  start(everything_);
  EXPECT_THAT(transition(kernel_, everything_, everything_), IsEmpty());
  EXPECT_THAT(kernel_.calls, IsEmpty());
}

TEST_F(Transition, RemovesOnlyWhatDoesNotGoAlongWithItsLink) {
  start(everything_);
  EXPECT_THAT(transition(kernel_, endpoint_plan(), {}), IsEmpty());
  EXPECT_THAT(
      kernel_.calls,
      ElementsAre(
          "revert elements pub4 { tcp . 8080 : 10.5.0.2 . 80, tcp . 8443 : 10.5.0.2 . 443 }",
          "revert veth nv3f2a91 index 1001 mac 02:42:00:00:00:02 mtu 1450 peer eth0 index 1002 "
          "mac 02:42:0a:05:00:02 in /run/netd/netns/web"));
}

TEST_F(Transition, RevertsAVethThoughItsNamespaceGoesToo) {
  const Plan plan = joined({sandbox_plan(), endpoint_plan()});
  start(joined({bridge_plan(), plan}));
  EXPECT_THAT(transition(kernel_, plan, {}), IsEmpty());
  EXPECT_THAT(kernel_.calls, ElementsAre(testing::StartsWith("revert elements"),
                                         testing::StartsWith("revert veth nv3f2a91"),
                                         "revert namespace /run/netd/netns/web"));
}

TEST_F(Transition, CleansUpInANamespaceThatLivesOnWithoutItsPin) {
  kernel_.add_namespace("/proc/42/ns/net");
  const std::string before = kernel_.state();
  Plan plan = sandbox_plan();
  step_of<PinNamespace>(plan).source = "/proc/42/ns/net";
  std::erase_if(plan, [](const Step& step) {
    return std::holds_alternative<SetLink>(step) || std::holds_alternative<SetSysctl>(step);
  });
  start(plan);
  EXPECT_THAT(transition(kernel_, plan, {}), IsEmpty());
  EXPECT_EQ(kernel_.state(), before);
}

TEST_F(Transition, MatchesEqualStepsOneToOne) {
  const Step once = SetSysctl{.netns = "", .key = "net/core/somaxconn", .value = "1"};
  transition(kernel_, {once}, {once, once});
  EXPECT_THAT(kernel_.calls, ElementsAre("apply sysctl net/core/somaxconn = 1"));
}

TEST_F(Transition, AppliesAChangedSettingWithoutRevertingTheOldOne) {
  start(bridge_plan());
  Plan changed = bridge_plan();
  step_of<SetSysctl>(changed).value = "1";
  EXPECT_THAT(transition(kernel_, bridge_plan(), changed), IsEmpty());
  EXPECT_THAT(kernel_.calls,
              ElementsAre("apply sysctl net/ipv4/conf/br-3f2a91c0d4e7/arp_announce = 1"));
}

TEST_F(Transition, ReplacesOnePortWithoutTouchingTheOthers) {
  start(everything_);
  Plan changed = everything_;
  changed.pop_back();
  changed.emplace_back(AddElements{{tests::published(8443, 443), tests::published(9090, 90)}});
  EXPECT_THAT(transition(kernel_, everything_, changed), IsEmpty());
  EXPECT_THAT(kernel_.calls, ElementsAre("revert elements pub4 { tcp . 8080 : 10.5.0.2 . 80 }",
                                         "apply elements pub4 { tcp . 9090 : 10.5.0.2 . 90 }"));
}

TEST_F(Transition, MakesSettingsOfAReplacedLinkAgain) {
  start(everything_);
  Plan changed = everything_;
  step_of<CreateVeth>(changed).mtu = 1400;
  EXPECT_THAT(transition(kernel_, everything_, changed), IsEmpty());

  FakeKernel fresh;
  transition(fresh, {}, changed);
  kernel_.drain();
  EXPECT_EQ(kernel_.state(), fresh.state());
}

TEST_F(Transition, MakesTheRouteAgainThatAChangedAddressTakesAlong) {
  start(everything_);
  Plan changed = everything_;
  for (Step& step : changed)
    if (auto* own = std::get_if<AddAddress>(&step); own && own->index == 1002)
      own->address = prefix("10.5.0.9/16");
  EXPECT_THAT(transition(kernel_, everything_, changed), IsEmpty());
  EXPECT_THAT(kernel_.state(), HasSubstr("route 0.0.0.0/0 via 10.5.0.1"));
  EXPECT_THAT(kernel_.state(), Not(HasSubstr("10.5.0.2/16")));
}

TEST_F(Transition, KeepsAPortIsolatedThatChangesItsBridge) {
  Plan start_plan = everything_;
  start_plan.insert(
      start_plan.begin(),
      CreateBridge{
          .name = "br-other", .index = 2000, .mac = tests::mac("02:42:00:00:00:09"), .mtu = 0});
  start(start_plan);
  Plan changed = start_plan;
  for (Step& step : changed)
    if (auto* link = std::get_if<SetLink>(&step); link && link->index == 1001) link->master = 2000;
  EXPECT_THAT(transition(kernel_, start_plan, changed), IsEmpty());
  EXPECT_THAT(kernel_.state(), HasSubstr("master 2000 peer 1002 isolated"));
}

TEST_F(Transition, ReportsFailedRevertsAndDoesTheRest) {
  start(everything_);
  kernel_.fail_reverts(1);
  EXPECT_THAT(
      transition(kernel_, endpoint_plan(), {}),
      ElementsAre("revert elements pub4 { tcp . 8080 : 10.5.0.2 . 80, tcp . 8443 : 10.5.0.2 . "
                  "443 }: Input/output error"));
  EXPECT_THAT(kernel_.state(), Not(HasSubstr("nv3f2a91")));
}

TEST_F(Transition, RethrowsTheErrorOfTheStepThatFailed) {
  start(bridge_plan());
  try {
    transition(kernel_, {}, bridge_plan());
    FAIL() << "made a second bridge of that name";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code().value(), EEXIST);
    EXPECT_STREQ(error.what(), "create bridge br-3f2a91c0d4e7: File exists");
  }
}

TEST_F(Transition, TellsWhatCouldNotBeUndone) {
  kernel_.fail_at(3);
  kernel_.fail_reverts(1);
  try {
    transition(kernel_, {}, bridge_plan());
    FAIL() << "the third step did not fail";
  } catch (const RollbackFailed& error) {
    EXPECT_EQ(error.code().value(), EIO);
    EXPECT_EQ(error.failures().size(), 1u);
    EXPECT_STREQ(error.what(),
                 "link 1000 alias \"netd:3f2a91c0d4e7\" ipv6-link-local off up: Input/output "
                 "error; could not be undone: revert bridge br-3f2a91c0d4e7 index 1000 mac "
                 "02:42:00:00:00:01 mtu 1450: Input/output error");
  }
}

TEST_F(Transition, RestoresWhatIsThereStillBecauseItsRevertFailed) {
  start(everything_);
  const std::string before = kernel_.state();
  Plan changed = everything_;
  changed.back() = AddElements{{tests::published(9090, 90)}};
  kernel_.fail_reverts(1);
  kernel_.fail_at(1);
  EXPECT_THROW(transition(kernel_, everything_, changed), std::system_error);
  EXPECT_EQ(kernel_.state(), before);
}

TEST(FaultSweep, ANetworkIsMadeWhollyOrNotAtAll) {
  FakeKernel kernel;
  EXPECT_EQ(tests::sweep(kernel, {}, bridge_plan()), 6u);
}

TEST(FaultSweep, ASandboxWithItsEndpointIsMadeWhollyOrNotAtAll) {
  FakeKernel kernel;
  transition(kernel, {}, bridge_plan());
  EXPECT_EQ(tests::sweep(kernel, {}, joined({sandbox_plan(), endpoint_plan()})), 12u);
}

TEST(FaultSweep, APluginsLinkGoesBackWhereItWas) {
  FakeKernel kernel;
  const std::uint32_t index = kernel.add_link("", "vc1", "veth", {}, false);
  const Plan plan = {
      PinNamespace{.path = "/run/ns", .source = ""},
      MoveLink{.name = "vc1", .netns = "/run/ns", .new_name = "eth0", .index = index},
      AddAddress{.netns = "/run/ns", .index = index, .address = prefix("10.1.0.2/16")},
      SetLink{.netns = "/run/ns", .index = index, .up = true},
      AddRoute{.netns = "/run/ns",
               .destination = prefix("0.0.0.0/0"),
               .gateway = address("10.1.0.1"),
               .index = index}};
  EXPECT_EQ(tests::sweep(kernel, {}, plan), 5u);
}

TEST(FaultSweep, AnEndpointJoinsALiveSandboxWhollyOrNotAtAll) {
  FakeKernel kernel;
  transition(kernel, {}, joined({bridge_plan(), sandbox_plan()}));
  EXPECT_EQ(tests::sweep(kernel, {}, endpoint_plan()), 8u);
}

TEST(FaultSweep, AChangeOfEverythingIsUndoneWholly) {
  FakeKernel kernel;
  Plan from = joined({bridge_plan(), sandbox_plan(), endpoint_plan()});
  Plan to = from;
  step_of<CreateBridge>(to).mtu = 9000;
  step_of<SetSysctl>(to).value = "1";
  step_of<AddRoute>(to).metric = 50;
  to.back() = AddElements{{tests::published(8080, 8080)}};
  EXPECT_GT(tests::sweep(kernel, from, to), 6u);
}

TEST(FaultSweep, AnotherNamespaceIsAdoptedWhollyOrNotAtAll) {
  FakeKernel kernel;
  kernel.add_namespace("/proc/42/ns/net");
  transition(kernel, {}, bridge_plan());
  const Plan from = joined({sandbox_plan(), endpoint_plan()});
  const Plan to = {PinNamespace{.path = tests::web_netns, .source = "/proc/42/ns/net"},
                   RedirectDns{.netns = tests::web_netns, .port = 30054}};
  EXPECT_EQ(tests::sweep(kernel, from, to), 2u);
}

}  // namespace
}  // namespace sandbox
