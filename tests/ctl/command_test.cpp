// Whole runs of netctl: what is asked of the daemon, what is printed, how it ends.
#include <gtest/gtest.h>

#include "tests/ctl/fake_api.h"

namespace tests {
namespace {

using Requests = std::vector<std::string>;
using netd::client::Response;

Response ok(const std::string& body) {
  return {200, "application/json", body};
}
Response refused(int status, const std::string& message) {
  return {status, "application/json", "{\"message\":\"" + message + "\"}"};
}

const std::string shop_id = "3f2a91c0d4e7" + std::string(52, '0');
const std::string networks =
    R"([{"Id":")" + shop_id +
    R"(","Name":"shop","Driver":"bridge","Scope":"local"},)"
    R"({"Id":"aabbccddeeff00","Name":"none","Driver":"null","Scope":"local"}])";

TEST(Netctl, NetworkCreatePrintsTheId) {
  FakeApi api;
  const std::string request =
      R"(POST /networks/create {"Attachable":false,"ConfigOnly":false,"Driver":"bridge",)"
      R"("IPAM":{"Config":[],"Driver":"default","Options":{}},"Ingress":false,"Internal":false,)"
      R"("Labels":{},"Name":"shop","Options":{}})";
  api.answers["POST /networks/create"] = {201, "application/json", R"({"Id":"3f2a","Warning":""})"};
  const Outcome outcome = netctl(api, {"network", "create", "shop"});
  EXPECT_EQ(outcome.output, "3f2a\n") << outcome.errors;
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(api.requests, Requests{request});
}

TEST(Netctl, NetworkCreateTakesDockersFlags) {
  FakeApi api;
  api.answers["POST /networks/create"] = {201, "application/json",
                                          R"({"Id":"3f2a","Warning":"option x: did you mean y?"})"};
  const Outcome outcome = netctl(api, {"network",
                                       "create",
                                       "-d",
                                       "macvlan",
                                       "-o",
                                       "parent=eth0",
                                       "-o",
                                       "mode=bridge",
                                       "--subnet",
                                       "10.5.0.0/24",
                                       "--subnet=fd00:5::/64",
                                       "--gateway",
                                       "10.5.0.254",
                                       "--ip-range",
                                       "10.5.0.128/25",
                                       "--aux-address",
                                       "nas=10.5.0.9",
                                       "--ipv6",
                                       "--ipv4=false",
                                       "--internal",
                                       "--attachable",
                                       "--label",
                                       "a=b",
                                       "--scope",
                                       "local",
                                       "--config-from",
                                       "base",
                                       "lan"});
  EXPECT_EQ(outcome.output, "3f2a\n");
  EXPECT_EQ(outcome.errors, "WARNING: option x: did you mean y?\n");
  EXPECT_EQ(
      api.requests,
      Requests{R"(POST /networks/create {"Attachable":true,"ConfigFrom":{"Network":"base"},)"
               R"("ConfigOnly":false,"Driver":"macvlan","EnableIPv4":false,"EnableIPv6":true,)"
               R"("IPAM":{"Config":[{"AuxiliaryAddresses":{"nas":"10.5.0.9"},)"
               R"("Gateway":"10.5.0.254","IPRange":"10.5.0.128/25","Subnet":"10.5.0.0/24"},)"
               R"({"Subnet":"fd00:5::/64"}],"Driver":"default","Options":{}},"Ingress":false,)"
               R"("Internal":true,"Labels":{"a":"b"},"Name":"lan",)"
               R"("Options":{"mode":"bridge","parent":"eth0"},"Scope":"local"})"});
}

TEST(Netctl, NetworkLsIsATable) {
  FakeApi api;
  api.answers["GET /networks"] = ok(networks);
  EXPECT_EQ(netctl(api, {"network", "ls"}).output,
            "NETWORK ID     NAME      DRIVER    SCOPE\n"
            "3f2a91c0d4e7   shop      bridge    local\n"
            "aabbccddeeff   none      null      local\n");
  EXPECT_EQ(netctl(api, {"network", "list", "-q"}).output, "3f2a91c0d4e7\naabbccddeeff\n");
  EXPECT_EQ(netctl(api, {"network", "ls", "-q", "--no-trunc"}).output,
            shop_id + "\naabbccddeeff00\n");
}

TEST(Netctl, NetworkLsPassesFiltersOnAndPrintsJson) {
  FakeApi api;
  api.answers["GET /networks?filters=%7B%22driver%22%3A%7B%22bridge%22%3Atrue%7D%7D"] = ok("[]");
  const Outcome outcome =
      netctl(api, {"network", "ls", "--filter", "driver=bridge", "--format", "json"});
  EXPECT_EQ(outcome.output, "[]\n") << outcome.errors;
}

TEST(Netctl, NetworkInspectGoesOnAfterAFailure) {
  FakeApi api;
  api.answers["GET /networks/b"] = ok(R"({"Name":"b"})");
  const Outcome outcome = netctl(api, {"network", "inspect", "a", "b"});
  EXPECT_EQ(outcome.output, "[\n    {\n        \"Name\": \"b\"\n    }\n]\n");
  EXPECT_EQ(outcome.errors, "netctl: not found: /networks/a\n");
  EXPECT_EQ(outcome.status, 1);
}

TEST(Netctl, NetworkRmPrintsNamesAndSaysHowToFreeOne) {
  FakeApi api;
  api.answers["DELETE /networks/a%2Fb"] = {204, "", ""};
  api.answers["DELETE /networks/used"] = refused(403, "network used has active endpoints (x)");
  const Outcome outcome = netctl(api, {"network", "rm", "used", "a/b"});
  EXPECT_EQ(outcome.output, "a/b\n");
  EXPECT_EQ(outcome.errors,
            "netctl: network used has active endpoints (x); take them off first: netctl network "
            "disconnect used SANDBOX\n");
  EXPECT_EQ(outcome.status, 1);
}

TEST(Netctl, NetworkRmForceMindsNoMissingNetwork) {
  FakeApi api;
  EXPECT_EQ(netctl(api, {"network", "rm", "gone"}).status, 1);
  EXPECT_EQ(netctl(api, {"network", "rm", "-f", "gone"}).status, 0);
}

TEST(Netctl, NetworkPruneAsksFirst) {
  FakeApi api;
  api.answers["POST /networks/prune"] = ok(R"({"NetworksDeleted":["shop"]})");
  const Outcome no = netctl(api, {"network", "prune"}, "n\n");
  EXPECT_EQ(no.status, 1);
  EXPECT_EQ(api.requests, Requests{});
  EXPECT_EQ(netctl(api, {"network", "prune"}, "").status, 1);
  EXPECT_EQ(netctl(api, {"network", "prune"}, "y\n").output, "Deleted Networks:\nshop\n");
  EXPECT_EQ(netctl(api, {"network", "prune", "--force"}).output, "Deleted Networks:\nshop\n");
}

TEST(Netctl, NetworkConnectSendsTheEndpointSettings) {
  FakeApi api;
  api.answers["POST /networks/shop/connect"] = ok("");
  const Outcome outcome = netctl(api, {"network",
                                       "connect",
                                       "--ip",
                                       "10.5.0.9",
                                       "--ip6",
                                       "fd00::9",
                                       "--alias",
                                       "db",
                                       "--link",
                                       "web:w",
                                       "--link-local-ip",
                                       "169.254.1.1",
                                       "--mac-address",
                                       "02:00:00:00:00:01",
                                       "--driver-opt",
                                       "a=b",
                                       "--gw-priority",
                                       "-1",
                                       "shop",
                                       "web"});
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(api.requests,
            Requests{R"(POST /networks/shop/connect {"Container":"web","EndpointConfig":)"
                     R"({"Aliases":["db"],"DriverOpts":{"a":"b"},"GwPriority":-1,"IPAMConfig":)"
                     R"({"IPv4Address":"10.5.0.9","IPv6Address":"fd00::9","LinkLocalIPs":)"
                     R"(["169.254.1.1"]},"Links":["web:w"],"MacAddress":"02:00:00:00:00:01"}})"});
}

TEST(Netctl, NetworkDisconnect) {
  FakeApi api;
  api.answers["POST /networks/shop/disconnect"] = ok("");
  EXPECT_EQ(netctl(api, {"network", "disconnect", "-f", "shop", "web"}).status, 0);
  EXPECT_EQ(api.requests,
            Requests{R"(POST /networks/shop/disconnect {"Container":"web","Force":true})"});
}

TEST(Netctl, SandboxCreateSendsEverything) {
  FakeApi api;
  api.answers["POST /sandboxes"] = {201, "application/json", R"({"Id":"9c31"})"};
  const Outcome outcome =
      netctl(api, {"sandbox", "create", "--network", "shop:ip=10.5.0.9", "--network", "lan", "-p",
                   "8080:80", "--hostname", "box", "--dns", "9.9.9.9", "--add-host", "db:10.0.0.1",
                   "--pid", "4711", "--label", "a=b", "web"});
  EXPECT_EQ(outcome.output, "9c31\n") << outcome.errors;
  EXPECT_EQ(
      api.requests,
      Requests{R"(POST /sandboxes {"Dns":["9.9.9.9"],"ExtraHosts":["db:10.0.0.1"],)"
               R"("Hostname":"box","Labels":{"a":"b"},"Name":"web","Networks":[{"IPAMConfig":)"
               R"({"IPv4Address":"10.5.0.9"},"Network":"shop"},{"Network":"lan"}],"Pid":4711,)"
               R"("PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]}})"});
}

TEST(Netctl, WarningsGoToStderr) {
  FakeApi api;
  api.answers["POST /sandboxes"] = {201, "application/json",
                                    R"({"Id":"9c31","Warnings":["ports are ignored","so is x"]})"};
  const Outcome made = netctl(api, {"sandbox", "create", "-p", "8080:80", "web"});
  EXPECT_EQ(made.status, 0);
  EXPECT_EQ(made.output, "9c31\n");
  EXPECT_EQ(made.errors, "WARNING: ports are ignored\nWARNING: so is x\n");
  for (const char* verb : {"connect", "disconnect"}) {
    api.answers["POST /networks/lan/" + std::string(verb)] =
        ok(R"({"Warning":"ports are ignored"})");
    const Outcome joined = netctl(api, {"network", verb, "lan", "web"});
    EXPECT_EQ(joined.status, 0);
    EXPECT_EQ(joined.output, "");
    EXPECT_EQ(joined.errors, "WARNING: ports are ignored\n");
  }
}

TEST(Netctl, SandboxCreateTakesOneNamespaceOnly) {
  FakeApi api;
  EXPECT_EQ(netctl(api, {"sandbox", "create", "--pid", "1", "--share", "a", "b"}).status, 2);
  EXPECT_EQ(netctl(api, {"sandbox", "create", "--pid", "-4", "b"}).status, 2);
  EXPECT_EQ(api.requests, Requests{});
}

TEST(Netctl, SandboxLsIsATableWithAddressesAndPorts) {
  FakeApi api;
  api.answers["GET /sandboxes"] =
      ok(R"([{"Id":"9c31b7aa0f1200","Name":"web","Networks":{"shop":{"IPAddress":"10.5.0.2"}},)"
         R"("Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}]}},)"
         R"({"Id":"1111b7aa0f1200","Name":"client","Networks":{},"Ports":{}}])");
  EXPECT_EQ(netctl(api, {"sandbox", "ls"}).output,
            "SANDBOX ID     NAME      NETWORKS        PORTS\n"
            "9c31b7aa0f12   web       shop 10.5.0.2   0.0.0.0:8080->80/tcp\n"
            "1111b7aa0f12   client                    \n");
  EXPECT_EQ(netctl(api, {"sandbox", "ls", "-q", "--filter", "network=shop"}).output,
            "9c31b7aa0f12\n");
  EXPECT_EQ(netctl(api, {"sandbox", "ls", "--filter", "color=red"}).status, 2);
}

const char* const web_with_ports =
    R"({"Id":"9c31","Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},)"
    R"({"HostIp":"::","HostPort":"8080"}],"53/udp":[{"HostIp":"127.0.0.1","HostPort":"5353"}]}})";

TEST(Netctl, PortPrintsAsDockerDoes) {
  FakeApi api;
  api.answers["GET /sandboxes/web"] = ok(web_with_ports);
  EXPECT_EQ(netctl(api, {"port", "web"}).output,
            "53/udp -> 127.0.0.1:5353\n80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n");
  EXPECT_EQ(netctl(api, {"port", "web", "80"}).output, "0.0.0.0:8080\n[::]:8080\n");
  EXPECT_EQ(netctl(api, {"port", "web", "--filter", "protocol=udp", "-q"}).output,
            "127.0.0.1:5353\n");
  const Outcome missing = netctl(api, {"port", "web", "81"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_EQ(missing.errors,
            "netctl: port 81/tcp of web is not published; add it with: netctl sandbox ports web "
            "--add HOSTPORT:81/tcp\n");
}

TEST(Netctl, SandboxPortsChangesInOneRequest) {
  FakeApi api;
  api.answers["POST /sandboxes/web/ports"] = ok("");
  api.answers["GET /sandboxes/web"] = ok(web_with_ports);
  const Outcome outcome =
      netctl(api, {"sandbox", "ports", "web", "--add", "8443:443", "--rm", "8080:80"});
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(api.requests.front(),
            R"(POST /sandboxes/web/ports {"Add":{"443/tcp":[{"HostIp":"","HostPort":"8443"}]},)"
            R"("Remove":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]}})");
}

TEST(Netctl, ExecWithoutACommandIsAUsageError) {
  FakeApi api;
  const Outcome outcome = netctl(api, {"sandbox", "exec", "web"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.errors,
            "netctl: what is to run? For example: netctl sandbox exec web -- ip address\n"
            "See 'netctl sandbox exec --help'.\n");
}

TEST(Netctl, ExecInAnUnknownSandboxFails) {
  FakeApi api;
  EXPECT_EQ(netctl(api, {"sandbox", "exec", "gone", "--", "ls", "-l"}).status, 1);
}

TEST(Netctl, EventsPrintsALineEach) {
  FakeApi api;
  api.lines = {R"({"Type":"network","Action":"create","Actor":{"ID":"3f2a","Attributes":)"
               R"({"name":"shop"}},"timeNano":0})"};
  EXPECT_EQ(netctl(api, {"events", "-f", "--since", "10m"}).output,
            "1970-01-01T00:00:00.000000000Z network create 3f2a (name=shop)\n");
  EXPECT_EQ(api.requests, Requests{"STREAM /events?since=10m"});
  EXPECT_EQ(netctl(api, {"events", "-f", "--format", "json"}).output, api.lines.front() + "\n");
}

TEST(Netctl, EventsWithoutFollowEndsNow) {
  FakeApi api;
  EXPECT_EQ(netctl(api, {"events"}).status, 0);
  EXPECT_EQ(api.requests.front().substr(0, 29), "STREAM /events?since=0&until=");
}

TEST(Netctl, TopologyIsATreeOrJson) {
  FakeApi api;
  api.answers["GET /topology"] = ok(R"({"Networks":[]})");
  EXPECT_EQ(netctl(api, {"topology"}).output, "host\n");
  EXPECT_EQ(netctl(api, {"topology", "--format", "json"}).output, "{\n  \"Networks\": []\n}\n");
  EXPECT_EQ(netctl(api, {"topology", "--format", "png"}).status, 2);
}

TEST(Netctl, DoctorFailsWhenSomethingIsMissing) {
  FakeApi api;
  api.answers["GET /doctor"] =
      ok(R"({"healthy":false,"findings":[{"severity":"missing","what":"link nv1 of web on shop",)"
         R"("repair":"start netd again"}]})");
  const auto outcome = netctl(api, {"doctor"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.output, "missing  link nv1 of web on shop    (start netd again)\n");
  api.answers["GET /doctor"] = ok(R"({"healthy":true,"findings":[]})");
  EXPECT_EQ(netctl(api, {"doctor"}).output, "healthy: links and records agree\n");
  EXPECT_EQ(netctl(api, {"doctor"}).status, 0);
}

TEST(Netctl, SystemInfoSaysWhatWaits) {
  FakeApi api;
  api.answers["GET /system"] =
      ok(R"({"Networks":4,"Sandboxes":2,"Endpoints":3,"ReaperWaiting":1,"Version":"0.1.0",)"
         R"("StateDir":"/var/lib/netd","RunDir":"/run/netd"})");
  EXPECT_EQ(netctl(api, {"system", "info"}).output,
            "Version: 0.1.0\nNetworks: 4\nSandboxes: 2\nEndpoints: 3\n"
            "Links waiting to be deleted: 1\nState directory: /var/lib/netd\n"
            "Run directory: /run/netd\nSocket: unix:///run/netd/netd.sock\n");
}

TEST(Netctl, SystemPurgeReportsWhatIsLeft) {
  FakeApi api;
  api.answers["POST /system/purge"] = ok(R"({"Failures":["delete link br-1: Device busy"]})");
  const Outcome outcome = netctl(api, {"system", "purge", "--force"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.errors,
            "netctl: delete link br-1: Device busy\n"
            "netctl: not all could be removed (see above); run 'netctl system purge' again\n");
  api.answers["POST /system/purge"] = ok(R"({"Failures":[]})");
  EXPECT_EQ(netctl(api, {"system", "purge", "-f"}).status, 0);
}

TEST(Netctl, WithoutADaemonExitsWithThree) {
  FakeApi api;
  api.is_running = false;
  const Outcome outcome = netctl(api, {"network", "ls"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_EQ(outcome.errors,
            "netctl: cannot connect to unix:///run/netd/netd.sock: Connection refused\n"
            "Start it with 'systemctl start netd', or run 'netd' as root; -H or NETD_HOST picks "
            "another address.\n");
}

TEST(Netctl, AMistypedCommandIsExplained) {
  FakeApi api;
  const Outcome outcome = netctl(api, {"netwrk", "ls"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.errors,
            "netctl: 'netwrk' is no command of 'netctl'; did you mean 'network'?\n"
            "See 'netctl --help'.\n");
  EXPECT_EQ(netctl(api, {"-H", "unix:///x", "network", "destroy"}).errors,
            "netctl: 'destroy' is no command of 'netctl network'\nSee 'netctl network --help'.\n");
}

TEST(Netctl, AMissingArgumentIsAUsageError) {
  FakeApi api;
  const Outcome outcome = netctl(api, {"network", "connect", "shop"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.errors, "netctl: SANDBOX is required\nSee 'netctl network connect --help'.\n");
  EXPECT_EQ(netctl(api, {"network", "ls", "--colour"}).status, 2);
}

TEST(Netctl, AGroupAloneShowsItsCommands) {
  FakeApi api;
  const Outcome outcome = netctl(api, {"network"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_NE(outcome.errors.find("disconnect"), std::string::npos) << outcome.errors;
  EXPECT_NE(outcome.errors.find("Usage: netctl network [OPTIONS]"), std::string::npos);
  EXPECT_EQ(netctl(api, {}).status, 2);
}

TEST(Netctl, EveryHelpTextTeachesByExample) {
  FakeApi api;
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"network", "create"},
                                             {"network", "ls"},
                                             {"network", "connect"},
                                             {"sandbox", "create"},
                                             {"sandbox", "exec"},
                                             {"sandbox", "ports"},
                                             {"events"},
                                             {"system", "purge"}}) {
    std::vector<std::string> help = words;
    help.push_back("--help");
    const Outcome outcome = netctl(api, help);
    EXPECT_EQ(outcome.status, 0) << words.back();
    EXPECT_NE(outcome.output.find("Example"), std::string::npos) << outcome.output;
  }
  EXPECT_EQ(netctl(api, {"--help"}).status, 0);
  EXPECT_EQ(netctl(api, {"--version"}).output, "0.1.0\n");
}

TEST(Netctl, TheHostMayFollowTheCommand) {
  FakeApi api;
  api.answers["GET /networks"] = ok("[]");
  EXPECT_EQ(netctl(api, {"network", "ls", "-q", "-H", "unix:///x"}).status, 0);
}

}  // namespace
}  // namespace tests
