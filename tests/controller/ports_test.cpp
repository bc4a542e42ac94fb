#include <gmock/gmock.h>

#include "sandbox/port_reservation.h"
#include "tests/controller/controller_fixture.h"

namespace tests {
namespace {

using testing::HasSubstr;

class PortsTest : public ControllerTest {
 protected:
  void SetUp() override {
    ControllerTest::SetUp();
    create_network("shop", {.pools = {{.subnet = ipam::Prefix::parse("10.1.0.0/24")}}});
  }
  static drivers::PortBinding port(const char* text) { return drivers::parse_publish(text).at(0); }
};

TEST_F(PortsTest, ArePublishedAndTakenBackOnALiveSandbox) {
  create_sandbox("web", {"shop"});
  const std::string before = kernel_.state();
  controller_->change_ports("web", {port("8080:80"), port("5353:53/udp")}, {});
  EXPECT_TRUE(kernel_has("tcp . 8080 : 10.1.0.2 . 80"));
  EXPECT_TRUE(kernel_has("udp . 5353 : 10.1.0.2 . 53"));
  controller_->change_ports("web", {port("8081:80")}, {port("8080:80")});
  EXPECT_TRUE(kernel_has("tcp . 8081 : 10.1.0.2 . 80"));
  EXPECT_FALSE(kernel_has("8080"));
  controller_->change_ports("web", {}, {port("80"), port("53/udp")});
  EXPECT_EQ(kernel_.state(), before);
  EXPECT_EQ(controller_->sandbox("web").sandbox->spec.ports.size(), 0u);
}

TEST_F(PortsTest, AreTakenBackAtTheAddressThatIsSaid) {
  shell("ip address add 192.0.2.1/32 dev lo; ip address add 192.0.2.2/32 dev lo");
  create_sandbox("web", {"shop"},
                 {.ports = {port("192.0.2.1:8080:80"), port("192.0.2.2:8080:80")}});
  restart();
  controller_->change_ports("web", {}, {port("192.0.2.1:8080:80")});
  const auto& left = controller_->sandbox("web").sandbox->ports;
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].host_address.to_string(), "192.0.2.2");
  EXPECT_EQ(controller_->sandbox("web").sandbox->spec.ports.size(), 1u);
  EXPECT_FALSE(kernel_has("192.0.2.1"));
  EXPECT_TRUE(kernel_has("192.0.2.2"));
  // The one is free again, the other is not.
  create_sandbox("two", {"shop"}, {.ports = {port("192.0.2.1:8080:80")}});
  EXPECT_THAT(
      refusal([&] { create_sandbox("three", {"shop"}, {.ports = {port("192.0.2.2:8080:80")}}); }),
      HasSubstr("port is already allocated"));
}

TEST_F(PortsTest, OnAllAddressesAreTakenBackAtOneOfTheTwoThatAreShown) {
  create_sandbox("web", {"shop"}, {.ports = {port("8080:80"), port("8081:80")}});
  controller_->change_ports("web", {}, {port("[::]:8080:80")});
  for (const drivers::Port& left : controller_->sandbox("web").sandbox->ports)
    EXPECT_EQ(left.host_port, 8081);
  EXPECT_EQ(controller_->sandbox("web").sandbox->spec.ports.size(), 1u);
  create_sandbox("two", {"shop"}, {.ports = {port("8080:80")}});
}

TEST_F(PortsTest, AtTheNetworksAddressAreTakenBackAsTheyAreShown) {
  create_network("near",
                 {.pools = {{.subnet = ipam::Prefix::parse("10.2.0.0/24")}},
                  .options = {{"com.docker.network.bridge.host_binding_ipv4", "127.0.0.1"}}});
  create_sandbox("web", {"near"}, {.ports = {port("7080:80"), port("7081:80")}});
  controller_->change_ports("web", {}, {port("127.0.0.1:7080:80")});
  controller_->disconnect("near", "web", false);
  controller_->connect("near", "web", {});
  const auto& left = controller_->sandbox("web").sandbox->ports;
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].host_port, 7081);
  controller_->change_ports("web", {port("7080:80")}, {});
  EXPECT_EQ(controller_->sandbox("web").sandbox->ports.size(), 2u);
}

TEST_F(PortsTest, ThatWereTakenWhenNetdStartedComeBackWhenTheyAreAddedAgain) {
  create_sandbox("web", {"shop"}, {.ports = {port("8080:80")}});
  controller_.reset();
  {
    sandbox::PortReservations others;
    const auto taken =
        others.reserve(sandbox::Protocol::tcp, {ipam::Address::any(ipam::Family::v4)}, 8080, 8080);
    EXPECT_THAT(start_again(), testing::ElementsAre(HasSubstr("8080")));
    EXPECT_THAT(refusal([&] { controller_->change_ports("web", {port("8080:80")}, {}); }),
                HasSubstr("8080"));
  }
  EXPECT_FALSE(kernel_has("8080"));
  controller_->change_ports("web", {port("8080:80")}, {});
  EXPECT_TRUE(kernel_has("tcp . 8080 : 10.1.0.2 . 80"));
  EXPECT_EQ(controller_->sandbox("web").sandbox->spec.ports.size(), 1u);
}

TEST_F(PortsTest, AreAddedOnceWhenItIsSaidTwice) {
  create_network("vault", {.internal = true});
  create_sandbox("web", {"shop"});
  create_sandbox("later", {"vault"});
  for (int turn = 0; turn < 2; ++turn) {
    controller_->change_ports("web", {port("8080:80")}, {});
    controller_->change_ports("later", {port("8081:80")}, {});
  }
  controller_->change_ports("web", {port("0.0.0.0:8080:80")}, {});  // one of those it has
  EXPECT_EQ(controller_->sandbox("web").sandbox->spec.ports.size(), 1u);
  controller_->connect("shop", "later", {});
  EXPECT_TRUE(kernel_has("tcp . 8081 : 10.1.0.3 . 80"));
}

TEST_F(PortsTest, AFreeOneIsChosenAndShown) {
  const auto view = create_sandbox("web", {"shop"}, {.ports = {port("80")}});
  ASSERT_FALSE(view.sandbox->ports.empty());
  EXPECT_GT(view.sandbox->ports[0].host_port, 1024);
}

TEST_F(PortsTest, ATakenOneIsRefusedAndNothingHappens) {
  create_sandbox("web", {"shop"}, {.ports = {port("8080:80")}});
  const std::string before = world();
  EXPECT_THAT(refusal([&] { create_sandbox("two", {"shop"}, {.ports = {port("8080:80")}}); }),
              HasSubstr("Bind for 0.0.0.0:8080 failed: port is already allocated"));
  EXPECT_EQ(world(), before);
  controller_->remove_sandbox("web");
  create_sandbox("two", {"shop"}, {.ports = {port("8080:80")}});
}

TEST_F(PortsTest, WhatIsNotPublishedCantBeTakenBack) {
  create_sandbox("web", {"shop"});
  EXPECT_EQ(refusal([&] { controller_->change_ports("web", {}, {port("80")}); }),
            "sandbox web does not publish 80/tcp");
}

TEST_F(PortsTest, OnAnInternalNetworkWaitForOneThatLeadsOutside) {
  create_network("vault", {.internal = true});
  create_sandbox("web", {"vault"}, {.ports = {port("8080:80")}});
  EXPECT_FALSE(kernel_has("8080"));
  controller_->connect("shop", "web", {});
  EXPECT_TRUE(kernel_has("tcp . 8080 : 10.1.0.2 . 80"));
}

}  // namespace
}  // namespace tests
