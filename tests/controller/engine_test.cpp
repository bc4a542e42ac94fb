// netd as an engine's plugin, without the wire: what is on record, in the kernel and in the pools
// after what the engine said, also when it says it twice or dies in between.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/controller/engine_fixture.h"

namespace tests {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

TEST_F(EngineTest, ANetworkComesAndGoesWithoutATrace) {
  const std::string before = everything();
  const std::string pool = create_engine_network();
  EXPECT_EQ(controller_->network("shop").network.id, network_);
  EXPECT_TRUE(kernel_has("forwarding admitted: br-aaaaaaaaaaaa"));
  remove_engine_network(pool);
  EXPECT_EQ(everything(), before);
}

TEST_F(EngineTest, AnEngineElsewhereFindsTheLinkInItsOwnNamespace) {
  const std::string pool = create_engine_network();
  const std::string before = everything();
  kernel_.add_namespace("/proc/4711/ns/net");
  const std::string ip = request_address(pool);
  engine().create_endpoint(endpoint_spec('1', ip));
  process_.pid = 4711;
  const std::string link = join(id_of('1'), "/netns/1").name;
  const std::string pin = config_.run_dir + "/netns/" + id_of('1');
  EXPECT_FALSE(kernel_.find_link("", link));
  EXPECT_TRUE(kernel_.find_link(pin, link));
  restart();
  EXPECT_TRUE(kernel_.find_link(pin, link));
  process_ = alive_;
  stop(pool, ipam::Prefix::parse(ip)->address);
  EXPECT_FALSE(kernel_.is_pinned(pin));
  kernel_.remove_namespace("/proc/4711/ns/net");
  EXPECT_EQ(everything(), before);
}

TEST_F(EngineTest, DataPlaneOrAddressesMayGoFirst) {
  const std::string before = everything();
  const std::string pool = create_engine_network();
  engine().delete_network(network_);
  engine().release_address(pool, address("10.5.0.1"));
  engine().release_pool(pool);
  EXPECT_EQ(everything(), before);
}

TEST_F(EngineTest, AContainerComesAndGoesWithoutATrace) {
  const std::string pool = create_engine_network();
  const std::string before = everything();
  const ipam::Address ip = run(pool);
  EXPECT_TRUE(kernel_has("tcp . 8080 : 10.5.0.2 . 80"));
  stop(pool, ip);
  EXPECT_EQ(everything(), before);
}

TEST_F(EngineTest, TheLinkIsMadeAtJoinWithBothEndsAtHome) {
  const std::string pool = create_engine_network();
  engine().create_endpoint(endpoint_spec('1', request_address(pool)));
  EXPECT_FALSE(kernel_has("nv1111111111"));
  const netd::JoinedLink link = join(id_of('1'), "/netns/1");
  EXPECT_EQ(link.name, "np1111111111");
  EXPECT_EQ(link.prefix, "eth");
  EXPECT_EQ(link.gateway4, address("10.5.0.1"));
  EXPECT_FALSE(link.disable_gateway_service);
  EXPECT_TRUE(kernel_has("host: link"));
  EXPECT_TRUE(kernel_has("np1111111111"));
  EXPECT_FALSE(kernel_has("10.5.0.2")) << "the engine gives the link its address";
}

TEST_F(EngineTest, EverythingMayBeSaidTwice) {
  const std::string pool = create_engine_network();
  engine().create_network(network_spec());
  const std::string ip = request_address(pool, nullptr, "web");
  EXPECT_EQ(request_address(pool, nullptr, "web"), ip);
  const auto first = engine().create_endpoint(endpoint_spec('1', ip)).endpoint.mac;
  EXPECT_EQ(engine().create_endpoint(endpoint_spec('1', ip)).endpoint.mac, first);
  for (int i = 0; i < 2; ++i) {
    join(id_of('1'), "/netns/1");
    engine().program(network_, id_of('1'), {});
  }
  const std::string up = everything();
  join(id_of('1'), "/netns/1");
  EXPECT_EQ(everything(), up);
  for (int i = 0; i < 2; ++i) {
    engine().revoke(network_, id_of('1'));
    engine().leave(network_, id_of('1'));
    engine().delete_endpoint(network_, id_of('1'));
    engine().release_address(pool, ipam::Prefix::parse(ip)->address);
  }
  for (int i = 0; i < 2; ++i)
    remove_engine_network(pool);
  EXPECT_THAT(refusal([&] { controller_->network("shop"); }), HasSubstr("not found"));
}

TEST_F(EngineTest, AnAddressIsTakenUntilTheEngineGivesItBack) {
  const std::string pool = create_engine_network();
  const ipam::Address ip = run(pool);
  EXPECT_THAT(refusal([&] { request_address(pool, "10.5.0.2"); }),
              HasSubstr("Address already in use"));
  engine().release_address(pool, ip);
  EXPECT_THAT(refusal([&] { request_address(pool, "10.5.0.2"); }),
              HasSubstr("Address already in use"))
      << "an endpoint has it";
  engine().delete_endpoint(network_, id_of('1'));
  engine().release_address(pool, ip);
  EXPECT_EQ(request_address(pool, "10.5.0.2"), "10.5.0.2/24");
}

TEST_F(EngineTest, OneOfTwoEndpointsGetsAnAddress) {
  const std::string pool = create_engine_network();
  const std::string ip = request_address(pool, "10.5.0.9");
  EXPECT_EQ(request_address(pool, "10.5.0.9"), ip) << "the same engine asks again";
  engine().create_endpoint(endpoint_spec('1', ip));
  EXPECT_THAT(refusal([&] { engine().create_endpoint(endpoint_spec('2', ip)); }),
              HasSubstr("Address already in use: 10.5.0.9 on network shop"));
}

TEST_F(EngineTest, ANetworkInTheWayIsNamed) {
  create_engine_network();
  EXPECT_THAT(refusal([&] { request_pool("10.5.0.0/16"); }),
              HasSubstr("10.5.0.0/16 overlaps 10.5.0.0/24 of network shop"));
  create_network("back", {.pools = {{.subnet = ipam::Prefix::parse("10.2.0.0/24")}}});
  EXPECT_THAT(refusal([&] { request_pool("10.2.0.0/24"); }), HasSubstr("of network back"));
}

TEST_F(EngineTest, ChosenSubnetsDiffer) {
  const std::string one = request_pool(nullptr), other = request_pool(nullptr);
  netd::PoolAsk ask;
  ask.process = process_;
  const auto third = engine().request_pool(ask).subnet;
  engine().release_pool(one);
  engine().release_pool(other);
  EXPECT_NE(engine().request_pool(ask).subnet, third);
}

TEST_F(EngineTest, WhatADeadEngineAskedForIsGivenUp) {
  const std::string pool = create_engine_network();
  const std::string before = everything();
  process_ = dead_;
  request_pool(nullptr);
  request_pool("10.9.0.0/24");
  request_address(pool);
  engine().create_endpoint(endpoint_spec('3', request_address(pool)));
  EXPECT_EQ(engine().sweep(), 5u) << "two pools, an endpoint with its address, an address";
  EXPECT_EQ(everything(), before);
}

TEST_F(EngineTest, NothingOfALivingEngineIsGivenUp) {
  const std::string pool = create_engine_network();
  request_pool(nullptr);
  request_address(pool);
  engine().create_endpoint(endpoint_spec('3', request_address(pool)));
  const std::string before = everything();
  EXPECT_EQ(engine().sweep(), 0u);
  EXPECT_EQ(everything(), before);
}

TEST_F(EngineTest, AContainerOutlivesItsEngine) {
  const std::string pool = create_engine_network();
  process_ = dead_;  // live-restore: dockerd is another process by now
  run(pool);
  EXPECT_EQ(engine().sweep(), 0u);
  EXPECT_TRUE(kernel_has("tcp . 8080 : 10.5.0.2 . 80"));
}

TEST_F(EngineTest, WhenContainerAndEngineAreGoneTheEndpointGoes) {
  const std::string pool = create_engine_network();
  const std::string before = everything();
  process_ = dead_;
  run(pool);
  lose_link("nv1111111111");
  EXPECT_EQ(engine().sweep(), 2u) << "the endpoint and its address";
  EXPECT_EQ(everything(), before);
}

TEST_F(EngineTest, ALinkThatDiedWithItsContainerIsNotMissed) {
  const std::string pool = create_engine_network();
  const std::string before = everything();
  const ipam::Address ip = run(pool);
  lose_link("nv1111111111");
  restart();
  EXPECT_FALSE(kernel_has("nv1111111111")) << "never made again";
  stop(pool, ip);
  EXPECT_EQ(everything(), before);
}

TEST_F(EngineTest, ARestartChangesNothing) {
  const std::string pool = create_engine_network();
  request_address(pool);
  request_pool(nullptr);
  const ipam::Address ip = run(pool);
  const std::string before = everything();
  restart();
  EXPECT_EQ(everything(), before);
  EXPECT_THAT(refusal([&] { request_address(pool, "10.5.0.1"); }),
              HasSubstr("Address already in use"))
      << "the gateway";
  stop(pool, ip);
}

TEST_F(EngineTest, ARebootLeavesTheNetworks) {
  const std::string pool = create_engine_network();
  const std::string quiet = everything();
  request_address(pool);
  request_pool(nullptr);
  const ipam::Address ip = run(pool);
  kernel_ = FakeKernel();
  for (const char* key :
       {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv6/conf/default/forwarding"})
    kernel_.set_sysctl("", key, "0");
  restart("boot:2");
  EXPECT_EQ(everything(), quiet);
  stop(pool, ip);  // the engine cleans up what it remembers
  EXPECT_EQ(everything(), quiet);
  run(pool, '2');
}

TEST_F(EngineTest, SandboxesAndContainersShareANetwork) {
  const std::string pool = create_engine_network();
  create_sandbox("client", {"shop"});
  EXPECT_EQ(endpoint("shop", "client").endpoint.ipv4->to_string(), "10.5.0.2/24");
  const ipam::Address ip = run(pool);
  EXPECT_EQ(ip, address("10.5.0.3"));
  engine().learn(id_of('1'),
                 {.id = id_of('c'), .name = "web", .hostname = "www1", .aliases = {"fe"}});
  const auto& view = listeners_.views.at(controller_->sandbox("client").sandbox->sandbox.id);
  for (const char* name : {"web", "fe", "www1", "cccccccccccc"})
    EXPECT_THAT(view.zones[0]->load()->find(name), testing::ElementsAre(ip)) << name;
  EXPECT_THAT(refusal([&] { controller_->remove_network("shop"); }), HasSubstr("name:\"web\""));
  engine().leave(network_, id_of('1'));
  EXPECT_THAT(view.zones[0]->load()->find("web"), testing::IsEmpty());
}

TEST_F(EngineTest, ANetworkThatSandboxesUseStaysWhenTheEngineRemovesIt) {
  const std::string pool = create_engine_network();
  create_sandbox("client", {"shop"});
  const ipam::Address ip = run(pool);
  remove_engine_network(pool);
  EXPECT_FALSE(controller_->network("shop").engine);
  EXPECT_FALSE(kernel_has("nv1111111111"));
  EXPECT_FALSE(kernel_has("forwarding admitted"));
  engine().release_address(pool, ip);
  controller_->remove_sandbox("client");
  controller_->remove_network("shop");
}

TEST_F(EngineTest, AnEnginesAddressesAreNotGivenOutByNetd) {
  netd::EngineNetworkSpec spec = network_spec();
  spec.pools[0].ours = false;
  engine().create_network(spec);
  EXPECT_THAT(refusal([&] { create_sandbox("client", {"shop"}); }),
              HasSubstr("--ipam-driver netd"));
  create_sandbox("named", {});
  controller_->connect("shop", "named", {.ipv4 = address("10.5.0.77")});
  EXPECT_THAT(refusal([&] { engine().create_endpoint(endpoint_spec('1', "10.5.0.77/24")); }),
              HasSubstr("Address already in use"));
  engine().create_endpoint(endpoint_spec('1', "10.5.0.78/24"));
}

TEST_F(EngineTest, TheNameIsTheIdUntilTheEngineTells) {
  netd::EngineNetworkSpec spec = network_spec();
  spec.options.clear();
  const std::string pool = request_pool();
  engine().create_network(spec);
  EXPECT_EQ(controller_->network(network_).network.name, "aaaaaaaaaaaa");
  create_network("taken");
  engine().learn_network(network_, "taken");
  EXPECT_EQ(controller_->network(network_).network.name, "aaaaaaaaaaaa");
  engine().learn_network(network_, "shop");
  EXPECT_EQ(controller_->network("shop").network.id, network_);
}

TEST_F(EngineTest, PruneAndPurge) {
  const std::string before = kernel_.state();
  const std::string pool = create_engine_network();
  controller_->prune_networks([](const netd::NetworkRecord&) { return true; });
  run(pool);
  EXPECT_TRUE(controller_->purge().empty());
  EXPECT_EQ(store_->list("pool/").size() + store_->list("address/").size() +
                store_->list("endpoint/").size() + store_->list("network/").size(),
            0u);
  EXPECT_FALSE(kernel_has("nv1111111111"));
  EXPECT_THAT(refusal([&] { join(id_of('1'), ""); }), HasSubstr("not known to netd"));
}

TEST_F(EngineTest, AGhostIsDisconnectedByForce) {
  const std::string pool = create_engine_network();
  run(pool);
  engine().learn(id_of('1'), {.id = id_of('c'), .name = "web", .hostname = "", .aliases = {}});
  EXPECT_THAT(refusal([&] { controller_->disconnect("shop", "web", false); }),
              HasSubstr("No such container: web"));
  controller_->disconnect("shop", "web", true);
  EXPECT_TRUE(controller_->endpoints_of(network_).empty());
}

TEST_F(EngineTest, TheDoctorTellsWhoseNamesAreNotKnown) {
  const std::string pool = create_engine_network();
  run(pool);
  const auto findings = controller_->examine();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].severity, "note");
  EXPECT_EQ(findings[0].what,
            "names of the engine's containers on shop are known to the engine's own resolver only");
}

TEST_F(EngineTest, TheDoctorMissesLinks) {
  create_network("back");
  create_sandbox("web", {"back"});
  EXPECT_TRUE(controller_->examine().empty());
  const std::string link = endpoint("back", "web").endpoint.host_link;
  lose_link(link);
  const auto findings = controller_->examine();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].severity, "missing");
  EXPECT_EQ(findings[0].what, "link " + link + " of web on back");
}

/// netd is killed at each kernel call of what the engine says; the engine says it again.
TEST_F(EngineTest, KilledAtAnyCallItCatchesUp) {
  const std::string pool = create_engine_network();
  const std::string idle = everything();
  const ipam::Address ip = run(pool);
  const std::size_t running = store_->list("").size();
  stop(pool, ip);
  const auto until_done = [&](std::size_t calls, const std::function<void()>& act) {
    deadly_.calls = calls;
    try {
      act();
      return true;
    } catch (const Killed&) {
      restart();
      act();
      return false;
    }
  };
  bool survived = false;
  for (std::size_t calls = 0; calls < 60 && !survived; ++calls) {
    netd::EngineEndpointSpec spec = endpoint_spec('1', request_address(pool));
    const ipam::Address own = spec.ipv4->address;
    survived = until_done(calls, [&] {
      engine().create_endpoint(spec);
      join(id_of('1'), "/netns/1");
      engine().program(network_, id_of('1'), {});
    });
    deadly_.calls.reset();
    EXPECT_EQ(store_->list("").size(), running) << calls;
    EXPECT_TRUE(kernel_has("tcp . 8080 : " + own.to_string() + " . 80")) << calls;
    survived = until_done(calls, [&] { stop(pool, own); }) && survived;
    deadly_.calls.reset();
    ASSERT_EQ(everything(), idle) << calls;
  }
  EXPECT_TRUE(survived);
}

}  // namespace
}  // namespace tests
