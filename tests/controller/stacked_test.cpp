// macvlan and ipvlan networks: who may be on which parent, who owns what netd made, and what
// becomes of it all when a parent changes.
#include <gmock/gmock.h>
#include <unistd.h>

#include "netd/engine_driver.h"
#include "tests/controller/controller_fixture.h"

namespace tests {
namespace {

using testing::HasSubstr;

class StackedTest : public ControllerTest {
 protected:
  void SetUp() override {
    ControllerTest::SetUp();
    kernel_.add_link("", "eth1", "", {*ipam::Prefix::parse("192.168.7.10/24")});
    before_ = world();
  }

  void create(const std::string& name, const std::string& parent, const char* subnet,
              drivers::Options options = {}, const char* driver = "macvlan") {
    netd::NetworkSpec spec{.driver = driver};
    spec.pools.push_back({.subnet = ipam::Prefix::parse(subnet)});
    spec.options = std::move(options);
    if (!parent.empty()) spec.options["parent"] = parent;
    create_network(name, std::move(spec));
  }
  void remove_all() {
    for (const auto& view : controller_->sandboxes())
      controller_->remove_sandbox(view.sandbox->sandbox.id);
    for (const netd::NetworkRecord* network : controller_->networks())
      if (!network->predefined) controller_->remove_network(network->network.id);
  }
  /// As the daemon hears it.
  void tell_of(const std::string& link) {
    const auto facts = kernel_.find_link("", link);
    controller_->links_changed({.changes = {{facts ? facts->index : 0, link}}});
  }
  const drivers::Network& network(const char* name) { return controller_->network(name).network; }

  std::string before_;
};

TEST_F(StackedTest, ComesAndGoesWithoutATrace) {
  create("lan", "eth1", "192.168.7.0/24", {{"io.netd.host_access", "true"}});
  create_sandbox("web", {"lan"});
  EXPECT_TRUE(kernel_has("eth0 macvlan"));
  EXPECT_TRUE(kernel_has("route 192.168.7.10/32 via"));
  remove_all();
  kernel_.drain();
  EXPECT_EQ(world(), before_);
}

TEST_F(StackedTest, AFailureAtAnyStepLeavesNothing) {
  create("lan", "eth1", "192.168.7.0/24", {{"io.netd.host_access", "true"}});
  const std::string before = world();
  for (std::size_t step = 1;; ++step) {
    kernel_.fail_at(step);
    try {
      create_sandbox("web", {"lan"});
      break;
    } catch (const std::exception&) {
      kernel_.drain();
      ASSERT_EQ(world(), before) << "step " << step;
    }
  }
}

TEST_F(StackedTest, AVlanLinkIsMadeOnceAndGoesWithItsLastNetwork) {
  kernel_.add_link("", "eth2");
  create("one", "eth2.42", "10.1.0.0/24");
  EXPECT_TRUE(kernel_has("eth2.42 vlan"));
  const std::uint32_t index = network("one").link_index;
  create("two", "eth2.42", "10.2.0.0/24");
  EXPECT_EQ(network("two").link_index, index);
  create_sandbox("web", {"two"});
  // What made it goes: the other takes it over, and nothing happens to it or what is on it.
  const auto applied = kernel_.counters().applied;
  controller_->remove_network("one");
  EXPECT_EQ(kernel_.counters().applied, applied);
  EXPECT_TRUE(kernel_has("eth2.42 vlan"));
  EXPECT_FALSE(network("two").adopted_link);
  restart();
  EXPECT_TRUE(kernel_has("eth0 macvlan"));
  remove_all();
  kernel_.drain();
  EXPECT_FALSE(kernel_has("eth2.42"));
}

TEST_F(StackedTest, AVlanLinkOfTheUsersStays) {
  kernel_.add_link("", "eth1.7", "vlan");
  create("lan", "eth1.7", "10.1.0.0/24");
  remove_all();
  EXPECT_TRUE(kernel_has("eth1.7"));
}

TEST_F(StackedTest, AVlanNeedsItsBase) {
  kernel_.add_link("", "eth3", "", {}, false);
  const std::string before = world();
  EXPECT_EQ(refusal([&] { create("lan", "nix.7", "10.1.0.0/24"); }),
            "-o parent interface was not found on the host: nix");
  EXPECT_THAT(refusal([&] { create("lan", "eth3.7", "10.1.0.0/24"); }),
              HasSubstr("ip link set eth3 up"));
  kernel_.lack("vlan");
  EXPECT_THAT(refusal([&] { create("lan", "eth1.7", "10.1.0.0/24"); }), HasSubstr("8021q"));
  EXPECT_EQ(world(), before);
}

TEST_F(StackedTest, WithoutAParentOrDummyAVethPairStandsIn) {
  kernel_.lack("dummy");
  create("box", "", "10.1.0.0/24");
  EXPECT_TRUE(network("box").internal);
  EXPECT_TRUE(kernel_has("dm-" + network("box").id.substr(0, 12) + " veth"));
  create_sandbox("web", {"box"});
  restart();
  remove_all();
  kernel_.drain();
  EXPECT_EQ(world(), before_);
}

TEST_F(StackedTest, ALinkOfASandboxIsNotTakenForALeftOver) {
  create_network("shop");
  create_sandbox("web", {"shop"});
  const std::string link = endpoint("shop", "web").endpoint.host_link;
  create("lan", link, "10.9.0.0/24");
  EXPECT_TRUE(kernel_.find_link("", link));
  controller_->remove_network("lan");
  kernel_.drain();
  EXPECT_TRUE(kernel_.find_link("", link));
}

TEST_F(StackedTest, WhoMayShareAParent) {
  create("lan", "eth1", "192.168.7.0/24");
  create("more", "eth1", "10.1.0.0/24");
  EXPECT_THAT(refusal([&] {
                create("pass", "eth1", "10.2.0.0/24", {{"macvlan_mode", "passthru"}});
              }),
              HasSubstr("cannot use mode passthru"));
  EXPECT_THAT(refusal([&] { create("ip", "eth1", "10.2.0.0/24", {}, "ipvlan"); }),
              HasSubstr("is already using parent interface eth1"));
  kernel_.add_link("", "eth2");
  create("ip", "eth2", "10.2.0.0/24", {}, "ipvlan");
  EXPECT_THAT(refusal([&] { create("mac", "eth2", "10.3.0.0/24"); }),
              HasSubstr("ipvlan network ip is already using parent interface eth2"));
}

TEST_F(StackedTest, IpvlanHasNoMacOfItsOwn) {
  create("ip", "eth1", "192.168.7.0/24", {}, "ipvlan");
  create_sandbox("web", {"ip"});
  EXPECT_EQ(endpoint("ip", "web").endpoint.mac, ipam::Mac{});
  create_sandbox("other", {});
  EXPECT_EQ(refusal([&] {
              controller_->connect("ip", "other", {.mac = ipam::Mac::parse("02:00:00:00:00:09")});
            }),
            "ipvlan interfaces do not support custom mac address assignment");
}

TEST_F(StackedTest, PassthruHasRoomForOne) {
  create("lan", "eth1", "192.168.7.0/24", {{"macvlan_mode", "passthru"}});
  create_sandbox("a", {"lan"});
  EXPECT_THAT(refusal([&] { create_sandbox("b", {"lan"}); }), HasSubstr("one endpoint"));
}

TEST_F(StackedTest, HostAccessHasAnAddressThatNobodyElseGets) {
  create("lan", "eth1", "192.168.7.0/30", {{"io.netd.host_access", "true"}});
  const auto own = network("lan").parent->host_access->addresses.at(0);
  restart();
  create_sandbox("web", {"lan"});
  EXPECT_NE(endpoint("lan", "web").endpoint.ipv4->address, own);
  EXPECT_THAT(refusal([&] { create_sandbox("more", {"lan"}); }), HasSubstr("no available"));
}

TEST_F(StackedTest, AParentThatComesBackGetsEverythingAgain) {
  create("lan", "eth1", "192.168.7.0/24", {{"io.netd.host_access", "true"}});
  create_sandbox("web", {"lan"});
  const auto index = network("lan").link_index;
  kernel_.remove_link("eth1");
  tell_of("eth1");
  EXPECT_FALSE(kernel_has("eth0 macvlan"));
  kernel_.add_link("", "filler");
  kernel_.add_link("", "eth1", "", {*ipam::Prefix::parse("192.168.7.10/24")});
  tell_of("eth1");
  EXPECT_NE(network("lan").link_index, index);
  for (const char* thing :
       {"eth0 macvlan", "route 192.168.7.10/32 via", "route 0.0.0.0/0 link", "nh"})
    EXPECT_TRUE(kernel_has(thing)) << thing << "\n" << kernel_.state();
  const std::string after = kernel_.state();
  tell_of("eth1");
  restart();
  EXPECT_EQ(kernel_.state(), after);
}

TEST_F(StackedTest, AParentThatComesBackWhileNetdIsAway) {
  create("lan", "eth1", "192.168.7.0/24", {{"io.netd.host_access", "true"}});
  create_sandbox("web", {"lan"});
  kernel_.remove_link("eth1");
  kernel_.add_link("", "filler");
  kernel_.add_link("", "eth1", "", {*ipam::Prefix::parse("192.168.7.10/24")});
  restart();
  for (const char* thing : {"eth0 macvlan", "route 192.168.7.10/32 via", "route 0.0.0.0/0 link"})
    EXPECT_TRUE(kernel_has(thing)) << thing << "\n" << kernel_.state();
}

TEST_F(StackedTest, AVlanLinkThatSomebodyDeletedIsMadeAgain) {
  create("one", "eth1.42", "10.1.0.0/24");
  create("two", "eth1.42", "10.2.0.0/24");
  create_sandbox("web", {"two"});
  kernel_.remove_link("eth1.42");
  tell_of("eth1.42");
  EXPECT_TRUE(kernel_has("eth1.42 vlan"));
  EXPECT_TRUE(kernel_has("eth0 macvlan"));
  EXPECT_TRUE(network("two").adopted_link);
  remove_all();
  kernel_.drain();
  EXPECT_EQ(world(), before_);
}

TEST_F(StackedTest, ARenamedParentIsFoundAgain) {
  create("lan", "eth1", "192.168.7.0/24");
  create_sandbox("web", {"lan"});
  kernel_.rename_link("eth1", "lan0");
  restart();
  EXPECT_EQ(network("lan").link_name, "lan0");
  create_sandbox("later", {"lan"});
}

netd::EngineNetworkSpec engine_lan(const std::string& id, const char* gateway = nullptr) {
  netd::EngineNetworkSpec spec;
  spec.id = id;
  spec.options = {{"io.netd.driver", "macvlan"}, {"parent", "eth1"}};
  spec.pools.push_back({.pool = {.subnet = *ipam::Prefix::parse("192.168.7.0/24")}});
  if (gateway) spec.pools.back().pool.gateway = ipam::Address::parse(gateway);
  return spec;
}

TEST_F(StackedTest, AnEnginesPortsAreIgnoredWithALineInTheLog) {
  const std::string id(64, 'a'), endpoint_id(64, '1');
  const auto log_of_start = [&](const char* gateway) {
    netd::EngineDriver engine = controller_->engine();
    engine.create_network(engine_lan(id, gateway));
    netd::EngineEndpointSpec wanted;
    wanted.network_id = id;
    wanted.id = endpoint_id;
    wanted.ipv4 = ipam::Prefix::parse("192.168.7.20/24");
    wanted.ports = {{.container_port = 80, .host_port_first = 8080, .host_port_last = 8080}};
    engine.create_endpoint(wanted);
    testing::internal::CaptureStderr();
    const auto link = engine.join({.network_id = id, .id = endpoint_id, .sandbox_key = "/n"});
    if (link.gateway4) engine.program(id, endpoint_id, {});  // only a gateway publishes
    const std::string log = testing::internal::GetCapturedStderr();
    engine.leave(id, endpoint_id);
    engine.delete_endpoint(id, endpoint_id);
    engine.delete_network(id);
    kernel_.drain();
    return log;
  };
  for (const char* gateway : {"192.168.7.1", static_cast<const char*>(nullptr)}) {
    const std::string log = log_of_start(gateway);
    EXPECT_THAT(log, HasSubstr("level=warn msg=\"published ports are ignored"));
    EXPECT_THAT(log, HasSubstr("this one at 192.168.7.20\" endpoint=111111111111"));
    EXPECT_EQ(log.find("ignored"), log.rfind("ignored")) << "once";
  }
}

TEST_F(StackedTest, AnEnginesLinkStaysUntilTheEndpointGoes) {
  const std::string id(64, 'a'), endpoint_id(64, '1');
  const std::string before = world();
  netd::EngineDriver engine = controller_->engine();
  engine.create_network(engine_lan(id));
  netd::EngineEndpointSpec wanted;
  wanted.network_id = id;
  wanted.id = endpoint_id;
  wanted.ipv4 = ipam::Prefix::parse("192.168.7.20/24");
  engine.create_endpoint(wanted);
  const auto link = engine.join({.network_id = id, .id = endpoint_id, .sandbox_key = "/n"});
  ASSERT_EQ(link.routes.size(), 1U);  // no gateway: everything is on the link
  EXPECT_EQ(link.routes[0].destination.to_string(), "0.0.0.0/0");
  EXPECT_TRUE(kernel_.find_link("", link.name));
  engine.leave(id, endpoint_id);
  EXPECT_TRUE(kernel_.find_link("", link.name));
  engine.delete_endpoint(id, endpoint_id);
  kernel_.drain();
  EXPECT_FALSE(kernel_.find_link("", link.name));
  engine.delete_network(id);
  kernel_.drain();
  EXPECT_EQ(world(), before);
}

}  // namespace
}  // namespace tests
