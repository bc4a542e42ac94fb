// netd as the plugin of a second netd: two hosts, each with a namespace and a netd of its own. The
// links go from the plugin's host to the second one, as they do to an engine in a container.
#include <gmock/gmock.h>

#include <csignal>

#include "tests/e2e/end_to_end.h"

namespace e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SecondNetd : public EndToEnd {
 protected:
  std::vector<std::string> netd_flags() const override {
    return {"--plugin-dir", "/run/docker/plugins"};
  }
  void SetUp() override {
    EndToEnd::SetUp();
    shell("ip netns add second; ip -n second link set lo up");
    start_second();
  }
  void TearDown() override {
    if (second_) stop_program(std::move(second_));
    EndToEnd::TearDown();
  }

  void start_second() {
    second_ = start_program({"nsenter", "--net=/run/netns/second", "netd", "--config",
                             "/run/netd.json", "--state-dir", state_dir, "--run-dir", "/run/second",
                             "--log-level", "debug", "--plugin-search-dir", "/run/docker/plugins"});
  }
  void crash_second() {
    second_->signal(SIGKILL);
    ASSERT_TRUE(second_->wait(std::chrono::seconds(10)).has_value());
    second_.reset();
  }
  static std::string on_second(const std::string& command) {
    return "netctl -H unix:///run/second/netd.sock " + command;
  }
  static std::string in_second(const std::string& sandbox, const std::string& command) {
    return shell(on_second("sandbox exec " + sandbox + " -- " + command));
  }
  static std::string netns_on_second(const std::string& sandbox) {
    return shell("curl -sS --unix-socket /run/second/netd.sock http://netd/sandboxes/" + sandbox +
                 " | jq -j .NetnsPath");
  }
  /// What the plugin's host has of networks, links, pins and rules.
  static std::string plugins_host() {
    return shell("netctl network ls; netctl sandbox ls") + traces() +
           shell("nft list table inet netd | grep -c elements || true");
  }
  static std::string seconds_host() {
    return shell(on_second("network ls") + "; " + on_second("sandbox ls") +
                 "; ip -n second -o link show | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/' | sort");
  }
  static void create_network() {
    shell(
        on_second("network create -d netd --ipam-driver netd -o io.netd.name=shop "
                  "--subnet 10.5.0.0/24 shop"));
  }

  static constexpr const char* state_dir = "/run/second-state";
  std::unique_ptr<Process> second_;
};

TEST_F(SecondNetd, SandboxesOfBothReachEachOther) {
  create_network();
  EXPECT_THAT(shell("netctl network ls"), HasSubstr("shop"));
  shell("netctl sandbox create --network shop a");
  shell(on_second("sandbox create --network shop b"));
  const WebServer a(netns_of("a"), 80, "page of a");
  const WebServer b(netns_on_second("b"), 80, "page of b");
  EXPECT_EQ(in_second("b", fetch("http://" + address_of("a", "shop") + "/")), "page of a");
  EXPECT_EQ(in("a", fetch("http://10.5.0.3/")), "page of b");
  EXPECT_THAT(in_second("b", "ip route"), HasSubstr("default via 10.5.0.1"));
}

TEST_F(SecondNetd, PublishesOnThePluginsHost) {
  create_network();
  shell(on_second("sandbox create --network shop -p 8080:80 b"));
  const WebServer b(netns_on_second("b"), 80, "page of b");
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page of b");
}

TEST_F(SecondNetd, NothingStaysWithEither) {
  const std::string plugin = plugins_host(), second = seconds_host();
  create_network();
  shell(on_second("sandbox create --network shop -p 8080:80 b"));
  shell(on_second("sandbox create --network shop c; ") + on_second("network disconnect shop c"));
  shell(on_second("sandbox rm b; ") + on_second("sandbox rm c; ") + on_second("network rm shop"));
  EXPECT_TRUE(eventually([&] { return plugins_host() == plugin; })) << plugins_host() << plugin;
  EXPECT_TRUE(eventually([&] { return seconds_host() == second; })) << seconds_host() << second;
}

TEST_F(SecondNetd, WhatThePluginRefusesIsUndoneOnBoth) {
  create_network();
  shell("netctl network create own; netctl sandbox create --network own -p 8080:80 first");
  const std::string plugin = plugins_host(), second = seconds_host();
  const Result result = attempt(on_second("sandbox create --network shop -p 8080:80 b"));
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("port is already allocated"));
  EXPECT_TRUE(eventually([&] { return plugins_host() == plugin; })) << plugins_host() << plugin;
  EXPECT_TRUE(eventually([&] { return seconds_host() == second; })) << seconds_host() << second;
}

TEST_F(SecondNetd, EitherMayDieAndComeBack) {
  create_network();
  shell("netctl sandbox create --network shop a");
  shell(on_second("sandbox create --network shop -p 8080:80 b"));
  const WebServer b(netns_on_second("b"), 80, "page of b");
  const auto expect_service = [] {
    EXPECT_EQ(in("a", fetch("http://10.5.0.3/")), "page of b");
    EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page of b");
  };
  crash_netd();
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page of b");
  start_netd();
  expect_service();
  crash_second();
  expect_service();
  start_second();
  expect_service();
  EXPECT_THAT(shell("netctl doctor"), Not(HasSubstr("missing")));
}

/// The second host is gone: so are its links, and the plugin gives up what nobody asks for.
TEST_F(SecondNetd, ADeadHostIsForgotten) {
  const std::string before = traces();
  create_network();
  shell(on_second("sandbox create --network shop b"));
  crash_second();
  shell(
      "umount /run/second/netns/*; ip netns del second; rm -rf /run/second; "
      "ip -o link show | sed -n 's/.*\\(nv[0-9a-f]*\\)@.*/\\1/p' >/run/ports");
  EXPECT_TRUE(eventually([] { return attempt("ip link show type veth | grep -q ': nv'").status; }));
  restart_netd();
  EXPECT_EQ(shell("netctl topology").find("10.5.0.2"), std::string::npos);
  shell("netctl network rm shop");
  EXPECT_TRUE(eventually([&] { return traces() == before; })) << traces() << before;
}

}  // namespace
}  // namespace e2e
