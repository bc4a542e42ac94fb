#include "runtime-hooks/oci/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "runtime-hooks/sandbox_id.h"

namespace runtime_hooks::oci {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

Container container(std::map<std::string, std::string> annotations, const std::string& id = "c1") {
  Container result;
  result.id = id;
  result.pid = 42;
  result.annotations = std::move(annotations);
  return result;
}

json request(std::map<std::string, std::string> annotations, const std::string& id = "c1") {
  return create_request(container(std::move(annotations), id), {.pid = 42});
}

std::string problem(std::map<std::string, std::string> annotations) {
  try {
    request(std::move(annotations));
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "none";
}

TEST(CreateRequest, JoinsTheDefaultNetworkWithoutAnnotations) {
  json expected = json::parse(R"({"Name":"c1","Pid":42,"Networks":[{"Network":"bridge"}],
    "PortBindings":{},"Labels":{"io.netd.container":"c1"}})");
  expected["Id"] = sandbox_id("oci", "c1");
  EXPECT_EQ(request({}), expected);
}

TEST(CreateRequest, SaysWhatTheAnnotationsSay) {
  const json body = request({{"io.netd.networks", "frontend:ip=10.1.0.5,alias=web; backend"},
                             {"io.netd.publish", "8080:80/tcp, 53:53/udp"},
                             {"io.netd.dns", "9.9.9.9,149.112.112.112"},
                             {"io.netd.dns-search", "example.test"},
                             {"io.netd.dns-option", "ndots:2"},
                             {"io.netd.add-host", "db:10.1.0.9,gw:host-gateway"},
                             {"org.other", "ignored"}});
  EXPECT_EQ(body["Networks"], json::parse(R"([
    {"Network":"frontend","IPAMConfig":{"IPv4Address":"10.1.0.5"},"Aliases":["web"]},
    {"Network":"backend"}])"));
  EXPECT_EQ(body["PortBindings"], json::parse(R"({"80/tcp":[{"HostIp":"","HostPort":"8080"}],
    "53/udp":[{"HostIp":"","HostPort":"53"}]})"));
  EXPECT_EQ(body["Dns"], json::parse(R"(["9.9.9.9","149.112.112.112"])"));
  EXPECT_EQ(body["DnsSearch"], json::parse(R"(["example.test"])"));
  EXPECT_EQ(body["DnsOptions"], json::parse(R"(["ndots:2"])"));
  EXPECT_EQ(body["ExtraHosts"], json::parse(R"(["db:10.1.0.9","gw:host-gateway"])"));
}

TEST(CreateRequest, OfANamedContainerIsFoundByItsIdToo) {
  const json body = request({{"io.netd.name", "db"}, {"io.netd.networks", "shop;bridge"}});
  EXPECT_EQ(body["Name"], "db");
  EXPECT_EQ(body["Networks"],
            json::parse(R"([{"Network":"shop","Aliases":["c1"]},{"Network":"bridge"}])"))
      << "the network bridge has no aliases";
}

TEST(CreateRequest, GivesNoAliasToNetworksThatMayBeBridge) {
  const std::string id = "0123456789ab";
  const json body = request({{"io.netd.name", "db"}, {"io.netd.networks", id + ";cafe"}});
  EXPECT_EQ(body["Networks"], json::parse(R"([{"Network":"0123456789ab"},
    {"Network":"cafe","Aliases":["c1"]}])"));
}

TEST(CreateRequest, GivesNoAliasThatNoNameCanBe) {
  const auto aliases = [](const std::string& id) {
    return request({{"io.netd.name", "db"}, {"io.netd.networks", "shop"}}, id)["Networks"][0].value(
        "Aliases", json());
  };
  EXPECT_EQ(aliases("a_b-1"), json::array({"a_b-1"}));
  EXPECT_EQ(aliases("a+b"), json());
  EXPECT_EQ(aliases("web.1"), json());
  EXPECT_EQ(aliases(std::string(64, 'x')), json());
}

TEST(CreateRequest, OfAnEnginesContainerHasItsId) {
  const std::string id(64, 'b');
  const json body = request({{"io.netd.name", "db"}, {"io.netd.networks", "shop"}}, id);
  EXPECT_EQ(body["Id"], id);
  EXPECT_FALSE(body["Networks"][0].contains("Aliases")) << "its first digits are a name already";
  EXPECT_EQ(request({}, id)["Name"], "bbbbbbbbbbbb");
}

TEST(CreateRequest, HasTheContainersHostname) {
  Container named = container({});
  named.hostname = "www";
  named.domainname = "example.test";
  const json body = create_request(named, {.path = "/run/netns/x"});
  EXPECT_EQ(body["Hostname"], "www");
  EXPECT_EQ(body["Domainname"], "example.test");
  EXPECT_EQ(body["NetnsPath"], "/run/netns/x");
  EXPECT_FALSE(body.contains("Pid"));
}

TEST(CreateRequest, NamesTheAnnotationThatIsWrong) {
  EXPECT_THAT(problem({{"io.netd.network", "shop"}}),
              StartsWith("unknown annotation io.netd.network; known are io.netd.networks, "));
  EXPECT_EQ(problem({{"io.netd.networks", "shop:adress=1"}}),
            "io.netd.networks shop:adress=1: unknown key 'adress'; known are ip, ip6, alias, mac, "
            "ifname, gw-priority, opt");
  EXPECT_THAT(problem({{"io.netd.publish", "80:http"}}), StartsWith("io.netd.publish: "));
}

TEST(WantedFiles, AreAllUnlessSomeAreNamed) {
  EXPECT_THAT(wanted_files(container({})), ElementsAre("resolv.conf", "hosts", "hostname"));
  EXPECT_THAT(wanted_files(container({{"io.netd.files", "hosts"}})), ElementsAre("hosts"));
  EXPECT_THAT(wanted_files(container({{"io.netd.files", "none"}})), IsEmpty());
  EXPECT_THROW(wanted_files(container({{"io.netd.files", "passwd"}})), std::runtime_error);
}

TEST(AsksForNetworks, ThatAreNotTheHostsOwn) {
  EXPECT_FALSE(asks_for_networks(container({})));
  EXPECT_FALSE(asks_for_networks(container({{"io.netd.networks", "host"}})));
  EXPECT_FALSE(asks_for_networks(container({{"io.netd.networks", "none"}})));
  EXPECT_TRUE(asks_for_networks(container({{"io.netd.networks", "shop"}})));
  EXPECT_TRUE(asks_for_networks(container({{"io.netd.publish", "80:80"}})));
}

}  // namespace
}  // namespace runtime_hooks::oci
