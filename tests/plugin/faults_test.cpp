// Plugins that are slow, dead, lying or confused: the user hears why, nothing is left, and nobody
// else waits.
#include <future>

#include "tests/plugin/plugin_machine.h"

namespace {

using e2e::PluginMachine;
using nlohmann::json;

class PluginFaults : public PluginMachine {
 protected:
  void SetUp() override {
    PluginMachine::SetUp();
    shell("netctl network create -d weave --ipam-driver weave net");
    plugin_->forget_calls();
  }
  /// What `netctl sandbox create --network net web` says when it fails, as it has to.
  static std::string refusal() {
    const auto result = attempt("netctl sandbox create --network net web");
    EXPECT_NE(result.status, 0) << result.output;
    return result.output;
  }
  void expect_no_sandbox() {
    EXPECT_TRUE(api("/sandboxes").empty());
    EXPECT_TRUE(eventually(
        [] { return attempt("ip -o link show | grep -E ': p[lc][0-9a-f]{8}'").status != 0; }));
    EXPECT_EQ(api("/networks/net").at("Containers"), json::object());
  }
};

TEST_F(PluginFaults, ARefusedEndpointIsUndone) {
  plugin_->answer("NetworkDriver.CreateEndpoint", {{"Err", "no room"}});
  EXPECT_NE(refusal().find("remote: no room"), std::string::npos);
  EXPECT_EQ(plugin_->methods(),
            "IpamDriver.RequestAddress\nNetworkDriver.CreateEndpoint\n"
            "IpamDriver.ReleaseAddress\n");
  expect_no_sandbox();
}

TEST_F(PluginFaults, ARefusedJoinIsUndone) {
  plugin_->answer("NetworkDriver.Join", {{"Err", "no way in"}});
  EXPECT_NE(refusal().find("remote: no way in"), std::string::npos);
  EXPECT_EQ(plugin_->methods(),
            "IpamDriver.RequestAddress\nNetworkDriver.CreateEndpoint\nNetworkDriver.Join\n"
            "NetworkDriver.DeleteEndpoint\nIpamDriver.ReleaseAddress\n");
  expect_no_sandbox();
}

TEST_F(PluginFaults, AModifiedAddressIsALie) {
  plugin_->answer("NetworkDriver.CreateEndpoint", {{"Interface", {{"Address", "10.77.0.99/24"}}}});
  EXPECT_NE(refusal().find("driver modified interface address: 10.77.0.2/24 to 10.77.0.99/24"),
            std::string::npos);
  EXPECT_NE(plugin_->methods().find("NetworkDriver.DeleteEndpoint"), std::string::npos);
  expect_no_sandbox();
}

TEST_F(PluginFaults, AForeignLinkIsNotMoved) {
  plugin_->answer("NetworkDriver.Join", {{"InterfaceName", {{"SrcName", "uplink"}}}});
  EXPECT_NE(refusal().find("uplink: the host uses this link"), std::string::npos);
  shell("ip link show uplink");
  EXPECT_NE(plugin_->methods().find("NetworkDriver.Leave"), std::string::npos);
  plugin_->answer("NetworkDriver.Join", {{"InterfaceName", {{"SrcName", "docker0"}}}});
  EXPECT_NE(refusal().find("netd's own"), std::string::npos);
  plugin_->answer("NetworkDriver.Join", {{"InterfaceName", {{"SrcName", "nothing"}}}});
  EXPECT_NE(refusal().find("there is no such link"), std::string::npos);
  expect_no_sandbox();
}

TEST_F(PluginFaults, WrongTypesAndRubbishAreNamed) {
  plugin_->answer("NetworkDriver.Join", {{"InterfaceName", {{"SrcName", 5}}}});
  EXPECT_NE(
      refusal().find(
          "plugin weave: NetworkDriver.Join: InterfaceName.SrcName: expected a string, found 5"),
      std::string::npos);
  plugin_->answer("NetworkDriver.Join", {{"Gateway", "nowhere"}});
  EXPECT_NE(refusal().find("unable to parse Gateway \"nowhere\""), std::string::npos);
  EXPECT_NE(plugin_->methods().find("NetworkDriver.Leave"), std::string::npos);
  plugin_->say("NetworkDriver.CreateEndpoint", 200, "<html>");
  EXPECT_NE(refusal().find("the answer is not JSON"), std::string::npos);
  plugin_->answer("IpamDriver.RequestAddress", {{"Address", ""}});
  EXPECT_NE(refusal().find("no address returned"), std::string::npos);
  expect_no_sandbox();
}

TEST_F(PluginFaults, HalfAndHugeAnswersAreRefused) {
  plugin_->answer_half("NetworkDriver.Join");
  EXPECT_NE(refusal().find("before its answer was complete"), std::string::npos);
  expect_no_sandbox();
  plugin_->say("NetworkDriver.Join", 200, std::string(8 * 1024 * 1024, ' '));
  EXPECT_NE(refusal().find("the answer is larger than what is listened to"), std::string::npos);
  expect_no_sandbox();
}

TEST_F(PluginFaults, AnotherNetworksVerbsDoNotWait) {
  stop_netd();
  config_ = R"({"plugin-timeout": 5})";  // time enough, on a busy machine too
  start_netd();
  shell("netctl network create shop");
  plugin_->hang("NetworkDriver.Join");
  auto hanging = std::async(std::launch::async, [] { return refusal(); });
  ASSERT_TRUE(plugin_->was_asked("NetworkDriver.Join"));
  const auto time = duration_of(
      "curl -sS --unix-socket /run/netd/netd.sock -H 'Content-Type: application/json' "
      "-d '{\"Name\":\"other\",\"Networks\":[{\"Network\":\"shop\"}]}' http://netd/sandboxes");
  EXPECT_LT(time.count(), 500);
  const auto busy = attempt("netctl sandbox rm web");
  EXPECT_NE(busy.output.find("sandbox web is being created by another request"), std::string::npos)
      << busy.output;
  EXPECT_NE(hanging.get().find("did not answer within its deadline"), std::string::npos);
  shell("netctl sandbox rm other");
  EXPECT_TRUE(api("/sandboxes").empty());
}

TEST_F(PluginFaults, AnAbsentPluginHearsOfItLater) {
  plugin_->hang("NetworkDriver.Join");
  refusal();
  be_good_network_driver(*plugin_);
  shell("netctl sandbox create --network net web");
  restart_netd();
  EXPECT_TRUE(plugin_->was_asked("NetworkDriver.DeleteEndpoint"));
  EXPECT_TRUE(plugin_->was_asked("IpamDriver.ReleaseAddress"));
}

TEST_F(PluginFaults, ARefusedNetworkGivesItsPoolBack) {
  plugin_->answer("NetworkDriver.CreateNetwork", {{"Err", "not today"}});
  const auto result = attempt("netctl network create -d weave --ipam-driver weave more");
  EXPECT_NE(result.output.find("remote: not today"), std::string::npos);
  EXPECT_TRUE(plugin_->methods().ends_with(
      "NetworkDriver.CreateNetwork\nIpamDriver.ReleaseAddress\nIpamDriver.ReleasePool\n"))
      << plugin_->methods();
  EXPECT_EQ(attempt("netctl network inspect more").status, 1);
}

TEST_F(PluginFaults, ASandboxOnSeveralNetworksIsAllOrNothing) {
  shell("netctl network create shop");
  plugin_->answer("NetworkDriver.Join", {{"Err", "no"}});
  EXPECT_NE(attempt("netctl sandbox create --network shop --network net web").status, 0);
  expect_no_sandbox();
  EXPECT_EQ(api("/networks/shop").at("Containers"), json::object());
}

TEST_F(PluginFaults, ExternalConnectivityMayBeMissing) {
  plugin_->say("NetworkDriver.ProgramExternalConnectivity", 404, "404 page not found");
  plugin_->say("NetworkDriver.RevokeExternalConnectivity", 404, "404 page not found");
  shell("netctl sandbox create --network net web; netctl sandbox rm web");
}

TEST_F(PluginFaults, ExternalConnectivityRefusedUndoesTheSandbox) {
  plugin_->answer("NetworkDriver.ProgramExternalConnectivity", {{"Err", "port taken"}});
  EXPECT_NE(refusal().find("remote: port taken"), std::string::npos);
  expect_no_sandbox();
}

TEST_F(PluginFaults, KilledWhileAPluginHangsLeavesNothing) {
  plugin_->hang("NetworkDriver.Join");
  auto hanging = std::async(std::launch::async, [] { return refusal(); });
  ASSERT_TRUE(plugin_->was_asked("NetworkDriver.Join"));
  crash_netd();
  hanging.get();
  plugin_->forget_calls();
  start_netd();
  EXPECT_TRUE(plugin_->was_asked("IpamDriver.ReleaseAddress"));
  EXPECT_EQ(plugin_->methods().substr(plugin_->methods().find("NetworkDriver.Leave")),
            "NetworkDriver.Leave\nNetworkDriver.DeleteEndpoint\nIpamDriver.ReleaseAddress\n");
  expect_no_sandbox();
}

TEST_F(PluginFaults, KilledWhileANetworkIsMadeLeavesNothing) {
  plugin_->hang("NetworkDriver.CreateNetwork");
  auto hanging = std::async(std::launch::async, [] {
    return attempt("netctl network create -d weave --ipam-driver weave more").status;
  });
  ASSERT_TRUE(plugin_->was_asked("NetworkDriver.CreateNetwork"));
  crash_netd();
  EXPECT_NE(hanging.get(), 0);
  plugin_->forget_calls();
  start_netd();
  EXPECT_TRUE(plugin_->was_asked("IpamDriver.ReleasePool"));
  EXPECT_NE(plugin_->methods().find("NetworkDriver.DeleteNetwork"), std::string::npos);
  EXPECT_EQ(attempt("netctl network inspect more").status, 1);
}

TEST_F(PluginFaults, ARemovalIsNeverRefused) {
  shell("netctl sandbox create --network net web");
  plugin_->answer("NetworkDriver.Leave", {{"Err", "no"}});
  plugin_->answer("NetworkDriver.DeleteEndpoint", {{"Err", "no"}});
  plugin_->answer("NetworkDriver.DeleteNetwork", {{"Err", "no"}});
  shell("netctl sandbox rm web; netctl network rm net");
  EXPECT_NE(plugin_->methods().find("IpamDriver.ReleasePool"), std::string::npos);
}

}  // namespace
