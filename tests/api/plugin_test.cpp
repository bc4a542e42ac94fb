// The plugin protocol as an engine speaks it: JSON in, JSON out, through the router.
#include <gmock/gmock.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "netd/plugin/engine_names.h"
#include "netd/plugin/serve.h"
#include "tests/api/routes_fixture.h"

namespace netd::plugin {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string network_id(64, 'a');
const std::string endpoint_id(64, 'e');

class Plugin : public tests::RoutesTest {
 protected:
  void SetUp() override {
    config_.plugin_dir = "/run/docker/plugins";
    config_.bridge = "none";
    RoutesTest::SetUp();
    api::Context with_names = context();
    with_names.ask_names = [this](const api::NamesQuestion& question) {
      asked_.push_back(question);
    };
    router_ =
        std::make_unique<api::Router>(api::make_router(with_names, plugin_routes(with_names)));
  }

  json call(const std::string& method, const json& body) {
    return call_text(method, body.is_null() ? "" : body.dump());
  }
  json call_text(const std::string& method, const std::string& body) {
    api::Request request;
    request.method = "POST";
    request.target = "/" + method;
    request.body = body;
    request.peer = api::Peer{.pid = getpid(), .uid = 0, .gid = 0};
    const api::Response response = router_->handle(request);
    EXPECT_EQ(response.status, 200) << method;
    EXPECT_EQ(response.content_type, "application/vnd.docker.plugins.v1.2+json");
    return json::parse(response.body);
  }
  /// The text of a refusal, which has to be in that member.
  std::string refusal(const std::string& method, const json& body) {
    const char* member = method.starts_with("Ipam") ? "Error" : "Err";
    const json answer = call(method, body);
    EXPECT_TRUE(answer.contains(member)) << answer;
    return answer.value(member, "");
  }

  std::string request_pool(const std::string& subnet) {
    return call("IpamDriver.RequestPool",
                {{"AddressSpace", "netd"}, {"Pool", subnet}, {"V6", false}})
        .at("PoolID");
  }
  static json network_body(json options = json::object()) {
    return {{"NetworkID", network_id},
            {"Options",
             {{"com.docker.network.generic", std::move(options)},
              {"com.docker.network.enable_ipv6", false}}},
            {"IPv4Data",
             {{{"AddressSpace", "netd"}, {"Pool", "10.5.0.0/24"}, {"Gateway", "10.5.0.1/24"}}}},
            {"IPv6Data", json::array()}};
  }
  void create_network(json options = json::object()) {
    request_pool("10.5.0.0/24");
    EXPECT_EQ(call("NetworkDriver.CreateNetwork", network_body(std::move(options))),
              json::object());
  }
  static json ids() { return {{"NetworkID", network_id}, {"EndpointID", endpoint_id}}; }
  static json with_ids(json body) {
    body.update(ids());
    return body;
  }

  std::unique_ptr<api::Router> router_;
  std::vector<api::NamesQuestion> asked_;
};

TEST_F(Plugin, IntroducesItself) {
  EXPECT_EQ(call("Plugin.Activate", nullptr),
            json::parse(R"({"Implements":["NetworkDriver","IpamDriver"]})"));
  EXPECT_EQ(call("NetworkDriver.GetCapabilities", nullptr),
            json::parse(R"({"Scope":"local","ConnectivityScope":"local","GwAllocChecker":true})"));
  EXPECT_EQ(call("IpamDriver.GetCapabilities", nullptr),
            json::parse(R"({"RequiresMACAddress":false,"RequiresRequestReplay":false})"));
  EXPECT_EQ(
      call("IpamDriver.GetDefaultAddressSpaces", nullptr),
      json::parse(R"({"LocalDefaultAddressSpace":"netd","GlobalDefaultAddressSpace":"netd"})"));
}

TEST_F(Plugin, GivesOutPoolsAndAddresses) {
  const std::string pool = request_pool("10.5.0.0/24");
  const json gateway = {{"PoolID", pool},
                        {"Address", ""},
                        {"Options", {{"RequestAddressType", "com.docker.network.gateway"}}}};
  EXPECT_EQ(call("IpamDriver.RequestAddress", gateway).at("Address"), "10.5.0.1/24");
  EXPECT_EQ(call("IpamDriver.RequestAddress", gateway).at("Address"), "10.5.0.1/24") << "again";
  const json any = {{"PoolID", pool}, {"Address", ""}, {"Options", nullptr}};
  EXPECT_EQ(call("IpamDriver.RequestAddress", any).at("Address"), "10.5.0.2/24");
  EXPECT_EQ(
      call("IpamDriver.RequestAddress", {{"PoolID", pool}, {"Address", "10.5.0.9"}}).at("Address"),
      "10.5.0.9/24");
  EXPECT_EQ(call("IpamDriver.ReleaseAddress", {{"PoolID", pool}, {"Address", "10.5.0.9"}}),
            json::object());
  EXPECT_EQ(call("IpamDriver.ReleasePool", {{"PoolID", pool}}), json::object());
  EXPECT_THAT(refusal("IpamDriver.RequestAddress", any), HasSubstr("is not known"));
}

TEST_F(Plugin, NetworksOfTheClusterNeedACluster) {
  EXPECT_THAT(refusal("IpamDriver.RequestPool",
                      {{"Pool", ""}, {"V6", false}, {"Options", {{"io.netd.network", "shop"}}}}),
              HasSubstr("io.netd.network=shop: this host is in no cluster: start netd with "
                        "--cluster"));
  EXPECT_THAT(refusal("NetworkDriver.CreateNetwork", network_body({{"io.netd.network", "shop"}})),
              HasSubstr("this host is in no cluster"));
  EXPECT_EQ(call("NetworkDriver.GwAllocCheck", network_body({{"io.netd.network", "shop"}})),
            json::parse(R"({"SkipIPv4":true,"SkipIPv6":true})"));
}

TEST_F(Plugin, KeepsToTheRange) {
  const json pool = call("IpamDriver.RequestPool",
                         {{"Pool", "10.5.0.0/24"}, {"SubPool", "10.5.0.128/25"}, {"V6", false}});
  EXPECT_EQ(pool.at("Pool"), "10.5.0.0/24");
  EXPECT_EQ(call("IpamDriver.RequestAddress", {{"PoolID", pool.at("PoolID")}}).at("Address"),
            "10.5.0.128/24");
}

TEST_F(Plugin, JoinSaysWhichLinkToTake) {
  create_network({{"com.docker.network.container_iface_prefix", "lan"}});
  const json created = call(
      "NetworkDriver.CreateEndpoint",
      with_ids(
          {{"Interface", {{"Address", "10.5.0.2/24"}, {"AddressIPv6", ""}, {"MacAddress", ""}}},
           {"Options", json::object()}}));
  EXPECT_TRUE(ipam::Mac::parse(created.at("Interface").at("MacAddress").get<std::string>()));
  EXPECT_FALSE(created.at("Interface").contains("Address")) << "it was given: not to be answered";
  EXPECT_EQ(
      call("NetworkDriver.Join", with_ids({{"SandboxKey", "/netns/1"}, {"Options", nullptr}})),
      json::parse(R"({"InterfaceName":{"SrcName":"npeeeeeeeeee","DstPrefix":"lan"},
                            "Gateway":"10.5.0.1","GatewayIPv6":"","StaticRoutes":[],
                            "DisableGatewayService":false})"));
}

TEST_F(Plugin, AGivenMacIsNotAnswered) {
  create_network();
  const json created = call(
      "NetworkDriver.CreateEndpoint",
      with_ids(
          {{"Interface",
            {{"Address", "10.5.0.2/24"}, {"AddressIPv6", ""}, {"MacAddress", "02:42:0a:05:00:02"}}},
           {"Options", {{"com.docker.network.endpoint.macaddress", "AkIKBQAC"}}}}));
  EXPECT_EQ(created, json::object());
  EXPECT_EQ(call("NetworkDriver.EndpointOperInfo", ids())
                .at("Value")
                .at("com.docker.network.endpoint.macaddress"),
            "02:42:0a:05:00:02");
}

TEST_F(Plugin, PublishesAndTellsThePorts) {
  create_network();
  const json map = json::parse(
      R"([{"Proto":6,"IP":"","Port":80,"HostIP":"","HostPort":8080,"HostPortEnd":8080},
          {"Proto":1,"IP":"","Port":0,"HostIP":"","HostPort":0,"HostPortEnd":0}])");
  call("NetworkDriver.CreateEndpoint",
       with_ids({{"Interface", {{"Address", "10.5.0.2/24"}}},
                 {"Options", {{"com.docker.network.portmap", map}}}}));
  EXPECT_THAT(refusal("NetworkDriver.ProgramExternalConnectivity", ids()),
              HasSubstr("has not joined"));
  call("NetworkDriver.Join", with_ids({{"SandboxKey", "/netns/1"}}));
  EXPECT_EQ(call("NetworkDriver.ProgramExternalConnectivity",
                 with_ids({{"Options", {{"com.docker.network.portmap", map}}}})),
            json::object());
  const json info = call("NetworkDriver.EndpointOperInfo", ids()).at("Value");
  EXPECT_EQ(info.at("com.docker.network.endpoint.exposedports"),
            json::parse(R"([{"Proto":6,"Port":80}])"));
  EXPECT_EQ(info.at("com.docker.network.portmap")[0],
            json::parse(R"({"Proto":6,"IP":"10.5.0.2","Port":80,"HostIP":"0.0.0.0","HostPort":8080,
                            "HostPortEnd":8080})"));
  EXPECT_EQ(call("NetworkDriver.RevokeExternalConnectivity", ids()), json::object());
  EXPECT_EQ(
      call("NetworkDriver.EndpointOperInfo", ids()).at("Value").at("com.docker.network.portmap"),
      json::array());
}

TEST_F(Plugin, WhatItDoesNotKnowIsGone) {
  for (const char* method :
       {"NetworkDriver.Leave", "NetworkDriver.DeleteEndpoint", "NetworkDriver.DeleteNetwork",
        "NetworkDriver.RevokeExternalConnectivity", "NetworkDriver.DiscoverNew"})
    EXPECT_EQ(call(method, ids()), json::object()) << method;
  EXPECT_THAT(refusal("NetworkDriver.Join", ids()), HasSubstr("is not known to netd"));
}

TEST_F(Plugin, BadInputIsNamed) {
  EXPECT_THAT(refusal("NetworkDriver.CreateNetwork", nullptr), HasSubstr("NetworkID"))
      << "an engine's second try comes without its body";
  EXPECT_THAT(call_text("NetworkDriver.Join", "{").at("Err").get<std::string>(),
              HasSubstr("parse error"));
  json body = network_body();
  body["IPv4Data"][0]["Pool"] = "10.5.0.0";
  EXPECT_THAT(refusal("NetworkDriver.CreateNetwork", body),
              HasSubstr("IPv4Data[0].Pool: expected an address with a prefix length"));
  body = network_body({{"io.netd.driver", "host"}});
  EXPECT_THAT(refusal("NetworkDriver.CreateNetwork", body), HasSubstr("io.netd.driver: \"host\""));
  body = network_body({{"io.netd.engine", "tcp://10.0.0.1"}});
  EXPECT_THAT(refusal("NetworkDriver.CreateNetwork", body),
              HasSubstr("write it like unix:///var/run/docker.sock"));
  EXPECT_THAT(refusal("NetworkDriver.CreateNetwork", network_body()),
              HasSubstr("10.5.0.0/24 was not asked for"));
  EXPECT_THAT(refusal("IpamDriver.RequestPool", {{"Pool", "fd00::/64"}, {"V6", false}}),
              HasSubstr("is not IPv4"));
  EXPECT_THAT(refusal("NetworkDriver.AllocateNetwork", json::object()), HasSubstr("swarm"));
}

TEST_F(Plugin, GatewayAddressesAreLeftOutWhereTheBridgeHasNone) {
  json body = network_body({{"com.docker.network.bridge.gateway_mode_ipv4", "isolated"}});
  body["Options"]["com.docker.network.internal"] = true;
  EXPECT_EQ(call("NetworkDriver.GwAllocCheck", {{"Options", body["Options"]}}),
            json::parse(R"({"SkipIPv4":true,"SkipIPv6":false})"));
}

TEST_F(Plugin, AsksForNamesWhereItMay) {
  create_network({{"io.netd.engine", "unix:///var/run/docker.sock"}});
  call("NetworkDriver.CreateEndpoint", with_ids({{"Interface", {{"Address", "10.5.0.2/24"}}}}));
  call("NetworkDriver.Join", with_ids({{"SandboxKey", "/netns/1"}}));
  ASSERT_EQ(asked_.size(), 2u);
  EXPECT_EQ(asked_[0].endpoint_id, "");
  EXPECT_EQ(asked_[1].api, "unix:///var/run/docker.sock");
  EXPECT_EQ(asked_[1].network_id, network_id);
  EXPECT_EQ(asked_[1].endpoint_id, endpoint_id);
}

TEST_F(Plugin, ANetworksOwnDnsServerListensAtItsGateway) {
  create_network({{"io.netd.gateway_dns", "true"}});
  EXPECT_EQ(listeners_.gateways.at(network_id), "10.5.0.1 on br-aaaaaaaaaaaa");
  EXPECT_EQ(listeners_.views.at(network_id).zones.size(), 1u);
  call("NetworkDriver.DeleteNetwork", ids());
  EXPECT_TRUE(listeners_.gateways.empty());
}

TEST(EngineNames, ReadsWhichContainerHasTheEndpoint) {
  const std::string body =
      R"({"Name":"shop","Containers":{"ep-1":{"EndpointID":"e1"},"c0ffee":{"EndpointID":"e2"}}})";
  EXPECT_EQ(read_network_answer(body, "e2").container_id, "c0ffee");
  EXPECT_EQ(read_network_answer(body, "e1").container_id, "") << "its container is not known yet";
  EXPECT_EQ(read_network_answer(body, "").name, "shop");
  EXPECT_THROW(read_network_answer("[]", "e1"), std::invalid_argument);
  EXPECT_THROW(read_network_answer("oops", "e1"), std::invalid_argument);
}

TEST(EngineNames, ReadsNamesOfAContainer) {
  const ContainerNames names = read_container_answer(
      R"({"Id":"c0ffee","Name":"/web","Config":{"Hostname":"www1"},
          "NetworkSettings":{"Networks":{"shop":{"Aliases":["fe","c0ffee"]},"x":{"Aliases":null}}}})",
      "shop");
  EXPECT_EQ(names.name, "web");
  EXPECT_EQ(names.hostname, "www1");
  EXPECT_THAT(names.aliases, ElementsAre("fe", "c0ffee"));
}

}  // namespace
}  // namespace netd::plugin
