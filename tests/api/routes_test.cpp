// The whole API on a real controller, a fake kernel and a store in a temporary directory.
#include "netd/api/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/api/routes_fixture.h"

namespace netd::api {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class Routes : public tests::RoutesTest {
 protected:
  void SetUp() override {
    RoutesTest::SetUp();
    router_ = std::make_unique<Router>(make_router(context()));
  }

  Response ask(const std::string& method, const std::string& target, const json& body = nullptr) {
    Request request;
    request.method = method;
    request.target = target;
    if (!body.is_null()) {
      request.content_type = "application/json";
      request.body = body.dump();
    }
    return router_->handle(request);
  }

  /// The body of an answer that has to have this status.
  json expect(int status, const std::string& method, const std::string& target,
              const json& body = nullptr) {
    const Response response = ask(method, target, body);
    EXPECT_EQ(response.status, status) << method << ' ' << target << ": " << response.body;
    return response.body.empty() ? json() : json::parse(response.body);
  }

  std::string message(int status, const std::string& method, const std::string& target,
                      const json& body = nullptr) {
    return expect(status, method, target, body).value("message", "");
  }

  std::string create_network(const std::string& name, json more = json::object()) {
    more["Name"] = name;
    return expect(201, "POST", "/networks/create", more)["Id"];
  }

  json create_web() {
    return expect(201, "POST", "/sandboxes", json::parse(R"({
      "Name":"web","Networks":[{"Network":"shop","Aliases":["www"]}],"Labels":{"tier":"front"},
      "PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]}})"));
  }

  std::vector<std::string> names(const std::string& target) {
    std::vector<std::string> result;
    for (const json& item : expect(200, "GET", target))
      result.push_back(item.contains("Names") ? item["Names"][0] : item["Name"]);
    return result;
  }

  std::unique_ptr<Router> router_;
};

TEST_F(Routes, PingAndVersionServeNegotiation) {
  EXPECT_EQ(ask("GET", "/_ping").body, "OK");
  EXPECT_EQ(ask("HEAD", "/v1.24/_ping").body, "");
  EXPECT_EQ(expect(200, "GET", "/version")["ApiVersion"], "1.54");
  EXPECT_EQ(expect(200, "GET", "/version")["Components"][0]["Name"], "Engine");
  EXPECT_EQ(expect(200, "GET", "/info")["OSType"], "linux");
}

TEST_F(Routes, PortsThatALanIgnoresAreWarnedOf) {
  kernel_.add_link("", "eth1");
  const json lan =
      json::parse(R"({"Options":{"parent":"eth1"},"IPAM":{"Config":[{"Subnet":"10.7.0.0/24"}]}})");
  for (const char* driver : {"macvlan", "ipvlan"}) {
    json more = lan;
    more["Driver"] = driver;
    create_network("lan", more);
    create_network("shop");
    const std::string warning = std::string("published ports are ignored: on network lan (") +
                                driver +
                                ") containers are reached at their own addresses, this one at "
                                "10.7.0.1";
    const json web = expect(201, "POST", "/sandboxes", json::parse(R"({
      "Name":"web","Networks":[{"Network":"lan"}],
      "PortBindings":{"80/tcp":[{"HostPort":"8080"}]}})"));
    EXPECT_EQ(web["Warnings"], json::array({warning}));
    EXPECT_EQ(expect(200, "GET", "/sandboxes/web")["Name"], "web") << "it is made";
    expect(204, "DELETE", "/sandboxes/web");

    EXPECT_EQ(create_web()["Warnings"], json::array());
    const auto connect = [&](int priority) {
      return ask("POST", "/networks/lan/connect",
                 {{"Container", "web"}, {"EndpointConfig", {{"GwPriority", priority}}}});
    };
    EXPECT_EQ(connect(-1).body, "") << "the bridge publishes";
    expect(200, "POST", "/networks/lan/disconnect", {{"Container", "web"}});
    const Response moved = connect(7);
    EXPECT_EQ(moved.status, 200);
    EXPECT_THAT(json::parse(moved.body)["Warning"].get<std::string>(),
                HasSubstr("published ports are ignored: on network lan"));
    EXPECT_EQ(ask("POST", "/networks/lan/disconnect", {{"Container", "web"}}).body, "");
    expect(200, "POST", "/networks/lan/connect", {{"Container", "web"}});
    EXPECT_NE(ask("POST", "/networks/shop/disconnect", {{"Container", "web"}}).body, "")
        << "nothing is left that publishes";
    expect(204, "DELETE", "/sandboxes/web");
    expect(204, "DELETE", "/networks/lan");
    expect(204, "DELETE", "/networks/shop");
  }
}

TEST_F(Routes, ASandboxGoesOnlyIfItIsTheOneThatIsMeant) {
  create_network("shop");
  create_web();
  EXPECT_EQ(message(404, "DELETE", R"(/sandboxes/web?filters={"label":["tier=back"]})"),
            "the sandbox web is not the one that is meant");
  expect(400, "DELETE", R"(/sandboxes/web?filters={"tier":["front"]})");
  expect(200, "GET", "/sandboxes/web");
  expect(204, "DELETE", R"(/sandboxes/web?filters={"label":["tier=front"]})");
  expect(404, "DELETE", R"(/sandboxes/web?filters={"label":["tier=front"]})");
}

TEST_F(Routes, NetworksComeAndGo) {
  const json body = json::parse(R"({"IPAM":{"Config":[{"Subnet":"10.5.0.0/24"}]}})");
  const std::string id = create_network("shop", body);
  EXPECT_EQ(id.size(), 64u);
  EXPECT_EQ(message(409, "POST", "/networks/create", {{"Name", "shop"}}),
            "network with name shop already exists");
  const json shown = expect(200, "GET", "/v1.41/networks/" + id.substr(0, 12));
  EXPECT_EQ(shown["Name"], "shop");
  EXPECT_EQ(shown["IPAM"]["Config"][0]["Subnet"], "10.5.0.0/24");
  EXPECT_EQ(shown["IPAM"]["Config"][0]["Gateway"], "10.5.0.1");
  EXPECT_EQ(shown["Containers"], json::object());
  EXPECT_EQ(shown["Status"]["IPAM"]["Subnets"]["10.5.0.0/24"]["IPsInUse"], 3);
  EXPECT_EQ(ask("DELETE", "/networks/shop").status, 204);
  EXPECT_EQ(message(404, "GET", "/networks/shop"), "network shop not found");
}

TEST_F(Routes, NetworkRequestsAreValidated) {
  EXPECT_EQ(message(400, "POST", "/networks/create"), "invalid name: name is empty");
  EXPECT_EQ(message(403, "POST", "/networks/create", {{"Name", "host"}}),
            "operation is not permitted on predefined host network ");
  EXPECT_EQ(message(403, "DELETE", "/networks/bridge"),
            "bridge is a pre-defined network and cannot be removed");
  EXPECT_EQ(message(400, "POST", "/networks/create", json::parse(R"({"Name":"x","IPAM":{"Config":[
                      {"Subnet":"10.0.0.1/8","Gateway":"11.0.0.1"}]}})")),
            "invalid network config:\n"
            "invalid subnet 10.0.0.1/8: it should be 10.0.0.0/8\n"
            "invalid gateway 11.0.0.1: parent subnet 10.0.0.1/8 doesn't contain this address");
  EXPECT_THAT(message(400, "GET", "/networks/bridge?verbose=x"),
              HasSubstr("invalid value for verbose: x:"));
  EXPECT_EQ(message(404, "GET", "/networks/bridge?scope=swarm"), "network bridge not found");
  EXPECT_EQ(message(400, "GET", "/networks?filters=%7B"), "invalid filter: not valid JSON");
}

TEST_F(Routes, MalformedBodiesAreRefusedEverywhere) {
  for (const char* target : {"/networks/create", "/networks/bridge/connect",
                             "/networks/bridge/disconnect", "/sandboxes", "/sandboxes/x/ports"}) {
    Request request;
    request.method = "POST";
    request.target = target;
    request.content_type = "application/json";
    request.body = "{invalid json";
    EXPECT_THAT(router_->handle(request).body, HasSubstr("invalid JSON: ")) << target;
    request.body = "{} trailing content";
    EXPECT_THAT(router_->handle(request).body, HasSubstr("unexpected content after JSON"))
        << target;
    request.content_type = "text/plain";
    EXPECT_EQ(router_->handle(request).status, 400) << target;
  }
}

TEST_F(Routes, NetworksAreFiltered) {
  create_network("shop", {{"Labels", {{"a", "b"}}}});
  create_network("myshop");
  EXPECT_EQ(names("/networks?filters=%7B%22name%22%3A%5B%22shop%22%5D%7D"),
            (std::vector<std::string>{"myshop", "shop"}));
  EXPECT_EQ(names("/networks?filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D"),
            (std::vector<std::string>{"shop"}));
  EXPECT_EQ(names("/networks?filters=%7B%22type%22%3A%7B%22builtin%22%3Atrue%7D%7D"),
            (std::vector<std::string>{"bridge", "host", "none"}));
}

TEST_F(Routes, PruneTakesWhatNobodyUses) {
  create_network("shop");
  create_network("idle", {{"Labels", {{"keep", ""}}}});
  create_network("other");
  create_web();
  EXPECT_EQ(expect(200, "POST", "/networks/prune?filters=%7B%22label%21%22%3A%5B%22keep%22%5D%7D"),
            json::parse(R"({"NetworksDeleted":["other"]})"));
  EXPECT_EQ(expect(200, "POST", "/system/prune"), json::parse(R"({"NetworksDeleted":["idle"]})"));
  EXPECT_EQ(expect(200, "POST", "/networks/prune"), json::parse(R"({"NetworksDeleted":null})"));
}

TEST_F(Routes, SandboxesComeAndGo) {
  create_network("shop", json::parse(R"({"IPAM":{"Config":[{"Subnet":"10.5.0.0/24"}]}})"));
  json created = create_web();
  const std::string id = created["Id"];
  EXPECT_EQ(id.size(), 64u);
  EXPECT_EQ(created["NetnsPath"], "/run/netd/netns/" + id);
  EXPECT_EQ(created["ResolvConfPath"], "/run/netd/sandboxes/" + id + "/resolv.conf");
  EXPECT_EQ(created["Networks"]["shop"]["IPAddress"], "10.5.0.2");
  EXPECT_EQ(created["Ports"]["80/tcp"][0]["HostPort"], "8080");
  EXPECT_EQ(expect(200, "GET", "/sandboxes/web")["Id"], id);
  EXPECT_EQ(expect(200, "GET", "/networks/shop")["Containers"][id]["IPv4Address"], "10.5.0.2/24");
  EXPECT_THAT(message(403, "DELETE", "/networks/shop"), HasSubstr("has active endpoints"));
  EXPECT_EQ(ask("DELETE", "/sandboxes/web").status, 204);
  EXPECT_EQ(message(404, "GET", "/sandboxes/web"), "No such container: web");
  EXPECT_EQ(names("/sandboxes"), std::vector<std::string>{});
}

TEST_F(Routes, SandboxesShowAsContainers) {
  create_network("shop");
  const std::string id = create_web()["Id"];
  const json list = expect(200, "GET", "/v1.41/containers/json?all=1&limit=0");
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0]["Names"][0], "/web");
  EXPECT_EQ(list[0]["Ports"], json::parse(R"([
    {"IP":"127.0.0.1","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}])"));
  EXPECT_EQ(names("/containers/json?filters=%7B%22name%22%3A%5B%22%5E%2Fweb%24%22%5D%7D").size(),
            1u);
  EXPECT_EQ(names("/containers/json?filters=%7B%22network%22%3A%5B%22none%22%5D%7D").size(), 0u);
  EXPECT_EQ(names("/containers/json?filters=%7B%22label%22%3A%5B%22tier%3Dfront%22%5D%7D").size(),
            1u);
  EXPECT_EQ(names("/containers/json?filters=%7B%22status%22%3A%5B%22exited%22%5D%7D").size(), 0u);
  EXPECT_EQ(expect(200, "GET", "/containers/web/json")["Id"], id);
  EXPECT_EQ(message(404, "GET", "/containers/none/json"), "No such container: none");
}

TEST_F(Routes, SandboxesConnectAndDisconnect) {
  create_network("shop");
  create_network("back", json::parse(R"({"IPAM":{"Config":[{"Subnet":"10.6.0.0/24"}]}})"));
  create_web();
  const json body = json::parse(
      R"({"Container":"web","EndpointConfig":{"IPAMConfig":{"IPv4Address":"10.6.0.77"}}})");
  EXPECT_EQ(ask("POST", "/networks/back/connect", body).body, "");
  EXPECT_EQ(expect(200, "GET", "/sandboxes/web")["Networks"]["back"]["IPAddress"], "10.6.0.77");
  EXPECT_THAT(message(403, "POST", "/networks/back/connect", body),
              HasSubstr("endpoint with name web already exists in network back"));
  EXPECT_EQ(ask("POST", "/networks/back/disconnect", {{"Container", "/web"}}).status, 200);
  EXPECT_THAT(message(500, "POST", "/networks/back/disconnect", {{"Container", "web"}}),
              HasSubstr("is not connected to"));
  EXPECT_EQ(message(404, "POST", "/networks/back/connect", {{"Container", "nobody"}}),
            "No such container: nobody");
}

TEST_F(Routes, PortsChangeOnALiveSandbox) {
  create_network("shop");
  create_web();
  const json changed =
      expect(200, "POST", "/sandboxes/web/ports",
             json::parse(R"({"Add":{"81/udp":[{"HostIp":"127.0.0.1","HostPort":"8181"}]},
                             "Remove":{"80/tcp":null}})"));
  EXPECT_EQ(changed["Ports"],
            json::parse(R"({"81/udp":[{"HostIp":"127.0.0.1","HostPort":"8181"}]})"));
}

TEST_F(Routes, EventsTellHistoryAndNews) {
  create_network("shop");
  const Response response =
      ask("GET", "/v1.41/events?since=1h&filters=%7B%22network%22%3A%5B%22shop%22%5D%7D");
  ASSERT_TRUE(response.lines);
  EXPECT_EQ(response.content_type, "application/json");
  const json created = json::parse(response.lines->take().text);
  EXPECT_EQ(created["Type"], "network");
  EXPECT_EQ(created["Action"], "create");
  EXPECT_EQ(created["Actor"]["Attributes"]["name"], "shop");
  create_network("other");
  ask("DELETE", "/networks/shop");
  EXPECT_EQ(json::parse(response.lines->take().text)["Action"], "destroy");
}

TEST_F(Routes, EventsEndAtUntil) {
  const Response past = ask("GET", "/events?since=2h&until=1h");
  ASSERT_TRUE(past.lines);
  EXPECT_TRUE(past.lines->take().closed);
  EXPECT_THAT(message(400, "GET", "/events?since=1h&until=2h"), HasSubstr("cannot be after"));
  EXPECT_THAT(message(400, "GET", "/events?since=x"), HasSubstr("invalid value for since"));
}

TEST_F(Routes, TopologyShowsWhoIsWhere) {
  create_network("shop", json::parse(R"({"IPAM":{"Config":[{"Subnet":"10.5.0.0/24"}]}})"));
  create_web();
  const json networks = expect(200, "GET", "/topology")["Networks"];
  const auto shop = std::find_if(networks.begin(), networks.end(),
                                 [](const json& network) { return network["Name"] == "shop"; });
  ASSERT_NE(shop, networks.end());
  EXPECT_EQ((*shop)["Subnets"], json::parse(R"([{"Subnet":"10.5.0.0/24","Gateway":"10.5.0.1"}])"));
  EXPECT_EQ((*shop)["Masquerade"], true);
  EXPECT_EQ((*shop)["Sandboxes"][0]["Name"], "web");
  EXPECT_EQ((*shop)["Sandboxes"][0]["Interface"], "eth0");
  EXPECT_EQ((*shop)["Sandboxes"][0]["Ports"][0]["PublicPort"], 8080);
}

TEST_F(Routes, SystemCountsAndPurges) {
  create_network("shop");
  create_web();
  const json info = expect(200, "GET", "/system");
  EXPECT_EQ(info["Sandboxes"], 1);
  EXPECT_EQ(info["Endpoints"], 1);
  EXPECT_EQ(info["StateDir"], "/run/netd/state");
  EXPECT_EQ(expect(200, "POST", "/system/purge"), json::parse(R"({"Failures":[]})"));
  EXPECT_EQ(expect(200, "GET", "/system")["Sandboxes"], 0);
}

TEST_F(Routes, MetricsCountOperations) {
  create_network("shop");
  const std::string text = ask("GET", "/metrics").body;
  EXPECT_THAT(text, HasSubstr("netd_operation_seconds_count{op=\"network_create\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("netd_networks 4\n"));
  EXPECT_THAT(text, HasSubstr("netd_endpoints 0\n"));
  EXPECT_THAT(text, HasSubstr("netd_reaper_waiting 0\n"));
}

}  // namespace
}  // namespace netd::api
