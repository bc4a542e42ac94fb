// netd and etcd are killed, cut off and restarted while containers talk (overlay.md 2.4, 2.6).
#include <gmock/gmock.h>

#include <regex>

#include "tests/overlay/pair.h"

namespace overlay {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Faults : public Pair {};

TEST_F(Faults, NetdIsKilledAndNoPacketIsLost) {
  Pings stream = pings();
  crash_netd(1);
  crash_netd(2);
  start_netd(1);
  start_netd(2);
  ASSERT_TRUE(creates(2, "more"));
  EXPECT_TRUE(hears(1, "web", "more"));
  EXPECT_EQ(stream.lost(), 0);
}

TEST_F(Faults, ARestartTouchesNoCorrectEntryAndPutsRightWhatIsWrong) {
  stop_netd(1);
  const std::string vxlan =
      on(1, "ip -o link show type vxlan | grep -o 'nx[0-9a-f]*'").substr(0, 8);
  const std::string mac = api(2, "/sandboxes/db").at("Networks").at("shop").at("MacAddress");
  const std::string entries = "bridge fdb show dev " + vxlan + " | sort";
  const std::string before = on(1, entries);
  ASSERT_THAT(before, HasSubstr(mac + " dst 192.0.2.2"));
  const std::string netns_1 = netns(1);
  e2e::Process monitor({"nsenter", "--net=" + netns_1, "bridge", "monitor", "fdb"}, {},
                       "/run/monitor.log");
  start_netd(1);
  EXPECT_TRUE(within(10, [] { return sees(1, 2, "live"); }));
  ASSERT_TRUE(creates(2, "more"));  // what comes after it has been heard, so has all before
  EXPECT_TRUE(hears(1, "web", "more"));
  const std::string monitored = shell("cat /run/monitor.log");
  EXPECT_EQ(monitored.find(mac), std::string::npos) << monitored;
  stop_netd(1);
  on(1, "bridge fdb del " + mac + " dev " + vxlan + " self");
  on(1, "bridge fdb add 02:42:de:ad:00:01 dev " + vxlan + " dst 192.0.2.9 self permanent");
  start_netd(1);
  EXPECT_TRUE(within(10, [&] {
    const std::string now = on(1, entries);
    return now.find(mac + " dst 192.0.2.2") != std::string::npos &&
           now.find("de:ad") == std::string::npos;
  })) << on(1, entries);
  EXPECT_TRUE(
      within(5, [] { return attempt_in(1, "web", ping(address_of(2, "db"))).status == 0; }));
}

TEST_F(Faults, ALinkThatSomebodyDeletesIsMadeAgainAtTheNextStart) {
  stop_netd(1);
  on(1, "ip link delete $(ip -o link show type vxlan | grep -o 'nx[0-9a-f]*' | head -n 1)");
  start_netd(1);
  EXPECT_TRUE(
      within(10, [] { return attempt_in(1, "web", ping(address_of(2, "db"))).status == 0; }));
}

TEST_F(Faults, WithoutTheStoreContainersGoOnAndChangesAreRefused) {
  Pings stream = pings();
  cut_store(1);
  const auto started = std::chrono::steady_clock::now();
  const auto refused = attempt_on(1, "netctl sandbox create --network shop late");
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(8));
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.output, HasSubstr("cluster store"));
  on(1, "netctl network create local && netctl sandbox create --network local alone");
  EXPECT_EQ(stream.lost(), 0);
  // What leaves is gone at once, and told when the store answers.
  on(1, "netctl sandbox rm web");
  EXPECT_EQ(keys("/netd/v1/ip/").size(), 2u);
  EXPECT_TRUE(within(15, [] { return attempt_on(1, "netctl cluster status").status == 1; }));
  mend_store(1);
  EXPECT_TRUE(within(30, [] { return keys("/netd/v1/ip/").size() == 1; }));
  EXPECT_TRUE(within(20, [] { return creates(1, "late"); }));
  EXPECT_TRUE(hears(2, "db", "late"));
}

TEST_F(Faults, AStoreThatIsReplacedByAnEmptyOneIsNotBelieved) {
  Pings stream = pings();
  kill_member(1);
  shell("rm -rf /run/etcd1");
  start_member(1);
  const auto problem = [](int host) {
    return api(host, "/cluster").at("Problem").get<std::string>();
  };
  EXPECT_TRUE(within(30, [&] { return !problem(1).empty(); }));
  EXPECT_NE(attempt_on(1, "netctl sandbox create --network shop more").status, 0);
  stop_netd(1);
  start_netd(1);
  EXPECT_TRUE(within(10, [&] {
    return problem(1).find("the store was emptied") != std::string::npos;
  })) << problem(1);
  EXPECT_TRUE(knows(1, "shop"));
  EXPECT_THAT(keys("/netd/v1/"), IsEmpty()) << "nothing was written into the new store";
  EXPECT_EQ(stream.lost(), 0);
}

TEST_F(Faults, AClusterThatIsDeletedUnderItsHostsTakesNoChanges) {
  etcdctl("del --prefix /netd/v1/");
  EXPECT_TRUE(within(30, [] {
    return api(1, "/cluster").at("Problem").get<std::string>().find("the store was emptied") !=
           std::string::npos;
  })) << api(1, "/cluster");
  EXPECT_TRUE(knows(1, "shop"));
  EXPECT_NE(attempt_on(1, "netctl sandbox create --network shop more").status, 0);
  EXPECT_THAT(keys("/netd/v1/"), IsEmpty());
}

class FaultsOfThree : public Faults {
 protected:
  int members() const override { return 3; }
  static bool is_leader(int member) {
    const auto status = nlohmann::json::parse(etcdctl("endpoint status -w json", member));
    const auto& one = status.at(0).at("Status");
    return one.at("leader") == one.at("header").at("member_id");
  }
  /// A sandbox is asked for, of which nobody can say whether its address will be taken.
  void refuse_for_want_of_a_quorum() {
    member(2).pause();
    member(3).pause();
    const auto refused = attempt_on(1, "netctl sandbox create --network shop late");
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.output, HasSubstr("cluster"));
    member(2).go_on();
    member(3).go_on();
  }
};

TEST_F(FaultsOfThree, TheStoresLeaderIsKilledAndNothingIsNoticed) {
  Pings stream = pings();
  int killed = 1;
  while (killed < 3 && !is_leader(killed))
    ++killed;
  kill_member(killed);
  const auto started = std::chrono::steady_clock::now();
  ASSERT_TRUE(creates(1, "more"));
  RecordProperty("milliseconds",
                 static_cast<int>((std::chrono::steady_clock::now() - started).count() / 1000000));
  EXPECT_TRUE(hears(2, "db", "more"));
  EXPECT_EQ(stream.lost(), 0);
  start_member(killed);
}

TEST_F(FaultsOfThree, WithoutAQuorumAnUnknownOutcomeIsTakenBack) {
  Pings stream = pings();
  refuse_for_want_of_a_quorum();
  EXPECT_TRUE(within(30, [] { return creates(1, "late"); }));
  // etcd may make the first one now only, as it has a quorum again.
  EXPECT_TRUE(within(30, [] { return keys("/netd/v1/ip/").size() == 3; }))
      << "an address is left over";
  EXPECT_EQ(stream.lost(), 0);
}

TEST_F(FaultsOfThree, WhatComesOfALostAnswerMuchLaterIsTakenBackToo) {
  const std::regex in_doubt("did not answer.* endpoint=([0-9a-f]+) token=([0-9a-f]+)");
  std::string log;
  std::smatch asked;
  // A member that knows of no leader refuses, which leaves no doubt: so not all refusals do.
  for (int tries = 0; tries < 5 && !std::regex_search(log, asked, in_doubt); ++tries) {
    refuse_for_want_of_a_quorum();
    EXPECT_TRUE(within(30, [] { return keys("/netd/v1/ip/").size() == 2; }));
    log = log_of(1);
  }
  ASSERT_FALSE(asked.empty()) << log;
  const std::string id = api(1, "/sandboxes/web").at("Networks").at("shop").at("EndpointID");
  const auto all = keys("/netd/v1/ep/");
  const std::string web =
      *std::ranges::find_if(all, [&](const auto& key) { return key.ends_with(id); });
  const std::string late = web.substr(0, web.rfind('/') + 1) + asked.str(1);
  auto value = nlohmann::json::parse(etcdctl("get --print-value-only " + web));
  value.update({{"id", asked.str(1)}, {"token", asked.str(2)}});
  value.update({{"ipv4", "10.0.0.250/24"}, {"mac", "02:42:0a:00:00:fa"}});
  etcdctl("put " + late + " '" + value.dump() + "'");
  EXPECT_TRUE(within(30, [&] { return keys(late).empty(); }));
  EXPECT_TRUE(within(30, [] { return keys("/netd/v1/ip/").size() == 2; }));
}

}  // namespace
}  // namespace overlay
