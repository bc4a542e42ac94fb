#include <gmock/gmock.h>

#include "tests/controller/controller_fixture.h"

namespace tests {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class RestoreTest : public ControllerTest {
 protected:
  void SetUp() override {
    ControllerTest::SetUp();
    create_network("shop",
                   {.ipv6 = true, .pools = {{.subnet = ipam::Prefix::parse("10.1.0.0/24")}}});
    create_sandbox("web", {"shop"}, {.ports = {drivers::parse_publish("8080:80").at(0)}});
  }
};

TEST_F(RestoreTest, ARestartChangesNothing) {
  const std::string before = world();
  restart();
  EXPECT_EQ(world(), before);
  EXPECT_THAT(listeners_.views, SizeIs(1));
  EXPECT_THAT(listeners_.views.begin()->second.zones.at(0)->load()->find("web"), SizeIs(2));
}

TEST_F(RestoreTest, AListenerKnowsItsNamesFromItsFirstQueryOn) {
  listeners_.zones_at_open.clear();
  restart();
  EXPECT_EQ(listeners_.zones_at_open.at(controller_->sandbox("web").sandbox->sandbox.id), 1u);
}

TEST_F(RestoreTest, ASandboxWhoseNamespaceIsGoneIsDroppedWithItsAddress) {
  const auto& web = *controller_->sandbox("web").sandbox;
  kernel_.revert(sandbox::PinNamespace{.path = web.sandbox.netns});
  controller_.reset();
  controller_ = std::make_unique<netd::Controller>(config_, *deadly_store_, deadly_, drivers_,
                                                   listeners_, events_);
  EXPECT_THAT(controller_->start("boot:1"), SizeIs(1));
  EXPECT_THAT(controller_->sandboxes(), IsEmpty());
  EXPECT_EQ(static_cast<int>(
                controller_->pool_usage(controller_->network("shop").network.id).at(0).in_use),
            3)
      << "network, broadcast and gateway";
  EXPECT_FALSE(kernel_has("8080"));
}

TEST_F(RestoreTest, WhatIsGivenAfterwardsIsNew) {
  const auto web = endpoint("shop", "web").endpoint;
  restart();
  create_sandbox("two", {"shop"});
  const auto two = endpoint("shop", "two").endpoint;
  EXPECT_NE(two.ipv4, web.ipv4);
  EXPECT_GT(two.host_index, web.sandbox_index);
}

TEST_F(RestoreTest, AFlushedFirewallComesBack) {
  const std::string before = world();
  kernel_.remove_firewall();
  restart();
  EXPECT_EQ(world(), before);
}

TEST_F(RestoreTest, ADeletedLinkComesBack) {
  const std::string before = world();
  const auto web = endpoint("shop", "web").endpoint;
  kernel_.reap_later(false);
  kernel_.revert(sandbox::CreateVeth{.name = web.host_link, .index = web.host_index});
  restart();
  EXPECT_EQ(world(), before);
}

TEST_F(RestoreTest, AfterARebootNetworksAreBackAndSandboxesGone) {
  controller_->remove_sandbox("web");
  const std::string before = kernel_.state();
  create_sandbox("web", {"shop"}, {.ports = {drivers::parse_publish("8080:80").at(0)}});
  kernel_.reboot();
  restart("boot:2");
  EXPECT_EQ(kernel_.state(), before);
  EXPECT_THAT(controller_->sandboxes(), IsEmpty());
  EXPECT_THAT(store_->list("endpoint/"), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(config_.run_dir + "/sandboxes/web"));
  create_sandbox("web", {"shop"}, {.ports = {drivers::parse_publish("8080:80").at(0)}});
}

TEST_F(RestoreTest, ANetworkRemovedMeanwhileByHandComesBack) {
  create_network("idle");
  const std::string before = world();
  const auto& idle = controller_->network("idle").network;
  kernel_.reap_later(false);
  kernel_.revert(sandbox::CreateBridge{.name = idle.link_name, .index = idle.link_index});
  restart();
  EXPECT_EQ(world(), before);
}

TEST_F(RestoreTest, AChangedConfigurationChangesTheDefaultBridge) {
  config_.bip = ipam::Prefix::parse("10.77.0.1/24");
  restart();
  EXPECT_EQ(controller_->network("bridge").network.pools.at(0).subnet.to_string(), "10.77.0.0/24");
  const std::string id = controller_->network("bridge").network.id;
  restart();
  EXPECT_EQ(controller_->network("bridge").network.id, id);
  config_.bridge = "none";
  restart();
  EXPECT_EQ(refusal([&] { controller_->network("bridge"); }), "network bridge not found");
}

}  // namespace
}  // namespace tests
