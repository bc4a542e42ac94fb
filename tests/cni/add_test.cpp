// What ADD does with what it is told.
#include <gmock/gmock.h>

#include <thread>

#include "tests/cni/machine.h"

namespace cni {
namespace {

using e2e::fetch;
using e2e::WebServer;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class AddTest : public CniTest {};

json with_runtime(const json& runtime) {
  return {{"ipam", {{"subnet", "10.5.0.0/24"}}}, {"runtimeConfig", runtime}};
}

TEST_F(AddTest, MakesTheNetworkOnItsFirstUse) {
  add("c1",
      conf(
          {{"network", "shop"},
           {"driver", "bridge"},
           {"ipam",
            {{"config",
              {{{"subnet", "10.7.0.0/16"}, {"ipRange", "10.7.5.0/24"}, {"gateway", "10.7.0.9"}}}}}},
           {"options", {{"com.docker.network.bridge.name", "br-shop"}}}}));
  const json network = api("/networks/shop");
  EXPECT_EQ(network["Driver"], "bridge");
  EXPECT_EQ(
      network["IPAM"]["Config"],
      json::parse(R"([{"Subnet":"10.7.0.0/16","IPRange":"10.7.5.0/24","Gateway":"10.7.0.9"}])"));
  EXPECT_EQ(network["Labels"]["io.netd.cni"], "podnet");
  EXPECT_EQ(api("/sandboxes/c1")["Networks"]["shop"]["IPAddress"], "10.7.5.0");
  EXPECT_THAT(shell("ip -o link show br-shop"), HasSubstr("UP"));
  expect_agreement();
}

TEST_F(AddTest, TakesAConfigurationThatPodmanWroteForBridge) {
  const json result = add("c1", conf({{"ipam", json::parse(R"({"type":"host-local",
      "routes":[{"dst":"0.0.0.0/0"},{"dst":"10.9.0.0/16","gw":"10.5.0.9"}],
      "ranges":[[{"subnet":"10.5.0.0/24","gateway":"10.5.0.1"}]]})")}}));
  EXPECT_EQ(result["routes"],
            json::parse(
                R"([{"dst":"0.0.0.0/0","gw":"10.5.0.1"},{"dst":"10.9.0.0/16","gw":"10.5.0.9"}])"));
}

TEST_F(AddTest, UsesANetworkThatIsThere) {
  shell("netctl network create --subnet 10.8.0.0/24 shop");
  const json result = add("c1", conf({{"network", "shop"}}));
  EXPECT_EQ(address_in(result), "10.8.0.2");
}

TEST_F(AddTest, PublishesPorts) {
  add("c1", conf(with_runtime({{"portMappings",
                                {{{"hostPort", 8080}, {"containerPort", 80}, {"protocol", "TCP"}},
                                 {{"hostPort", 5353},
                                  {"containerPort", 53},
                                  {"protocol", "udp"},
                                  {"hostIP", "192.0.2.1"}}}}})));
  const WebServer web(netns("c1"), 80, "page");
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page");
  EXPECT_EQ(shell(fetch("http://127.0.0.1:8080/")), "page");
  EXPECT_EQ(api("/sandboxes/c1")["Ports"]["53/udp"],
            json::parse(R"([{"HostIp":"192.0.2.1","HostPort":"5353"}])"));
}

// go-cni's structs have no JSON names of their own, so Go writes the fields' names.
TEST_F(AddTest, ReadsWhatContainerdWrites) {
  add("c1", conf(json::parse(R"({"runtimeConfig":{
        "dns":{"Servers":["192.0.2.2"],"Searches":["shop.test"],"Options":null},
        "portMappings":[{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":""}]}})")));
  EXPECT_EQ(api("/sandboxes/c1")["Ports"]["80/tcp"][0]["HostPort"], "8080");
  EXPECT_EQ(api("/sandboxes/c1")["Dns"], json::parse(R"(["192.0.2.2"])"));
  EXPECT_EQ(api("/sandboxes/c1")["DnsSearch"], json::parse(R"(["shop.test"])"));
}

TEST_F(AddTest, AsksTheHostsServersForAPodThatAsksNetd) {
  add("c1", conf(with_runtime({{"dns", {{"servers", {"127.0.0.11"}}}}})));
  EXPECT_THAT(shell("netctl sandbox exec c1 -- busybox nslookup example.test 127.0.0.11"),
              HasSubstr("198.51.100.7"));
}

TEST_F(AddTest, TakesAddressesAndMacFromWhereverTheyAreSaid) {
  EXPECT_EQ(
      address_in(
          add("c1", conf(with_runtime({{"ips", {"10.5.0.9/24"}}, {"mac", "02:00:00:00:00:09"}})))),
      "10.5.0.9");
  EXPECT_THAT(inside("c1", "ip link show eth0"), HasSubstr("02:00:00:00:00:09"));

  json arguments =
      conf({{"args", {{"cni", {{"ips", {"10.5.0.10"}}, {"mac", "02:00:00:00:00:10"}}}}}});
  EXPECT_EQ(address_in(add("c2", arguments)), "10.5.0.10");
  EXPECT_THAT(inside("c2", "ip link show eth0"), HasSubstr("02:00:00:00:00:10"));

  Environment environment = environment_of("ADD", "c3");
  environment["CNI_ARGS"] = "IgnoreUnknown=1;COLOUR=red;IP=10.5.0.11;MAC=02:00:00:00:00:11";
  EXPECT_EQ(address_in(call(environment, conf().dump()).output), "10.5.0.11");
  EXPECT_THAT(inside("c3", "ip link show eth0"), HasSubstr("02:00:00:00:00:11"));
}

TEST_F(AddTest, NamesContainersByAliasAndPodName) {
  Environment environment = environment_of("ADD", "c1");
  environment["CNI_ARGS"] = "K8S_POD_NAME=web";
  call(environment, conf(with_runtime({{"aliases", {"www"}}})).dump());
  // As podman sends them.
  add("c2", conf(with_runtime({{"aliases", {{"podnet", {"db"}}, {"other", {"no"}}}}})));
  EXPECT_EQ(in("c2", "busybox nslookup web 127.0.0.11 | grep -c 10.5.0.2"), "1\n");
  EXPECT_EQ(in("c2", "busybox nslookup www 127.0.0.11 | grep -c 10.5.0.2"), "1\n");
  EXPECT_EQ(in("web", "busybox nslookup db 127.0.0.11 | grep -c 10.5.0.3"), "1\n");
  EXPECT_NE(attempt_in("web", "busybox nslookup no 127.0.0.11").status, 0);
  EXPECT_EQ(shell("netctl sandbox ls --format json | jq -r '.[].Name' | sort"), "c2\nweb\n");
}

TEST_F(AddTest, GivesPodsOfOneNameNamesOfTheirOwn) {
  for (const char* container : {"c1", "c2"}) {
    Environment environment = environment_of("ADD", container);
    environment["CNI_ARGS"] = "K8S_POD_NAME=web";
    EXPECT_EQ(call(environment, conf().dump()).status, 0);
  }
  EXPECT_EQ(shell("netctl sandbox ls --format json | jq -r '.[].Name' | sort"), "c2\nweb\n");
}

TEST_F(AddTest, SetsDnsOfTheRuntimeBeforeTheConfigurations) {
  const json result = add(
      "c1",
      conf({{"dns", {{"nameservers", {"192.0.2.2"}}, {"domain", "lan"}, {"search", {"b.lan"}}}},
            {"runtimeConfig", {{"dns", {{"searches", {"pods.lan"}}, {"options", {"ndots:5"}}}}}}}));
  EXPECT_EQ(
      result["dns"],
      json::parse(R"({"nameservers":["127.0.0.11"],"search":["pods.lan"],"options":["ndots:5"]})"));
  EXPECT_EQ(api("/sandboxes/c1")["Dns"], json::parse(R"(["192.0.2.2"])"));
  EXPECT_THAT(in("c1", "busybox nslookup example.test 127.0.0.11"), HasSubstr("198.51.100.7"));
}

TEST_F(AddTest, KnowsPodsByNameOnNetworksThatHaveNames) {
  Environment environment = environment_of("ADD", "c1");
  environment["CNI_ARGS"] = "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web";
  EXPECT_EQ(call(environment, conf(with_runtime(json::object())).dump()).status, 0);
  add("c2", conf());
  EXPECT_EQ(in("c2", "busybox nslookup web 127.0.0.11 | grep -c 10.5.0.2"), "1\n");
  // Docker's default network has none, by whatever it is called.
  const std::string bridge = api("/networks/bridge")["Id"].get<std::string>();
  const Answer answer = call(environment_of("ADD", "c3"), conf({{"network", bridge}}).dump());
  EXPECT_EQ(answer.status, 0) << answer.text;
  environment["CNI_CONTAINERID"] = "c4";
  environment["CNI_NETNS"] = environment_of("ADD", "c4")["CNI_NETNS"];
  EXPECT_EQ(call(environment, conf({{"network", bridge}}).dump()).status, 0);
}

TEST_F(AddTest, UsesIpRangesToMakeANetworkAndRefusesThemWhereOneIs) {
  const auto ranges = [](const char* subnet) {
    return conf({{"runtimeConfig", {{"ipRanges", {{{{"subnet", subnet}}}}}}}});
  };
  EXPECT_EQ(address_in(add("c1", ranges("10.9.0.0/24"))), "10.9.0.2");
  EXPECT_EQ(address_in(add("c2", ranges("10.9.0.0/24"))), "10.9.0.3");
  const Answer answer = run("ADD", "c3", ranges("10.10.0.0/24"));
  EXPECT_EQ(answer.code(), 2);
  EXPECT_THAT(answer.message(), HasSubstr("10.10.0.0/24 is no subnet of the network podnet"));
}

TEST_F(AddTest, ConnectsOneContainerToSeveralNetworks) {
  add("c1", conf(with_runtime({{"portMappings", {{{"hostPort", 8080}, {"containerPort", 80}}}}})));
  const json second = conf({{"name", "backend"},
                            {"ipam", {{"subnet", "10.6.0.0/24"}}},
                            {"runtimeConfig",
                             {{"portMappings",
                               {{{"hostPort", 8080}, {"containerPort", 80}},
                                {{"hostPort", 8081}, {"containerPort", 81}}}}}}});
  const json result = add("c1", second, "net1");
  EXPECT_EQ(address_in(result), "10.6.0.2");
  EXPECT_EQ(result["routes"], json::array()) << "the first one has the default route";
  EXPECT_EQ(api("/sandboxes").size(), 1u);
  EXPECT_THAT(inside("c1", "ip -o -4 address show; ip route"), HasSubstr("10.6.0.0/24 dev net1"));
  EXPECT_TRUE(api("/sandboxes/c1")["Ports"].contains("81/tcp"));
  EXPECT_EQ(api("/sandboxes/c1")["Ports"]["80/tcp"].size(),
            api("/sandboxes/c1")["Ports"]["81/tcp"].size());
  expect_agreement();
}

TEST_F(AddTest, JoinsANamespaceThatIsASandboxAlready) {
  environment_of("ADD", "c1");
  shell(
      "netctl network create shop; netctl sandbox create --network shop --netns /run/netns/c1 "
      "mine");
  add("c1", conf(), "net1");
  EXPECT_EQ(api("/sandboxes").size(), 1u);
  EXPECT_EQ(
      run("CHECK", "c1",
          conf({{"prevResult", {{"interfaces", {{{"name", "net1"}, {"sandbox", netns("c1")}}}}}}}),
          "net1")
          .status,
      0);
  EXPECT_EQ(run("DEL", "c1", conf(), "net1").status, 0);
  const json sandbox = api("/sandboxes/mine");
  EXPECT_EQ(sandbox["Networks"].size(), 1u);
  EXPECT_TRUE(sandbox["Networks"].contains("shop"));
}

TEST_F(AddTest, LeavesPortsThatOthersPublishedToThem) {
  environment_of("ADD", "c1");
  shell(
      "netctl network create shop; netctl sandbox create --network shop --netns /run/netns/c1 "
      "-p 8080:80 mine");
  const json before = api("/sandboxes/mine")["Ports"];
  const json twice = conf(with_runtime({{"portMappings",
                                         {{{"hostPort", 8080}, {"containerPort", 80}},
                                          {{"hostPort", 8081}, {"containerPort", 80}}}}}));
  add("c1", twice, "net1");
  EXPECT_EQ(api("/sandboxes/mine")["Ports"]["80/tcp"].size(), 2 * before["80/tcp"].size());
  EXPECT_EQ(run("DEL", "c1", twice, "net1").status, 0);
  EXPECT_EQ(api("/sandboxes/mine")["Ports"], before);
  expect_agreement();
}

TEST_F(AddTest, LeavesPortsToOthersThatWaitForANetwork) {
  environment_of("ADD", "c1");
  shell("netctl sandbox create --netns /run/netns/c1 -p 8080:80 mine");
  const json same =
      conf(with_runtime({{"portMappings", {{{"hostPort", 8080}, {"containerPort", 80}}}}}));
  add("c1", same, "net1");
  EXPECT_TRUE(api("/sandboxes/mine")["Ports"].contains("80/tcp"));
  EXPECT_EQ(run("DEL", "c1", same, "net1").status, 0);
  EXPECT_TRUE(api("/sandboxes/mine")["PortBindings"].contains("80/tcp"));
}

TEST_F(AddTest, PublishesOnePortAtTwoAddresses) {
  const auto at = [](const char* network, const char* address) {
    return conf(
        {{"name", network},
         {"runtimeConfig",
          {{"portMappings", {{{"hostPort", 8080}, {"containerPort", 80}, {"hostIP", address}}}}}}});
  };
  const json first = at("podnet", "127.0.0.1"), second = at("backend", "127.0.0.2");
  add("c1", first);
  json checked = second;
  checked["prevResult"] = add("c1", second, "net1");
  EXPECT_EQ(api("/sandboxes/c1")["Ports"]["80/tcp"],
            json::parse(R"([{"HostIp":"127.0.0.1","HostPort":"8080"},
                            {"HostIp":"127.0.0.2","HostPort":"8080"}])"));
  EXPECT_EQ(run("CHECK", "c1", checked, "net1").status, 0);
  shell("netctl sandbox ports c1 --rm 127.0.0.2:8080:80");
  EXPECT_EQ(run("CHECK", "c1", checked, "net1").code(), 101);
  shell("netctl sandbox ports c1 --add 127.0.0.2:8080:80");
  EXPECT_EQ(run("DEL", "c1", first).status, 0);
  EXPECT_EQ(api("/sandboxes/c1")["Ports"]["80/tcp"],
            json::parse(R"([{"HostIp":"127.0.0.2","HostPort":"8080"}])"));
}

TEST_F(AddTest, RefusesNetworksWithoutInterfaces) {
  for (const char* network : {"host", "none"}) {
    const Answer answer = run("ADD", "c1", conf({{"network", network}}));
    EXPECT_EQ(answer.code(), 7) << answer.text;
    EXPECT_THAT(answer.message(), HasSubstr("has no interfaces for containers"));
    EXPECT_EQ(api("/sandboxes"), json::array());
  }
}

TEST_F(AddTest, LeavesNothingBehindWhenItsResultIsNotHeard) {
  environment_of("ADD", "c1");
  shell("mkfifo /run/pipe; cat >/run/conf <<'END'\n" + conf().dump() + "\nEND");
  for (const std::string output : {">/dev/full", ">&3"}) {
    SCOPED_TRACE(output);
    EXPECT_EQ(attempt("true </run/pipe & exec 3>/run/pipe; wait; CNI_COMMAND=ADD CNI_PATH=/ "
                      "CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/c1 CNI_IFNAME=eth0 "
                      "netd-cni </run/conf " +
                      output)
                  .status,
              1);
    EXPECT_EQ(api("/sandboxes"), json::array());
    EXPECT_NE(attempt("netctl network inspect podnet").status, 0);
  }
}

TEST_F(AddTest, FailsWhenTheInterfaceIsThere) {
  add("c1", conf());
  const Answer twice = run("ADD", "c1", conf());
  EXPECT_EQ(twice.code(), 100) << twice.text;
  EXPECT_EQ(twice.message(), "netd: the container has an interface eth0 already");
  EXPECT_EQ(api("/sandboxes/c1")["Networks"].size(), 1u);

  environment_of("ADD", "c2");
  shell("ip -n c2 link add eth0 type veth");
  const Answer foreign = run("ADD", "c2", conf());
  EXPECT_EQ(foreign.code(), 100) << foreign.text;
  EXPECT_THAT(foreign.message(), HasSubstr("interface name 'eth0' is already in use"));
  EXPECT_EQ(api("/sandboxes").size(), 1u);
}

TEST_F(AddTest, LeavesNothingBehindWhenItFails) {
  shell("netctl sandbox create --network bridge -p 8080:80 taken");
  const Answer port =
      run("ADD", "c1",
          conf(with_runtime({{"portMappings", {{{"hostPort", 8080}, {"containerPort", 80}}}}})));
  EXPECT_EQ(port.status, 1);
  EXPECT_THAT(port.message(), HasSubstr("port is already allocated"));
  const Answer address = run("ADD", "c1", conf(with_runtime({{"ips", {"192.168.9.9"}}})));
  EXPECT_EQ(address.code(), 7);
  EXPECT_THAT(address.message(), HasSubstr("no configured subnet contains IP address 192.168.9.9"));
  EXPECT_EQ(api("/sandboxes").size(), 1u);
  EXPECT_EQ(inside("c1", "ls /proc/self/ns >/dev/null; ip -o link | wc -l"), "1\n");
  EXPECT_NE(attempt("netctl network inspect podnet").status, 0) << "made for this container";

  // A second interface whose ports are taken: the first one stays.
  add("c1", conf(with_runtime(json::object())));
  const Answer second = run(
      "ADD", "c1",
      conf({{"name", "backend"},
            {"runtimeConfig", {{"portMappings", {{{"hostPort", 8080}, {"containerPort", 80}}}}}}}),
      "net1");
  EXPECT_EQ(second.status, 1);
  EXPECT_EQ(api("/sandboxes/c1")["Networks"].size(), 1u);
  expect_agreement();
}

TEST_F(AddTest, WorksForSixteenContainersAtOnce) {
  std::string script;
  for (int i = 1; i <= 16; ++i) {
    const std::string name = "c" + std::to_string(i);
    const Environment environment = environment_of("ADD", name);
    std::string command = "env";
    for (const auto& [key, value] : environment)
      command += " " + key + "=" + value;
    script += command + " netd-cni </run/conf >/run/" + name + ".out & ";
  }
  shell("cat >/run/conf <<'END'\n" + conf(with_runtime(json::object())).dump() + "\nEND\n" +
        script + "wait");
  EXPECT_EQ(shell("cat /run/c*.out | jq -r '.ips[0].address' | sort -u | wc -l"), "16\n")
      << shell("cat /run/c*.out");
  EXPECT_EQ(api("/sandboxes").size(), 16u);
  expect_agreement();
}

TEST_F(AddTest, OfOneContainersInterfacesWorksAtOnce) {
  environment_of("ADD", "c1");
  std::string script;
  for (int i = 0; i < 6; ++i) {
    const std::string name = "net" + std::to_string(i);
    shell("cat >/run/" + name + " <<'END'\n" + conf({{"name", name}}).dump() + "\nEND");
    script +=
        "env CNI_COMMAND=ADD CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/c1 CNI_PATH=/ CNI_IFNAME=" +
        name + " netd-cni </run/" + name + " >/run/" + name + ".out & ";
  }
  shell(script + "wait");
  EXPECT_EQ(api("/sandboxes/c1")["Networks"].size(), 6u) << shell("cat /run/net*.out");
  std::string removal = script;
  for (std::size_t at = 0; (at = removal.find("=ADD", at)) != std::string::npos;)
    removal.replace(at, 4, "=DEL");
  shell(removal + "wait");
  EXPECT_EQ(api("/sandboxes"), json::array()) << shell("cat /run/net*.out");
}

}  // namespace
}  // namespace cni
