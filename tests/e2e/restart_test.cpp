// What survives netd's end, and what a reboot leaves.
#include <gmock/gmock.h>

#include <csignal>

#include "tests/e2e/end_to_end.h"

namespace e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Restart : public EndToEnd {
 protected:
  void SetUp() override {
    EndToEnd::SetUp();
    shell("netctl network create --subnet 10.5.0.0/24 --label team=a shop");
    shell("netctl sandbox create --network shop:ip=10.5.0.10,alias=www -p 8080:80 web");
    shell("netctl sandbox create --network shop client");
  }
  /// All that the API tells of the state.
  static nlohmann::json state() {
    return {{"networks", api("/networks")},
            {"shop", api("/networks/shop")},
            {"web", api("/sandboxes/web")},
            {"client", api("/sandboxes/client")}};
  }
  static void expect_all_works() {
    const WebServer web(netns_of("web"), 80, "page");
    EXPECT_EQ(in("client", fetch("http://www/")), "page");
    EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page");
    EXPECT_EQ(shell(fetch("http://127.0.0.1:8080/")), "page");
    expect_agreement();
  }
};

TEST_F(Restart, AnOrderlyRestartKeepsEverything) {
  const auto before = state();
  restart_netd();
  EXPECT_EQ(state(), before);
  expect_all_works();
}

TEST_F(Restart, Kill9KeepsEverything) {
  const auto before = state();
  crash_netd();
  start_netd();
  EXPECT_EQ(state(), before);
  expect_all_works();
}

TEST_F(Restart, PacketsFlowWithoutNetd) {
  const WebServer web(netns_of("web"), 80, "page");
  const std::string client = netns_of("client");
  crash_netd();
  EXPECT_EQ(shell("nsenter --net=" + client + " " + fetch("http://10.5.0.10/")), "page");
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page");
  start_netd();
}

TEST_F(Restart, NoLinkIsMadeAgain) {
  const EchoServer echo(netns_of("web"), 7, "");
  const std::string client = netns_of("client");
  EXPECT_EQ(ask(client, "10.5.0.10", 7, "before"), "before");
  // Index and MAC: a link that was made again has others.
  const char* identities = "ip -j link show | jq -c '.[] | [.ifindex, .ifname, .address]'";
  const std::string links = shell(identities);
  crash_netd();
  start_netd();
  EXPECT_EQ(shell(identities), links);
  EXPECT_EQ(ask(client, "10.5.0.10", 7, "after"), "after");
}

TEST_F(Restart, AddressesStayTakenAfterARestart) {
  restart_netd();
  EXPECT_EQ(attempt("netctl sandbox create --network shop:ip=10.5.0.10 thief").status, 1);
  EXPECT_EQ(attempt("netctl sandbox create --network shop -p 8080:80 thief").status, 1);
}

TEST_F(Restart, WhatSomebodyRemovedMeanwhileIsMadeAgain) {
  crash_netd();
  shell("nft delete table inet netd");
  start_netd();
  expect_all_works();
}

TEST_F(Restart, ASandboxWhoseNamespaceIsGoneIsDropped) {
  const std::string netns = netns_of("web");
  crash_netd();
  shell("umount " + netns + " && rm " + netns);
  start_netd();
  EXPECT_EQ(attempt("netctl sandbox inspect web").status, 1);
  EXPECT_EQ(api("/networks/shop").at("Containers").size(), 1u);
  expect_agreement();
}

TEST_F(Restart, AfterARebootNetworksAreBackAndSandboxesAreGone) {
  const auto shop = api("/networks/shop");
  reboot();
  const auto now = api("/networks/shop");
  EXPECT_EQ(now.at("Id"), shop.at("Id"));
  EXPECT_EQ(now.at("IPAM"), shop.at("IPAM"));
  EXPECT_EQ(now.at("Labels"), shop.at("Labels"));
  EXPECT_EQ(now.at("Containers").size(), 0u);
  EXPECT_EQ(api("/sandboxes").size(), 0u);
  expect_agreement();
  shell(
      "netctl sandbox create --network shop:ip=10.5.0.10 -p 8080:80 web && netctl sandbox create "
      "--network shop:alias=www client");
  expect_nothing_left();
}

TEST_F(Restart, ASecondNetdInTheSameNamespaceIsRefused) {
  const Result result =
      attempt("timeout 20 netd --state-dir /run/other-state --run-dir /run/other");
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.status, 124) << "it runs";
  expect_all_works();
}

TEST_F(Restart, EverythingIsGoneAfterRemovalAndRestart) {
  shell("netctl sandbox rm web client && netctl network rm shop");
  crash_netd();
  start_netd();
  EXPECT_THAT(shell("netctl network ls"), Not(HasSubstr("shop")));
  expect_agreement();
  expect_nothing_left();
}

}  // namespace
}  // namespace e2e
