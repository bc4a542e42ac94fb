// What a change leaves alone: other ports' flows, other networks' links, the host itself.
#include <gmock/gmock.h>

#include "tests/controller/controller_fixture.h"

namespace tests {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class ChangesTest : public ControllerTest {
 protected:
  void SetUp() override {
    ControllerTest::SetUp();
    create_network("shop", {.pools = {{.subnet = ipam::Prefix::parse("10.1.0.0/24")}}});
  }
  static drivers::PortBinding port(const char* text) { return drivers::parse_publish(text).at(0); }
};

TEST_F(ChangesTest, ConnectingAnotherNetworkForgetsNoFlowOfAPortThatStays) {
  create_network("vault", {.internal = true});
  create_sandbox("web", {"shop"}, {.ports = {port("8080:80")}});
  const std::size_t before = kernel_.flows_forgotten().size();
  controller_->connect("vault", "web", {});
  EXPECT_EQ(kernel_.flows_forgotten().size(), before);
}

TEST_F(ChangesTest, PublishingOneMorePortForgetsOnlyItsFlows) {
  create_sandbox("web", {"shop"}, {.ports = {port("8080:80")}});
  controller_->change_ports("web", {port("8081:81")}, {});
  ASSERT_THAT(kernel_.flows_forgotten(), testing::Not(IsEmpty()));
  for (const sandbox::Element& element : kernel_.flows_forgotten().back().ports)
    EXPECT_EQ(to_text(element).find("8080"), std::string::npos) << to_text(element);
}

TEST_F(ChangesTest, APurgedNetdBeginsAgain) {
  EXPECT_THAT(controller_->purge(), IsEmpty());
  create_network("shop");
  EXPECT_TRUE(kernel_.has_firewall());
  EXPECT_EQ(controller_->network("bridge").network.link_name, "docker0");
  create_sandbox("web", {"shop"}, {.ports = {port("8080:80")}});
}

TEST_F(ChangesTest, AConfigurationNetworkHoldsNoSubnetAfterARestartEither) {
  create_network("plan",
                 {.config_only = true, .pools = {{.subnet = ipam::Prefix::parse("10.9.0.0/24")}}});
  restart();
  create_network("real", {.config_from = "plan"});
  EXPECT_EQ(controller_->network("real").network.pools.at(0).subnet.to_string(), "10.9.0.0/24");
}

TEST_F(ChangesTest, PortsFollowTheGatewayFromARoutedNetworkToOneWithNat) {
  create_network("routed",
                 {.pools = {{.subnet = ipam::Prefix::parse("10.2.0.0/24")}},
                  .options = {{"com.docker.network.bridge.gateway_mode_ipv4", "routed"}}});
  create_sandbox("web", {"routed"}, {.ports = {port("8080:80")}});
  EXPECT_TRUE(kernel_has("10.2.0.2 . tcp . 80"));
  EXPECT_FALSE(kernel_has("8080"));
  controller_->connect("shop", "web", {.gateway_priority = 1});
  EXPECT_TRUE(kernel_has("tcp . 8080 : 10.1.0.2 . 80"));
  controller_->disconnect("shop", "web", false);
  EXPECT_FALSE(kernel_has("8080"));
  EXPECT_TRUE(kernel_has("10.2.0.2 . tcp . 80"));
}

TEST_F(ChangesTest, OnAnInternalNetworkOneMorePortKeepsTheOthersForLater) {
  create_network("vault", {.internal = true});
  create_sandbox("web", {"vault"}, {.ports = {port("8080:80"), port("8443:443")}});
  controller_->change_ports("web", {port("8081:81")}, {});
  controller_->connect("shop", "web", {});
  for (const char* element : {"tcp . 8080 :", "tcp . 8443 :", "tcp . 8081 :"})
    EXPECT_TRUE(kernel_has(element)) << element;
}

TEST_F(ChangesTest, ABridgeNameCannotBeALinkOfASandbox) {
  create_sandbox("web", {"shop"});
  const std::string before = kernel_.state();
  const std::string link = endpoint("shop", "web").endpoint.host_link;
  EXPECT_EQ(refusal([&] {
              create_network("x", {.options = {{"com.docker.network.bridge.name", link}}});
            }),
            "existing interface " + link + " is not a bridge");
  EXPECT_EQ(kernel_.state(), before);
}

TEST_F(ChangesTest, TheHostsOwnNamespaceIsNobodysSandbox) {
  EXPECT_THAT(
      refusal([&] { create_sandbox("me", {}, {.netns_path = "/proc/thread-self/ns/net"}); }),
      HasSubstr("the host's own network namespace"));
}

TEST_F(ChangesTest, HostnamesThatNoHostCanHaveAreRefused) {
  for (const char* bad : {"a b", "x\n1.2.3.4 evil"})
    EXPECT_THAT(refusal([&] { create_sandbox("web", {}, {.hostname = bad}); }),
                HasSubstr("invalid hostname"));
  EXPECT_THAT(refusal([&] { create_sandbox("web", {}, {.hostname = std::string(65, 'h')}); }),
              HasSubstr("at most 64"));
}

TEST_F(ChangesTest, LinksOfALostStateDirectoryAreNotCountedOver) {
  kernel_.add_link("", "nvold", "veth");
  const std::uint32_t taken = 0x10000500;
  sandbox::CreateBridge foreign{.name = "br-old", .index = taken};
  kernel_.apply(foreign);
  restart();
  create_network("new");
  EXPECT_GT(controller_->network("new").network.link_index, taken);
}

}  // namespace
}  // namespace tests
