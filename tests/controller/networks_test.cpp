#include <gmock/gmock.h>

#include "tests/controller/controller_fixture.h"

namespace tests {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class NetworksTest : public ControllerTest {};

netd::NetworkSpec with_subnet(const char* subnet) {
  return {.pools = {{.subnet = ipam::Prefix::parse(subnet)}}};
}

TEST_F(NetworksTest, BuiltinOnesAreThereFromTheFirstStart) {
  std::vector<std::string> names;
  for (const auto* network : controller_->networks())
    names.push_back(network->network.name);
  EXPECT_THAT(names, ElementsAre("bridge", "host", "none"));
  const auto& bridge = controller_->network("bridge");
  EXPECT_EQ(bridge.network.link_name, "docker0");
  EXPECT_EQ(bridge.network.pools.at(0).subnet.to_string(), "172.17.0.0/16");
  EXPECT_TRUE(kernel_has("docker0"));
}

TEST_F(NetworksTest, AreChosenFromDockersPoolsWithTheFirstAddressAsGateway) {
  create_network("shop");
  const auto& network = controller_->network("shop").network;
  EXPECT_EQ(network.pools.at(0).subnet.to_string(), "172.18.0.0/16");
  EXPECT_EQ(network.pools.at(0).gateway->to_string(), "172.18.0.1");
  EXPECT_EQ(network.link_name, "br-" + network.id.substr(0, 12));
}

TEST_F(NetworksTest, WithIpv6GetAUniqueLocalSubnet) {
  create_network("shop", {.ipv6 = true});
  EXPECT_THAT(controller_->network("shop").network.pools.at(1).subnet.to_string(),
              StartsWith("fd"));
}

TEST_F(NetworksTest, AreFoundByIdNameAndUniquePrefix) {
  const std::string id = create_network("shop");
  EXPECT_EQ(controller_->network(id).network.name, "shop");
  EXPECT_EQ(controller_->network("shop").network.id, id);
  EXPECT_EQ(controller_->network(id.substr(0, 20)).network.name, "shop");
  EXPECT_EQ(refusal([&] { controller_->network("nothing"); }), "network nothing not found");
}

TEST_F(NetworksTest, RefusalsHaveDockersTexts) {
  create_network("shop", with_subnet("10.5.0.0/24"));
  EXPECT_EQ(refusal([&] { create_network(""); }), "invalid name: name is empty");
  EXPECT_EQ(refusal([&] { create_network("shop"); }), "network with name shop already exists");
  EXPECT_EQ(refusal([&] { create_network("host"); }),
            "operation is not permitted on predefined host network ");
  EXPECT_EQ(refusal([&] { create_network("x", {.driver = "weave"}); }),
            "could not find plugin weave in v1 plugin registry: plugin not found");
  EXPECT_EQ(refusal([&] { create_network("x", {.driver = "host"}); }),
            "only one instance of \"host\" network is allowed");
  EXPECT_EQ(refusal([&] { create_network("x", {.scope = "swarm"}); }),
            "cannot create a swarm scoped network when swarm is not active");
  EXPECT_THAT(refusal([&] { create_network("x", with_subnet("10.5.0.128/25")); }),
              HasSubstr("Pool overlaps with other one on this address space"));
  EXPECT_EQ(refusal([&] { controller_->remove_network("bridge"); }),
            "bridge is a pre-defined network and cannot be removed");
}

TEST_F(NetworksTest, ARefusedOneLeavesNothing) {
  const std::string before = world();
  create_network("shop", with_subnet("10.5.0.0/24"));
  controller_->remove_network("shop");
  netd::NetworkSpec bad = with_subnet("10.5.0.0/24");
  bad.pools[0].gateway = ipam::Address::parse("10.6.0.1");
  EXPECT_NE(refusal([&] { create_network("x", bad); }), "");
  bad = with_subnet("10.5.0.0/24");
  bad.options["com.docker.network.driver.mtu"] = "many";
  EXPECT_NE(refusal([&] { create_network("x", bad); }), "");
  EXPECT_EQ(world(), before);
  create_network("x", with_subnet("10.5.0.0/24"));
}

TEST_F(NetworksTest, AnUnknownOptionIsWarnedOf) {
  const auto created = controller_->create_network(
      {.name = "shop", .options = {{"com.docker.network.bridge.enable_ic", "false"}}});
  EXPECT_THAT(created.warnings,
              ElementsAre(HasSubstr("did you mean com.docker.network.bridge.enable_icc?")));
}

TEST_F(NetworksTest, ASubnetOverAHostRouteIsWarnedOf) {
  kernel_.add_link("", "enp1s0", "", {*ipam::Prefix::parse("192.168.7.5/24")});
  const auto created = controller_->create_network(
      {.name = "shop", .pools = {{.subnet = ipam::Prefix::parse("192.168.0.0/16")}}});
  EXPECT_THAT(created.warnings, ElementsAre(HasSubstr("overlaps 192.168.7.0/24")));
}

TEST_F(NetworksTest, AutomaticChoiceSkipsHostRoutes) {
  kernel_.add_link("", "enp1s0", "", {*ipam::Prefix::parse("172.18.3.4/24")});
  create_network("shop");
  EXPECT_EQ(controller_->network("shop").network.pools.at(0).subnet.to_string(), "172.19.0.0/16");
}

TEST_F(NetworksTest, WithUsersAreNotRemoved) {
  create_network("shop");
  const auto view = create_sandbox("web", {"shop"});
  const std::string endpoint_id = view.endpoints.at(0)->endpoint.id.substr(0, 12);
  EXPECT_EQ(refusal([&] { controller_->remove_network("shop"); }),
            "error while removing network: network shop has active endpoints (name:\"web\" id:\"" +
                endpoint_id + "\")");
}

TEST_F(NetworksTest, PruneRemovesTheUnusedOnes) {
  create_network("used");
  create_network("idle");
  create_sandbox("web", {"used"});
  EXPECT_THAT(controller_->prune_networks([](const auto&) { return true; }), ElementsAre("idle"));
  EXPECT_THAT(controller_->prune_networks([](const auto&) { return true; }), IsEmpty());
}

TEST_F(NetworksTest, ConfigurationNetworksLendTheirFields) {
  netd::NetworkSpec config = with_subnet("10.9.0.0/24");
  config.config_only = true;
  config.options["com.docker.network.driver.mtu"] = "1400";
  create_network("plan", config);
  create_network("shop", {.config_from = "plan"});
  EXPECT_EQ(controller_->network("shop").network.pools.at(0).subnet.to_string(), "10.9.0.0/24");
  EXPECT_EQ(controller_->network("shop").network.options.at("com.docker.network.driver.mtu"),
            "1400");
  EXPECT_EQ(refusal([&] { controller_->remove_network("plan"); }),
            "configuration network \"plan\" is in use");
  EXPECT_EQ(refusal([&] { create_network("x", {.config_from = "none-such"}); }),
            "configuration network \"none-such\" does not exist");
}

TEST_F(NetworksTest, AnExistingBridgeIsUsedAndLeftThere) {
  kernel_.add_link("", "br-mine", "bridge", {*ipam::Prefix::parse("10.8.0.1/24")});
  const std::string before = kernel_.state();
  netd::NetworkSpec spec = with_subnet("10.8.0.0/24");
  spec.options["com.docker.network.bridge.name"] = "br-mine";
  create_network("mine", spec);
  EXPECT_TRUE(controller_->network("mine").network.adopted_link);
  controller_->remove_network("mine");
  EXPECT_EQ(kernel_.state(), before);
  kernel_.add_link("", "eth7");
  spec.options["com.docker.network.bridge.name"] = "eth7";
  EXPECT_EQ(refusal([&] { create_network("x", spec); }), "existing interface eth7 is not a bridge");
}

TEST_F(NetworksTest, PurgeLeavesNothing) {
  create_network("shop", {.ipv6 = true});
  create_sandbox("web", {"shop"}, {.ports = {{.container_port = 80}}});
  create_sandbox("side", {}, {.shared_with = "web"});
  EXPECT_THAT(controller_->purge(), IsEmpty());
  EXPECT_FALSE(kernel_.has_firewall());
  EXPECT_FALSE(kernel_has("netd:"));
  EXPECT_EQ(kernel_.read_sysctl("", "net/ipv4/ip_forward"), "0");
  for (const char* prefix : {"network/", "sandbox/", "endpoint/", "sysctl/"})
    EXPECT_THAT(store_->list(prefix), IsEmpty()) << prefix;
}

}  // namespace
}  // namespace tests
