// netd-netavark itself, called as podman and netavark do: what it takes, answers and refuses.
#include <gmock/gmock.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>

#include "tests/cni/lost_answer.h"
#include "tests/e2e/end_to_end.h"

namespace podman {
namespace {

using cni::LostAnswer;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* lost = "/run/lost.sock";

const std::string id(64, 'a');

class FrontTest : public e2e::EndToEnd {
 protected:
  void SetUp() override {
    EndToEnd::SetUp();
    shell("ip netns add c1; ip netns add c2");
  }
  static e2e::Result call(const std::string& arguments, const json& input) {
    std::ofstream("/run/stdin") << input.dump();
    return attempt("netd-netavark " + arguments + " </run/stdin");
  }
  static json answer(const std::string& arguments, const json& input) {
    const e2e::Result result = call(arguments, input);
    EXPECT_EQ(result.status, 0) << result.output;
    return json::parse(result.output, nullptr, false);
  }
  static void expect_error(const std::string& arguments, const json& input,
                           const std::string& text) {
    const e2e::Result result = call(arguments, input);
    EXPECT_EQ(result.status, 1) << result.output;
    const json error = json::parse(result.output, nullptr, false);
    ASSERT_TRUE(error.is_object()) << result.output;
    EXPECT_THAT(error.value("error", ""), HasSubstr(text));
  }
  static json network(const std::string& name, const json& more = json::object()) {
    json result{{"name", name},
                {"id", id},
                {"driver", "bridge"},
                {"network_interface", "br-" + name},
                {"internal", false},
                {"dns_enabled", true},
                {"ipv6_enabled", false},
                {"subnets", {{{"subnet", "10.5.0.0/24"}, {"gateway", "10.5.0.1"}}}},
                {"ipam_options", {{"driver", "host-local"}}}};
    result.update(more);
    return result;
  }
  static json container(const json& more = json::object(),
                        const json& network_more = json::object()) {
    json result{
        {"container_id", id},
        {"container_name", "web"},
        {"networks", {{"shop", {{"interface_name", "eth0"}, {"static_ips", {"10.5.0.7"}}}}}},
        {"network_info", {{"shop", network("shop", network_more)}}}};
    result.update(more);
    return result;
  }
  /// On backend and shop, joined in this order.
  static json container_on_two() {
    json two = container();
    two["networks"]["backend"] = {{"interface_name", "eth1"}, {"static_ips", {"10.6.0.7"}}};
    two["network_info"]["backend"] =
        network("backend", {{"subnets", {{{"subnet", "10.6.0.0/24"}}}}});
    return two;
  }
};

constexpr const char* setup =
    "--config /run/c --rootless=false --aardvark-binary=/x setup /run/netns/c1";
constexpr const char* teardown = "-c /run/c -r false teardown /run/netns/c1";

TEST_F(FrontTest, AnswersWithStatusBlocks) {
  const json status = answer(setup, container({{"networks",
                                                {{"shop",
                                                  {{"interface_name", "eth0"},
                                                   {"static_ips", {"10.5.0.7"}},
                                                   {"static_mac", "02:00:00:00:00:07"},
                                                   {"aliases", {"www"}}}}}}}));
  EXPECT_EQ(status, json::parse(R"({"shop":{"dns_search_domains":[],"dns_server_ips":["127.0.0.11"],
    "interfaces":{"eth0":{"mac_address":"02:00:00:00:00:07",
                          "subnets":[{"ipnet":"10.5.0.7/24","gateway":"10.5.0.1"}]}}}})"));
  EXPECT_EQ(call(teardown, container()).output, "");
  EXPECT_EQ(api("/sandboxes"), json::array());
  EXPECT_EQ(call(teardown, container()).status, 0) << "again";
  shell("ip netns del c1; ip netns del c2");
  expect_nothing_left();
}

TEST_F(FrontTest, TakesNetworksAsAListInItsOrder) {
  json two = container();
  two["networks"] =
      json::parse(R"([{"name":"shop","interface_name":"eth1","static_ips":["10.5.0.7"]},
                                    {"name":"backend","interface_name":"eth0","static_ips":["10.6.0.7"]}])");
  two["network_info"]["backend"] =
      network("backend", {{"dns_enabled", false}, {"subnets", {{{"subnet", "10.6.0.0/24"}}}}});
  const json status = answer(setup, two);
  EXPECT_EQ(status["backend"]["dns_server_ips"], json::array());
  EXPECT_THAT(shell("ip -n c1 route"), HasSubstr("default via 10.5.0.1 dev eth1"));
}

TEST_F(FrontTest, TranslatesOptions) {
  answer(
      setup,
      container(
          json::object(),
          {{"internal", true},
           {"routes", {{{"destination", "10.9.0.0/16"}, {"gateway", "10.5.0.9"}, {"metric", 7}}}},
           {"options",
            {{"mtu", "1400"}, {"metric", "50"}, {"isolate", "strict"}, {"mode", "managed"}}}}));
  EXPECT_THAT(
      shell("ip -n c1 link show eth0; ip -n c1 route"),
      ::testing::AllOf(HasSubstr("mtu 1400"), HasSubstr("10.9.0.0/16 via 10.5.0.9 dev eth0")));
  const json there = api("/networks/shop");
  EXPECT_EQ(there["Internal"], true);
  EXPECT_EQ(there["Options"]["io.netd.metric"], "50");
}

TEST_F(FrontTest, GivesNetworksOfNetdsOwnNamesOthers) {
  json one = container();
  one["networks"] = {{"bridge", {{"interface_name", "eth0"}}}};
  one["network_info"] = {{"bridge", network("bridge")}};
  answer(setup, one);
  EXPECT_TRUE(api("/sandboxes/web")["Networks"].contains("podman-bridge"));
}

TEST_F(FrontTest, RefusesInNetavarksWords) {
  expect_error("setup /run/netns/nobody", container(),
               "invalid namespace path: IO error: No such file or directory (os error 2)");
  expect_error(setup, container(json::object(), {{"ipam_options", {{"driver", "magic"}}}}),
               "unsupported ipam driver magic");
  expect_error(setup,
               container({{"port_mappings",
                           {{{"container_port", 80},
                             {"host_port", 80},
                             {"host_ip", "x"},
                             {"protocol", "tcp"},
                             {"range", 1}}}}}),
               "invalid host ip \"x\" provided for port 80");
  expect_error(setup,
               container({{"port_mappings",
                           {{{"container_port", std::numeric_limits<std::int64_t>::max()},
                             {"host_port", 80},
                             {"range", 2}}}}}),
               "invalid port mapping 80:9223372036854775807 of 2 ports");
  expect_error(setup, json::array(), "a JSON object is expected");
  expect_error(setup, json::object(), "container_id is missing");
  expect_error(setup, container({{"network_info", json::object()}}),
               "network shop: nothing is said of it");
  expect_error("setup", container(), "setup needs a network namespace");
  expect_error("fly", container(), "unrecognized subcommand 'fly'");
  expect_error("--wings 2 setup", container(), "unexpected argument '--wings'");
  EXPECT_EQ(api("/sandboxes"), json::array());
}

TEST_F(FrontTest, FindsOutWhatALostAnswerWas) {
  const LostAnswer netd(lost, "POST /networks/shop/connect ");
  setenv("NETD_HOST", lost, 1);
  EXPECT_EQ(answer(setup, container_on_two()).size(), 2u);
  EXPECT_EQ(call(teardown, container_on_two()).output, "");
  EXPECT_EQ(api("/sandboxes"), json::array());
  unsetenv("NETD_HOST");
}

TEST_F(FrontTest, TellsWhyItFailedAlsoWhenThatCannotBeTakenBack) {
  const LostAnswer netd(lost, "DELETE /sandboxes/", 1'000'000);
  setenv("NETD_HOST", lost, 1);
  json two = container_on_two();
  two["networks"]["shop"]["static_ips"] = {"10.99.0.7"};
  expect_error(setup, two, "no configured subnet contains IP address 10.99.0.7");
  unsetenv("NETD_HOST");
}

TEST_F(FrontTest, TakesDownTheRestAfterAFailure) {
  answer(setup, container_on_two());
  const std::string first = api("/networks/backend")["Id"].get<std::string>();
  const LostAnswer netd(lost, "POST /networks/" + first, 1'000'000);
  setenv("NETD_HOST", lost, 1);
  EXPECT_EQ(call(teardown, container_on_two()).status, 1);
  EXPECT_EQ(api("/sandboxes"), json::array());
  unsetenv("NETD_HOST");
}

TEST_F(FrontTest, FailsWhenItsAnswerIsNotHeard) {
  EXPECT_EQ(call("version >/dev/full", json::object()).status, 1);
}

TEST_F(FrontTest, PublishesRangesOnTheFamilyAskedFor) {
  answer(setup, container({{"port_mappings",
                            {{{"container_port", 80},
                              {"host_port", 8080},
                              {"host_ip", "0.0.0.0"},
                              {"protocol", "tcp,udp"},
                              {"range", 3}}}}}));
  const json ports = api("/sandboxes/web")["Ports"];
  EXPECT_EQ(ports.size(), 6u);
  EXPECT_EQ(ports["82/udp"], json::parse(R"([{"HostIp":"0.0.0.0","HostPort":"8082"}])"));
}

TEST_F(FrontTest, SaysWhatItIs) {
  const json version = answer("version", json::object());
  EXPECT_EQ(version["default_fw_driver"], "nftables");
  EXPECT_TRUE(version.contains("version"));
  EXPECT_EQ(answer("info", json::object())["api_version"], "1.0.0");
  EXPECT_EQ(answer("", json::object())["api_version"], "1.0.0");
  EXPECT_EQ(call("firewall-reload", json::object()).output, "");
}

TEST_F(FrontTest, UpdatesANetworkThatNobodyIsOn) {
  EXPECT_EQ(call("update shop --network-dns-servers 9.9.9.9", json::object()).status, 0);
  answer(setup, container());
  expect_error("update shop --network-dns-servers 9.9.9.9,1.1.1.1", json::object(),
               "network shop has containers");
}

TEST_F(FrontTest, IsAPluginOfNetavark) {
  const json own =
      network("shop", {{"driver", "netd"}, {"options", {{"driver", "bridge"}, {"mtu", "1300"}}}});
  EXPECT_EQ(answer("create", own), own);
  const json input{{"container_id", id},
                   {"container_name", "web"},
                   {"port_mappings",
                    {{{"container_port", 80},
                      {"host_port", 8080},
                      {"host_ip", ""},
                      {"protocol", "tcp"},
                      {"range", 1}}}},
                   {"network", own},
                   {"network_options", {{"interface_name", "eth0"}, {"static_ips", {"10.5.0.7"}}}}};
  const json block = answer("setup /run/netns/c1", input);
  EXPECT_EQ(block["interfaces"]["eth0"]["subnets"][0]["ipnet"], "10.5.0.7/24");
  EXPECT_THAT(shell("ip -n c1 link show eth0"), HasSubstr("mtu 1300"));
  EXPECT_TRUE(api("/sandboxes/web")["Ports"].contains("80/tcp"));
  EXPECT_EQ(call("teardown /run/netns/c1", input).output, "");
  EXPECT_EQ(api("/sandboxes"), json::array());
  expect_error("create", network("shop", {{"subnets", json::array()}}), "need a subnet");
}

json creation(const json& network, const json& used = json::object()) {
  return {{"network", network},
          {"used", used},
          {"options",
           {{"subnet_pools", {{{"base", "10.89.0.0/16"}, {"size", 24}}}},
            {"default_interface_name", "podman"},
            {"check_used_subnets", true}}}};
}

TEST_F(FrontTest, CompletesANewNetwork) {
  json bare{{"name", "shop"},      {"id", id},
            {"driver", "bridge"},  {"internal", false},
            {"dns_enabled", true}, {"ipv6_enabled", true}};
  const json made =
      answer("create", creation(bare, {{"interfaces", {"podman0", "podman1"}},
                                       {"subnets", {"10.89.0.0/23", "10.0.0.0/16"}}}));
  EXPECT_EQ(made["network_interface"], "podman2");
  EXPECT_EQ(made["subnets"][0], json::parse(R"({"subnet":"10.89.2.0/24","gateway":"10.89.2.1"})"));
  EXPECT_THAT(made["subnets"][1]["subnet"].get<std::string>(),
              ::testing::MatchesRegex("fd.*::/64"));
  EXPECT_EQ(made["ipam_options"]["driver"], "host-local");
  bare["subnets"] = {{{"subnet", "10.7.5.9/24"}}};
  bare["ipv6_enabled"] = false;
  EXPECT_EQ(answer("create", creation(bare))["subnets"],
            json::parse(R"([{"subnet":"10.7.5.0/24","gateway":"10.7.5.1"}])"));
  bare["internal"] = true;
  bare["dns_enabled"] = false;
  EXPECT_EQ(answer("create", creation(bare))["subnets"],
            json::parse(R"([{"subnet":"10.7.5.0/24"}])"));
}

// Answers of netavark 2.0 to the same.
TEST_F(FrontTest, CompletesANewNetworkOnAParent) {
  json bare{{"name", "lan"},
            {"id", id},
            {"driver", "macvlan"},
            {"network_interface", "uplink"},
            {"created", "0001-01-01T00:00:00Z"},
            {"internal", false},
            {"dns_enabled", true},
            {"ipv6_enabled", false},
            {"subnets", {{{"subnet", "192.0.2.0/24"}}}}};
  const json used{{"interfaces", {"uplink"}}, {"subnets", {"192.0.2.0/24"}}};
  const json made = answer("create", creation(bare, used));
  EXPECT_EQ(made["subnets"], json::parse(R"([{"subnet":"192.0.2.0/24","gateway":"192.0.2.1"}])"))
      << "the host is on it too";
  EXPECT_EQ(made["dns_enabled"], false);
  EXPECT_THAT(made["created"].get<std::string>(), ::testing::MatchesRegex("20..-..-..T..:..:..Z"));
  bare.erase("subnets");
  EXPECT_EQ(answer("create", creation(bare, used))["ipam_options"]["driver"], "dhcp");
  bare["options"] = {{"mtu", "1400"}, {"com.docker.network.container_iface_prefix", "lan"}};
  EXPECT_EQ(answer("create", creation(bare))["options"], bare["options"]);
}

TEST_F(FrontTest, PutsANetworkWithoutAParentOnTheDefaultRoutesInterface) {
  shell("ip route add default via 192.0.2.2 dev uplink metric 7");
  json one = container(json::object(), {{"driver", "macvlan"},
                                        {"network_interface", ""},
                                        {"dns_enabled", false},
                                        {"subnets", {{{"subnet", "192.0.2.0/24"}}}}});
  one["networks"]["shop"]["static_ips"] = {"192.0.2.50"};
  answer(setup, one);
  EXPECT_EQ(api("/networks/shop")["Options"]["parent"], "uplink");
  EXPECT_EQ(call(teardown, one).output, "");
  shell("ip route del default");
  expect_error(setup, one, "failed to get default route interface");
}

// podman's `network disconnect` removes every nameserver line with an address of that network.
TEST_F(FrontTest, TellsOfItsDnsServerOnceAContainer) {
  const auto on = [](const std::string& name, const std::string& subnet) {
    json one = container();
    const std::string interface = "to-" + name;
    one["networks"] = {{name, {{"interface_name", interface}}}};
    one["network_info"] = {{name, network(name, {{"subnets", {{{"subnet", subnet}}}}})}};
    return one;
  };
  const json shop = on("shop", "10.5.0.0/24"), backend = on("backend", "10.6.0.0/24");
  const auto told = [](const json& status, const std::string& name) {
    return !status.at(name).at("dns_server_ips").empty();
  };
  EXPECT_TRUE(told(answer(setup, shop), "shop"));
  EXPECT_FALSE(told(answer(setup, backend), "backend"));
  EXPECT_EQ(call(teardown, backend).status, 0);
  EXPECT_FALSE(told(answer(setup, backend), "backend"));
  EXPECT_EQ(call(teardown, shop).status, 0);
  EXPECT_TRUE(told(answer(setup, shop), "shop")) << "nobody else is its keeper";
  shell("umount /run/netns/c1");  // it died, and starts again
  EXPECT_TRUE(told(answer("setup /run/netns/c2", shop), "shop"));
}

TEST_F(FrontTest, SaysWhatMayHaveThePort) {
  const json one = container({{"port_mappings",
                               {{{"container_port", 80},
                                 {"host_port", 8080},
                                 {"host_ip", ""},
                                 {"protocol", "tcp"},
                                 {"range", 1}}}}});
  const e2e::WebServer other("", 8080, "page");
  expect_error(setup, one, "enable_port_reservation = false");
}

TEST_F(FrontTest, RefusesANewNetworkThatCanNotBe) {
  const json good = network("shop");
  expect_error("create", creation(network("a b")), "network name a b invalid");
  expect_error("create", creation(network("shop", {{"id", "12"}})), "network id 12 invalid");
  expect_error("create", creation(good, {{"subnets", {"10.5.0.128/25"}}}),
               "subnet 10.5.0.0/24 is already used");
  expect_error("create", creation(good, {{"interfaces", {"br-shop"}}}),
               "bridge name br-shop already in use");
  expect_error("create", creation(network("shop", {{"options", {{"bogus", "5"}}}})),
               "unsupported bridge network option: bogus");
  expect_error("create", creation(network("shop", {{"options", {{"mtu", "abc"}}}})),
               "unable to parse \"mtu\"");
  expect_error("create", creation(network("shop", {{"options", {{"vlan", "4095"}}}})),
               "between 0 and 4094");
  expect_error("create",
               creation(network(
                   "shop", {{"subnets", {{{"subnet", "10.5.0.0/24"}, {"gateway", "10.6.0.1"}}}}})),
               "gateway 10.6.0.1 not in subnet 10.5.0.0/24");
  expect_error("create", creation(good, {{"names", {{"shop", "x"}}}}),
               "network already exists shop");
  expect_error("create",
               creation(network("shop", {{"driver", "ipvlan"}, {"subnets", json::array()}})),
               "ipam driver dhcp is not supported with ipvlan");
  expect_error("create", creation(network("shop", {{"subnets", {{{"subnet", "10.5.0.0"}}}}})),
               "invalid subnet 10.5.0.0");
  for (
      const auto& [subnets, why] : std::map<std::string, std::string>{
          {R"([{"subnet":"10.1.0.0/24"},{"subnet":"10.1.0.0/25"}])",
           "subnets 10.1.0.0/24 and 10.1.0.0/25 overlap"},
          {R"([{"subnet":"10.1.0.0/24","gateway":"10.2.0.1"}])",
           "gateway 10.2.0.1 not in subnet 10.1.0.0/24"},
          {R"([{"subnet":"10.1.0.0/24","gateway":"nonsense"}])", "invalid IP address nonsense"},
          {R"([{"subnet":"10.1.0.0/24","lease_range":{"start_ip":"10.1.0.9","end_ip":"10.9.0.9"}}])",
           "lease range end_ip 10.9.0.9 not in subnet 10.1.0.0/24"}}) {
    const json shop = network("shop", {{"subnets", json::parse(subnets)}});
    expect_error("create", creation(shop), why);
    expect_error("create", shop, why);
  }
  expect_error(
      "create",
      creation(network("shop", {{"subnets", json::array()}}), {{"subnets", {"10.0.0.0/8"}}}),
      "failed to find free subnet");
  expect_error(
      "create",
      creation(network("shop", {{"dns_enabled", false}, {"network_dns_servers", {"9.9.9.9"}}})),
      "cannot set NetworkDNSServers if DNS is not enabled");
}

}  // namespace
}  // namespace podman
