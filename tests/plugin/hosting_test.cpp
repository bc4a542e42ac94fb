// Plugins that do what they should: what they are asked, in which order, and what comes of it.
#include <filesystem>
#include <fstream>

#include "tests/plugin/plugin_machine.h"
#include "tests/support/certificates.h"

namespace {

using e2e::PluginMachine;
using nlohmann::json;

class Hosting : public PluginMachine {};

constexpr const char* create = "netctl network create -d weave --ipam-driver weave net";

TEST_F(Hosting, NetworkCreateAsksInDockersOrder) {
  shell(create);
  EXPECT_EQ(plugin_->methods(),
            "Plugin.Activate\n"
            "NetworkDriver.GetCapabilities\n"
            "IpamDriver.GetCapabilities\n"
            "IpamDriver.GetDefaultAddressSpaces\n"
            "IpamDriver.GetDefaultAddressSpaces\n"
            "IpamDriver.RequestPool\n"
            "IpamDriver.RequestAddress\n"
            "NetworkDriver.CreateNetwork\n");
  EXPECT_EQ(plugin_->last("IpamDriver.RequestPool"),
            json::parse(R"({"AddressSpace":"L","Pool":"","SubPool":"","Options":{},"V6":false})"));
  EXPECT_EQ(
      plugin_->last("NetworkDriver.CreateNetwork")["IPv4Data"],
      json::parse(R"([{"AddressSpace":"L","Pool":"10.77.0.0/24","Gateway":"10.77.0.1/24"}])"));
  EXPECT_EQ(api("/networks/net").at("Driver"), "weave");
  plugin_->forget_calls();
  shell("netctl network rm net");
  EXPECT_EQ(plugin_->methods(),
            "NetworkDriver.DeleteNetwork\n"
            "IpamDriver.ReleaseAddress\n"
            "IpamDriver.ReleasePool\n");
}

TEST_F(Hosting, OptionsAndSubnetsReachThePlugin) {
  shell(
      "netctl network create -d weave --ipam-driver weave --ipam-opt site=north -o colour=blue "
      "--subnet 10.88.0.0/24 --gateway 10.88.0.9 --aux-address router=10.88.0.5 --internal net");
  const json pool = plugin_->last("IpamDriver.RequestPool");
  EXPECT_EQ(pool["Pool"], "10.88.0.0/24");
  EXPECT_EQ(pool["Options"]["site"], "north");
  const json made = plugin_->last("NetworkDriver.CreateNetwork");
  EXPECT_EQ(made["Options"]["com.docker.network.generic"]["colour"], "blue");
  EXPECT_EQ(made["Options"]["com.docker.network.internal"], true);
  EXPECT_EQ(made["IPv4Data"][0]["Gateway"], "10.88.0.9/24");
  EXPECT_EQ(made["IPv4Data"][0]["AuxAddresses"]["router"], "10.88.0.5/24");
}

TEST_F(Hosting, ASandboxGetsThePluginsInterface) {
  shell(create);
  plugin_->forget_calls();
  shell("netctl sandbox create --network net -p 8080:80 web");
  EXPECT_EQ(plugin_->methods(),
            "IpamDriver.RequestAddress\n"
            "NetworkDriver.CreateEndpoint\n"
            "NetworkDriver.Join\n"
            "NetworkDriver.ProgramExternalConnectivity\n");
  EXPECT_EQ(plugin_->last("NetworkDriver.Join")["SandboxKey"], netns_of("web"));
  EXPECT_EQ(plugin_->last("NetworkDriver.Join")["Options"]["com.docker.network.portmap"][0]["Port"],
            80);
  EXPECT_EQ(address_of("web", "net"), "10.77.0.2");
  EXPECT_EQ(attachment("web", "net").at("Gateway"), "10.77.0.1");
  EXPECT_NE(attachment("web", "net").at("MacAddress"), "");
  const std::string inside = in("web", "ip -o address show eth0; ip route");
  EXPECT_NE(inside.find("10.77.0.2/24"), std::string::npos) << inside;
  EXPECT_NE(inside.find("default via 10.77.0.1 dev eth0"), std::string::npos) << inside;

  plugin_->forget_calls();
  shell("netctl sandbox rm web");
  EXPECT_EQ(plugin_->methods(),
            "NetworkDriver.RevokeExternalConnectivity\n"
            "NetworkDriver.Leave\n"
            "NetworkDriver.DeleteEndpoint\n"
            "IpamDriver.ReleaseAddress\n");
  shell("netctl network rm net");
  EXPECT_TRUE(is_clean());
}

TEST_F(Hosting, TwoSandboxesReachEachOther) {
  plugin_->answer_by("NetworkDriver.CreateNetwork", [](const json&) {
    shell(
        "ip link add plbridge type bridge; ip address add 10.77.0.1/24 dev plbridge;"
        "ip link set plbridge up");
    return json::object();
  });
  plugin_->answer_by("NetworkDriver.CreateEndpoint", [](const json& arguments) {
    const std::string id = arguments.at("EndpointID").get<std::string>().substr(0, 8);
    shell("ip link add pl" + id + " type veth peer name pc" + id + "; ip link set pl" + id +
          " master plbridge up");
    return json::object();
  });
  shell(create);
  shell("netctl sandbox create --network net a; netctl sandbox create --network net b");
  {
    const e2e::WebServer web(netns_of("a"), 80, "page of a");
    EXPECT_EQ(in("b", e2e::fetch("http://a/")), "page of a");
  }
  shell("ip link del plbridge");
}

TEST_F(Hosting, StaticRoutesPrefixAndMacAreThePlugins) {
  plugin_->answer_by("NetworkDriver.CreateEndpoint", [](const json& arguments) {
    const std::string id = arguments.at("EndpointID").get<std::string>().substr(0, 8);
    shell("ip link add pl" + id + " type veth peer name pc" + id + "; ip link set pl" + id + " up");
    return json{{"Interface", {{"MacAddress", "02:11:22:33:44:55"}}}};
  });
  plugin_->answer_by("NetworkDriver.Join", [](const json& arguments) {
    const std::string id = arguments.at("EndpointID").get<std::string>().substr(0, 8);
    return json{{"InterfaceName", {{"SrcName", "pc" + id}, {"DstPrefix", "weave"}}},
                {"StaticRoutes",
                 {{{"Destination", "10.99.0.0/16"}, {"RouteType", 0}, {"NextHop", "169.254.9.9"}},
                  {{"Destination", "169.254.9.9/32"}, {"RouteType", 1}}}},
                {"DisableGatewayService", true}};
  });
  shell(create);
  shell("netctl sandbox create --network net web");
  const std::string inside = in("web", "ip -br link show weave0; ip route");
  EXPECT_NE(inside.find("02:11:22:33:44:55"), std::string::npos) << inside;
  EXPECT_NE(inside.find("169.254.9.9 dev weave0 proto static scope link"), std::string::npos)
      << inside;
  EXPECT_NE(inside.find("10.99.0.0/16 via 169.254.9.9 dev weave0"), std::string::npos) << inside;
  EXPECT_EQ(inside.find("default"), std::string::npos) << inside;
}

TEST_F(Hosting, RemoteIpamServesTheBridgeDriver) {
  shell("netctl network create --ipam-driver weave shop");
  shell("netctl sandbox create --network shop:ip=10.77.0.50 web");
  EXPECT_EQ(address_of("web", "shop"), "10.77.0.50");
  {
    const e2e::WebServer web(netns_of("web"), 80, "page");
    EXPECT_EQ(shell(e2e::fetch("http://10.77.0.50/")), "page");
  }
  EXPECT_EQ(plugin_->methods().find("NetworkDriver.CreateNetwork"), std::string::npos);
  shell("netctl sandbox rm web");
  EXPECT_EQ(plugin_->last("IpamDriver.ReleaseAddress")["Address"], "10.77.0.50");
  shell("netctl network rm shop");
  EXPECT_EQ(plugin_->last("IpamDriver.ReleasePool")["PoolID"], "pool-1");
}

TEST_F(Hosting, OwnIpamServesARemoteDriver) {
  shell("netctl network create -d weave --subnet 10.77.0.0/24 net");
  EXPECT_EQ(plugin_->last("NetworkDriver.CreateNetwork")["IPv4Data"][0]["AddressSpace"],
            "LocalDefault");
  shell("netctl sandbox create --network net web");
  EXPECT_EQ(plugin_->last("NetworkDriver.CreateEndpoint")["Interface"]["Address"], "10.77.0.2/24");
  EXPECT_EQ(plugin_->methods().find("IpamDriver.Request"), std::string::npos);
}

TEST_F(Hosting, NullIpamLeavesAddressesToTheDriver) {
  plugin_->answer_by("NetworkDriver.CreateEndpoint", [](const json& arguments) {
    const std::string id = arguments.at("EndpointID").get<std::string>().substr(0, 8);
    shell("ip link add pl" + id + " type veth peer name pc" + id + "; ip link set pl" + id + " up");
    return json{{"Interface", {{"Address", "10.55.0.7/24"}}}};
  });
  plugin_->answer_by("NetworkDriver.Join", [](const json& arguments) {
    const std::string id = arguments.at("EndpointID").get<std::string>().substr(0, 8);
    return json{{"InterfaceName", {{"SrcName", "pc" + id}, {"DstPrefix", "eth"}}},
                {"Gateway", "10.55.0.1"}};
  });
  shell("netctl network create -d weave --ipam-driver null net");
  shell("netctl sandbox create --network net web");
  EXPECT_EQ(plugin_->last("NetworkDriver.CreateEndpoint")["Interface"]["Address"], "");
  EXPECT_EQ(address_of("web", "net"), "10.55.0.7");
  EXPECT_NE(in("web", "ip route").find("default via 10.55.0.1"), std::string::npos);
}

TEST_F(Hosting, TheGatewayMovesWithRevokeAndProgram) {
  shell(create);
  shell("netctl network create shop; netctl sandbox create --network net web");
  plugin_->forget_calls();
  shell("netctl network connect --gw-priority 9 shop web");
  EXPECT_EQ(plugin_->methods(), "NetworkDriver.RevokeExternalConnectivity\n");
  EXPECT_NE(in("web", "ip route").find("dev eth1"), std::string::npos);
  plugin_->forget_calls();
  shell("netctl network disconnect shop web");
  EXPECT_EQ(plugin_->methods(), "NetworkDriver.ProgramExternalConnectivity\n");
  EXPECT_NE(in("web", "ip route").find("default via 10.77.0.1 dev eth0"), std::string::npos);
}

TEST_F(Hosting, GwAllocCheckIsAskedOnceAndHeard) {
  plugin_->answer("NetworkDriver.GetCapabilities", {{"Scope", "local"}, {"GwAllocChecker", true}});
  plugin_->answer("NetworkDriver.GwAllocCheck", {{"SkipIPv4", true}});
  shell("netctl network create -d weave --ipam-driver weave net");
  EXPECT_EQ(plugin_->methods().find("IpamDriver.RequestAddress"), std::string::npos);
  EXPECT_FALSE(plugin_->last("NetworkDriver.CreateNetwork")["IPv4Data"][0].contains("Gateway"));
  EXPECT_TRUE(plugin_->last("NetworkDriver.GwAllocCheck")["Options"].contains(
      "com.docker.network.generic"));
}

TEST_F(Hosting, ThePluginMayLookItsNetworkUpMeanwhile) {
  json seen;
  plugin_->answer_by("NetworkDriver.CreateNetwork", [&seen](const json& arguments) {
    seen = api("/networks/" + arguments.at("NetworkID").get<std::string>());
    return json::object();
  });
  shell(create);
  EXPECT_EQ(seen.at("Name"), "net");
}

TEST_F(Hosting, SubnetsOfTheHostAreNotTaken) {
  int offers = 0;
  plugin_->answer_by("IpamDriver.RequestPool", [&offers](const json&) {
    ++offers;
    return offers == 1 ? json{{"PoolID", "bad"}, {"Pool", "192.0.2.0/24"}}
                       : json{{"PoolID", "good"}, {"Pool", "10.77.0.0/24"}};
  });
  shell(create);
  EXPECT_EQ(plugin_->last("IpamDriver.ReleasePool")["PoolID"], "bad");
  shell("netctl network rm net");
  plugin_->answer("IpamDriver.RequestPool", {{"PoolID", "bad"}, {"Pool", "192.0.2.0/24"}});
  EXPECT_NE(attempt(create).output.find("overlap"), std::string::npos);
}

TEST_F(Hosting, ADeadPluginDelaysNoStartAndNothingIsLost) {
  shell(create);
  shell("netctl sandbox create --network net web");
  plugin_.reset();
  crash_netd();
  start_netd();
  EXPECT_EQ(address_of("web", "net"), "10.77.0.2");
  EXPECT_NE(in("web", "ip route").find("default via 10.77.0.1"), std::string::npos);
  shell("netctl sandbox rm web");  // the plugin hears of it later
  start_plugin();
  restart_netd();
  EXPECT_TRUE(plugin_->was_asked("IpamDriver.ReleaseAddress"));
  EXPECT_NE(
      plugin_->methods().find("NetworkDriver.RevokeExternalConnectivity\nNetworkDriver.Leave\n"
                              "NetworkDriver.DeleteEndpoint\nIpamDriver.ReleaseAddress\n"),
      std::string::npos)
      << plugin_->methods();
}

TEST_F(Hosting, LeasesAreReplayedWhereThePluginWantsIt) {
  plugin_->answer("IpamDriver.GetCapabilities", {{"RequiresRequestReplay", true}});
  shell(create);
  shell("netctl sandbox create --network net web");
  plugin_->forget_calls();
  restart_netd();
  EXPECT_TRUE(plugin_->was_asked("IpamDriver.RequestAddress", 2));
  EXPECT_EQ(plugin_->last("IpamDriver.RequestPool")["Pool"], "10.77.0.0/24");
  EXPECT_EQ(plugin_->last("IpamDriver.RequestAddress")["Address"], "10.77.0.2");
}

TEST_F(Hosting, PurgeLeavesNothing) {
  shell(create);
  shell("netctl network create shop; netctl sandbox create --network net --network shop web");
  shell("netctl system purge --force");
  EXPECT_NE(plugin_->methods().find("NetworkDriver.DeleteNetwork"), std::string::npos);
  expect_nothing_left();
  start_netd();
}

TEST_F(Hosting, UnknownPluginsAreToldAtOnce) {
  const auto result = attempt("netctl network create -d nobody x");
  EXPECT_NE(
      result.output.find("could not find plugin nobody in v1 plugin registry: plugin not found"),
      std::string::npos);
  EXPECT_NE(attempt("netctl network create --ipam-driver nobody x")
                .output.find("could not find plugin nobody"),
            std::string::npos);
}

TEST_F(Hosting, SpecFilesLeadToPlugins) {
  const tests::ScriptedPlugin other("/run/elsewhere.sock");
  shell("mkdir -p /run/docker/plugins");
  // Files are looked for where they are configured; here all in one place.
  stop_netd();
  config_ = R"({"plugin-timeout": 1, "plugin-search-dirs": ["/run/plugins"]})";
  shell("mkdir /run/plugins; echo unix:///run/docker/plugins/weave.sock >/run/plugins/spun.spec");
  start_netd();
  shell("netctl network create -d spun --ipam-driver spun net");
  EXPECT_TRUE(plugin_->was_asked("NetworkDriver.CreateNetwork"));
}

/// netd finds plugins in /run/plugins, and there a "far" one that is on TCP with TLS.
class HostingOverTls : public PluginMachine {
 protected:
  void SetUp() override {
    PluginMachine::SetUp();
    std::filesystem::create_directory("/run/pki");
    const tests::Certificates authority("/run/pki");
    authority.issue("plugin", "serverAuth", "IP:127.0.0.1");
    authority.issue("netd", "clientAuth");
    const tests::PluginTls tls{.cert = "/run/pki/plugin.pem",
                               .key = "/run/pki/plugin-key.pem",
                               .client_ca = "/run/pki/ca.pem"};
    plugin_ = std::make_unique<tests::ScriptedPlugin>("127.0.0.1", &tls);
    tests::be_good_network_driver(*plugin_);
    tests::be_good_ipam_driver(*plugin_);
    stop_netd();
    config_ = R"({"plugin-timeout": 1, "plugin-search-dirs": ["/run/plugins"]})";
    std::filesystem::create_directory("/run/plugins");
    start_netd();
  }
  void write_file(const json& more) {
    json tls = {{"CAFile", "/run/pki/ca.pem"}};
    tls.update(more);
    std::ofstream("/run/plugins/far.json") << json{
        {"Addr", "https://127.0.0.1:" + std::to_string(plugin_->port())}, {"TLSConfig", tls}};
  }
};

TEST_F(HostingOverTls, ASandboxLivesOnIt) {
  write_file({{"CertFile", "/run/pki/netd.pem"}, {"KeyFile", "/run/pki/netd-key.pem"}});
  shell("netctl network create -d far --ipam-driver far net");
  shell("netctl sandbox create --network net web");
  EXPECT_NE(in("web", "ip -o address show eth0").find("10.77.0.2/24"), std::string::npos);
  shell("netctl sandbox rm web; netctl network rm net");
  EXPECT_TRUE(plugin_->was_asked("IpamDriver.ReleasePool"));
  EXPECT_TRUE(is_clean());
}

TEST_F(HostingOverTls, TheUserIsToldWhatItsFileLacks) {
  write_file(json::object());
  const auto result = attempt("netctl network create -d far --ipam-driver far net");
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.output.find("CertFile and KeyFile in /run/plugins/far.json have to name one"),
            std::string::npos)
      << result.output;
  EXPECT_EQ(plugin_->methods(), "");
  EXPECT_TRUE(is_clean());
}

}  // namespace
