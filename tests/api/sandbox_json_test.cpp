#include "netd/api/sandbox_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace netd::api {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

SandboxSpec sandbox_spec(const std::string& text) {
  const json body = json::parse(text);
  return read_sandbox_spec({body, ""});
}

/// Sandbox web on networks bridge and shop.
struct Web {
  Web() {
    bridge.network.name = "bridge";
    shop.network.name = "shop";
    bridge_endpoint.endpoint.sandbox_link = "eth0";
    bridge_endpoint.endpoint.ipv4 = ipam::Prefix::parse("172.17.0.2/16");
    shop_endpoint.endpoint.sandbox_link = "eth1";
    record.sandbox.id = "0123456789abcdef";
    record.sandbox.netns = "/run/netd/netns/0123456789abcdef";
    record.spec.name = "web";
    record.created_nano = 1'000'000'000;
    record.progress.state = State::joined;
    record.ports = {{sandbox::Protocol::tcp, 80, *ipam::Address::parse("0.0.0.0"), 8080}};
    picture.sandbox = &record;
    picture.attachments = {{&bridge_endpoint, &bridge}, {&shop_endpoint, &shop}};
    picture.hosts_path = "/run/netd/sandboxes/x/hosts";
  }

  NetworkRecord bridge;
  NetworkRecord shop;
  EndpointRecord bridge_endpoint;
  EndpointRecord shop_endpoint;
  SandboxRecord record;
  SandboxPicture picture;
};

TEST(ReadSandboxSpec, TakesAllFields) {
  const SandboxSpec spec = sandbox_spec(R"({
    "Name":"web","Id":"ab","Hostname":"www","Domainname":"example.org","Pid":42,
    "Networks":[{"Network":"shop","Aliases":["w"],"IPAMConfig":{"IPv4Address":"10.5.0.9"}},
                {"Network":"back"}],
    "PortBindings":{"80/tcp":[{"HostPort":"8080"}]},"Dns":["9.9.9.9"],"DnsSearch":["x"],
    "DnsOptions":["ndots:2"],"ExtraHosts":["db:10.0.0.1"],"Labels":{"a":"b"}})");
  EXPECT_EQ(spec.name, "web");
  EXPECT_EQ(spec.id, "ab");
  EXPECT_EQ(spec.hostname, "www");
  EXPECT_EQ(spec.domainname, "example.org");
  EXPECT_EQ(spec.pid, 42);
  ASSERT_EQ(spec.networks.size(), 2u);
  EXPECT_EQ(spec.networks[0].network, "shop");
  EXPECT_THAT(spec.networks[0].endpoint.aliases, ElementsAre("w"));
  EXPECT_EQ(spec.networks[1].network, "back");
  EXPECT_EQ(spec.ports.size(), 1u);
  EXPECT_THAT(spec.dns, ElementsAre(*ipam::Address::parse("9.9.9.9")));
  EXPECT_THAT(spec.dns_search, ElementsAre("x"));
  EXPECT_THAT(spec.dns_options, ElementsAre("ndots:2"));
  EXPECT_THAT(spec.extra_hosts, ElementsAre("db:10.0.0.1"));
  EXPECT_EQ(spec.labels.at("a"), "b");
}

TEST(ReadSandboxSpec, TreatsPidZeroAsAbsent) {
  EXPECT_FALSE(sandbox_spec(R"({"Pid":0})").pid);
}

TEST(ReadSandboxSpec, RefusesAnAttachmentWithoutNetwork) {
  EXPECT_THROW(sandbox_spec(R"({"Networks":[{"Aliases":["a"]}]})"), std::invalid_argument);
  EXPECT_THROW(sandbox_spec(R"({"Networks":["shop"]})"), std::invalid_argument);
  EXPECT_THROW(sandbox_spec(R"({"Dns":["nine"]})"), std::invalid_argument);
}

TEST(SandboxJson, ShowsPathsNetworksAndPorts) {
  const Web web;
  const json shown = sandbox_json(web.picture);
  EXPECT_EQ(shown["Id"], "0123456789abcdef");
  EXPECT_EQ(shown["State"], "running");
  EXPECT_EQ(shown["Hostname"], "0123456789ab");
  EXPECT_EQ(shown["NetnsPath"], "/run/netd/netns/0123456789abcdef");
  EXPECT_EQ(shown["HostsPath"], "/run/netd/sandboxes/x/hosts");
  EXPECT_EQ(shown["Networks"]["shop"]["Interface"], "eth1");
  EXPECT_EQ(shown["Networks"]["bridge"]["IPAddress"], "172.17.0.2");
  EXPECT_EQ(shown["Ports"], json::parse(R"({"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}]})"));
}

TEST(ContainerSummaryJson, ShowsWhatDockerPsPrints) {
  const Web web;
  const json shown = container_summary_json(web.picture, 181'000'000'000);
  EXPECT_EQ(shown["Names"], json::parse(R"(["/web"])"));
  EXPECT_EQ(shown["Image"], "netd/sandbox");
  EXPECT_EQ(shown["Status"], "Up 3 minutes");
  EXPECT_EQ(shown["State"], "running");
  EXPECT_EQ(shown["Created"], 1);
  EXPECT_EQ(shown["Ports"], json::parse(R"([
    {"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}])"));
  EXPECT_EQ(shown["HostConfig"]["NetworkMode"], "bridge");
  EXPECT_TRUE(shown["NetworkSettings"]["Networks"].contains("shop"));
}

TEST(ContainerJson, ShowsWhatDockerInspectDecodes) {
  const Web web;
  const json shown = container_json(web.picture);
  EXPECT_EQ(shown["Name"], "/web");
  EXPECT_EQ(shown["State"]["Running"], true);
  EXPECT_EQ(shown["NetworkSettings"]["SandboxKey"], "/run/netd/netns/0123456789abcdef");
  EXPECT_EQ(shown["NetworkSettings"]["IPAddress"], "172.17.0.2");
  EXPECT_EQ(shown["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"], "8080");
  EXPECT_EQ(shown["Config"]["ExposedPorts"], json::parse(R"({"80/tcp":{}})"));
}

TEST(ContainerJson, NamesTheSandboxThatASharedStackIsOf) {
  Web web;
  web.record.spec.shared_with = "db";
  EXPECT_EQ(container_json(web.picture)["HostConfig"]["NetworkMode"], "container:db");
}

}  // namespace
}  // namespace netd::api
