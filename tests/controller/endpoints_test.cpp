#include <gmock/gmock.h>

#include "tests/controller/controller_fixture.h"

namespace tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class EndpointsTest : public ControllerTest {
 protected:
  void SetUp() override {
    ControllerTest::SetUp();
    create_network("front", {.pools = {{.subnet = ipam::Prefix::parse("10.1.0.0/24")}}});
    create_network("back", {.pools = {{.subnet = ipam::Prefix::parse("10.2.0.0/24")}}});
  }
};

TEST_F(EndpointsTest, ConnectGivesAddressInterfaceNameAndRoute) {
  create_sandbox("web", {});
  controller_->connect("front", "web", {.aliases = {"www"}});
  const auto& record = endpoint("front", "web");
  EXPECT_EQ(record.endpoint.ipv4->to_string(), "10.1.0.2/24");
  EXPECT_EQ(record.endpoint.sandbox_link, "eth0");
  EXPECT_TRUE(kernel_has("via 10.1.0.1"));
  const auto& id = controller_->sandbox("web").sandbox->sandbox.id;
  EXPECT_THAT(record.dns_names, ElementsAre("web", "www", id.substr(0, 12)));
  EXPECT_THAT(listeners_.views.at(id).zones, SizeIs(1));
  EXPECT_THAT(listeners_.views.at(id).zones[0]->load()->find("www"),
              ElementsAre(*ipam::Address::parse("10.1.0.2")));
}

TEST_F(EndpointsTest, DisconnectLeavesTheWorldAsItWas) {
  create_sandbox("web", {"front"});
  const std::string before = world();
  controller_->connect("back", "web", {});
  EXPECT_EQ(endpoint("back", "web").endpoint.sandbox_link, "eth1");
  controller_->disconnect("back", "web", false);
  EXPECT_EQ(world(), before);
  controller_->connect("back", "web", {});
  EXPECT_EQ(endpoint("back", "web").endpoint.sandbox_link, "eth1");
  EXPECT_EQ(endpoint("back", "web").endpoint.ipv4->to_string(), "10.2.0.3/24")
      << "a freed address is not given again at once";
}

TEST_F(EndpointsTest, TheDefaultRouteFollowsPriorityThenName) {
  create_sandbox("web", {"front"});
  EXPECT_TRUE(kernel_has("via 10.1.0.1"));
  controller_->connect("back", "web", {});
  EXPECT_TRUE(kernel_has("via 10.2.0.1"));
  EXPECT_FALSE(kernel_has("via 10.1.0.1"));
  controller_->disconnect("back", "web", false);
  controller_->connect("back", "web", {.gateway_priority = -1});
  EXPECT_TRUE(kernel_has("via 10.1.0.1"));
}

TEST_F(EndpointsTest, AnInternalNetworkGivesNoRouteAndNoForwarding) {
  create_network("vault", {.internal = true});
  const auto view = create_sandbox("web", {"vault"});
  EXPECT_FALSE(kernel_has("route 0.0.0.0/0"));
  EXPECT_EQ(listeners_.views.at(view.sandbox->sandbox.id).forwarding, dns::Forwarding::none);
}

TEST_F(EndpointsTest, PublishedPortsMoveWithTheGateway) {
  create_sandbox(
      "web", {"front"},
      {.ports = {{.container_port = 80, .host_port_first = 8080, .host_port_last = 8080}}});
  EXPECT_TRUE(kernel_has("tcp . 8080 : 10.1.0.2 . 80"));
  controller_->connect("back", "web", {.gateway_priority = 1});
  EXPECT_TRUE(kernel_has("tcp . 8080 : 10.2.0.2 . 80"));
  EXPECT_FALSE(kernel_has("tcp . 8080 : 10.1.0.2 . 80"));
  controller_->disconnect("back", "web", false);
  EXPECT_TRUE(kernel_has("tcp . 8080 : 10.1.0.2 . 80"));
  controller_->disconnect("front", "web", false);
  EXPECT_FALSE(kernel_has("8080"));
  controller_->connect("front", "web", {});
  EXPECT_TRUE(kernel_has("tcp . 8080 : 10.1.0.3 . 80"));
}

TEST_F(EndpointsTest, StaticAddressesAndMacAreKept) {
  create_sandbox("web", {});
  controller_->connect("front", "web",
                       {.ipv4 = ipam::Address::parse("10.1.0.77"),
                        .mac = ipam::Mac::parse("02:42:0a:01:00:4d"),
                        .options = {{"com.docker.network.endpoint.ifname", "lan0"}}});
  const auto& record = endpoint("front", "web").endpoint;
  EXPECT_EQ(record.ipv4->to_string(), "10.1.0.77/24");
  EXPECT_EQ(record.mac.to_string(), "02:42:0a:01:00:4d");
  EXPECT_EQ(record.sandbox_link, "lan0");
  create_sandbox("two", {});
  EXPECT_THAT(refusal([&] {
                controller_->connect("front", "two", {.ipv4 = ipam::Address::parse("10.1.0.77")});
              }),
              HasSubstr("Address already in use"));
}

TEST_F(EndpointsTest, RefusalsHaveDockersTexts) {
  kernel_.add_namespace("/proc/self/ns/net");
  create_sandbox("web", {"front"});
  create_sandbox("plain", {});
  create_sandbox("onhost", {"host"});
  create_sandbox("lonely", {"none"});
  const auto connecting = [&](const char* network, const char* sandbox,
                              const netd::EndpointSpec& spec = {}) {
    return refusal([&] { controller_->connect(network, sandbox, spec); });
  };
  EXPECT_EQ(connecting("front", "web"), "endpoint with name web already exists in network front");
  EXPECT_EQ(connecting("nothing", "web"), "network nothing not found");
  EXPECT_EQ(connecting("front", "nobody"), "No such container: nobody");
  EXPECT_EQ(connecting("host", "plain"),
            "cannot connect container to host network - container must be created in host network "
            "mode");
  EXPECT_EQ(connecting("front", "onhost"),
            "container sharing network namespace with another container or host cannot be "
            "connected to any other network");
  EXPECT_EQ(connecting("front", "lonely"),
            "container cannot be connected to multiple networks with one of the networks in "
            "private (none) mode");
  EXPECT_EQ(
      connecting("bridge", "plain", {.ipv4 = ipam::Address::parse("172.17.0.9"), .aliases = {"a"}}),
      "invalid endpoint settings:\nuser-specified IP address is supported on user-defined "
      "networks only\nnetwork-scoped aliases are only supported for user-defined networks");
  EXPECT_EQ(connecting("back", "web", {.ipv4 = ipam::Address::parse("10.9.0.9")}),
            "invalid endpoint settings:\nno configured subnet contains IP address 10.9.0.9");
  EXPECT_THAT(refusal([&] { controller_->disconnect("back", "web", false); }),
              HasSubstr("is not connected to network back"));
  EXPECT_EQ(refusal([&] { controller_->disconnect("host", "onhost", false); }),
            "cannot disconnect container from host network - container was created in host network "
            "mode");
}

TEST_F(EndpointsTest, AFullNetworkSaysSoAndNothingIsTaken) {
  create_network("tiny", {.pools = {{.subnet = ipam::Prefix::parse("10.3.0.0/30")}}});
  create_sandbox("one", {"tiny"});
  create_sandbox("two", {});
  const std::string before = world();
  EXPECT_THAT(refusal([&] { controller_->connect("tiny", "two", {}); }),
              HasSubstr("no available IPv4 addresses on this network's address pools: tiny"));
  EXPECT_EQ(world(), before);
}

TEST_F(EndpointsTest, AConnectThatFailsAtAnyStepChangesNothing) {
  create_sandbox(
      "web", {"front"},
      {.ports = {{.container_port = 80, .host_port_first = 8080, .host_port_last = 8080}}});
  const std::string before = world();
  std::size_t failed = 0;
  for (std::size_t step = 1;; ++step) {
    deadly_.fail_at(step);
    const std::string error =
        refusal([&] { controller_->connect("back", "web", {.gateway_priority = 1}); });
    deadly_.fail_at(0);
    if (error.empty()) break;
    ++failed;
    EXPECT_EQ(world(), before) << "step " << step << ": " << error;
  }
  EXPECT_GT(failed, 6u);
}

}  // namespace
}  // namespace tests
