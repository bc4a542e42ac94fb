// What becomes of calls when members die, hang, lose each other, are full, or are others.
#include <gmock/gmock.h>

#include <thread>

#include "tests/etcd/etcd_fixture.h"

namespace tests {
namespace {

using netd::Durability;
using netd::StoreError;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = StoreError::Kind;

class EtcdFaults : public EtcdTest {};

/// Puts until it is done; how often nobody knew is fine.
void insist(netd::Store& store, const std::string& key, const std::string& value) {
  for (int tries = 0; tries < 10; ++tries)
    try {
      EtcdTest::put(store, key, value);
      return;
    } catch (const StoreError& error) {
      EXPECT_THAT(error.kind, AnyOf(Kind::unknown, Kind::unreachable)) << error.what();
    }
  ADD_FAILURE() << "it was never made";
}

TEST_F(EtcdFaults, WritesGoOnSoonAfterTheLeaderIsKilled) {
  EtcdCluster cluster({.members = 3});
  const auto store = open(cluster);
  put(*store, "a", "1");
  const int leader = cluster.leader();
  cluster.kill(leader);
  EXPECT_LT(duration_of([&] { insist(*store, "a", "2"); }), seconds(4));
  EXPECT_EQ(store->get("a")->value, "2");
}

TEST_F(EtcdFaults, WritesGoOnWithoutAFollower) {
  EtcdCluster cluster({.members = 3});
  const auto store = open(cluster);
  put(*store, "a", "1");
  cluster.kill(cluster.follower());
  for (int i = 0; i < 20; ++i)
    insist(*store, "a", std::to_string(i));
  EXPECT_EQ(store->get("a")->value, "19");
}

TEST_F(EtcdFaults, WithoutAMajorityCallsEndWithinTheirDeadline) {
  EtcdCluster cluster({.members = 3});
  const auto store = open(cluster);
  put(*store, "a", "1");
  const int left = cluster.follower();
  for (int member = 1; member <= 3; ++member)
    if (member != left) cluster.pause(member);
  const auto written = duration_of([&] {
    const StoreError error = refusal([&] { put(*store, "a", "2"); });
    EXPECT_THAT(error.kind, AnyOf(Kind::unknown, Kind::unreachable)) << error.what();
  });
  EXPECT_LT(written, milliseconds(3500));
  const auto read = duration_of([&] {
    const StoreError error = refusal([&] { store->get("a"); });
    EXPECT_EQ(error.kind, Kind::unreachable) << error.what();
    EXPECT_THAT(error.what(), HasSubstr("has a majority of its members"));
  });
  EXPECT_LT(read, milliseconds(3500));
  for (int member = 1; member <= 3; ++member)
    if (member != left) cluster.go_on(member);
  insist(*store, "a", "3");
  EXPECT_EQ(store->get("a")->value, "3");
}

TEST_F(EtcdFaults, AConnectionThatIsRefusedIsUnreachableAtOnce) {
  const auto store = netd::open_etcd({.endpoints = {"http://127.0.0.1:2379"}});
  StoreError error(Kind::failed, "");
  const auto took = duration_of([&] { error = refusal([&] { put(*store, "a", "1"); }); });
  EXPECT_EQ(error.kind, Kind::unreachable);
  EXPECT_STREQ(error.what(),
               "write a: etcd at http://127.0.0.1:2379: Connection refused; nothing was changed. "
               "See that etcd runs, has a majority of its members, and can be reached from here");
  EXPECT_LT(took, seconds(2));
}

TEST_F(EtcdFaults, AnswersThatAreLostLeaveItUnknown) {
  EtcdCluster cluster({});
  const auto store = open(cluster);
  put(*store, "a", "1");
  cluster.pause(1);
  const StoreError error = refusal([&] { put(*store, "a", "2"); });
  EXPECT_EQ(error.kind, Kind::unknown);
  EXPECT_THAT(error.what(), HasSubstr("no answer in time; it may be made, even later"));
  cluster.go_on(1);
  cluster.await_health(1);
  EXPECT_THAT(store->get("a")->value, AnyOf("1", "2"));
}

TEST_F(EtcdFaults, AFullStoreStillDeletes) {
  EtcdCluster cluster({.flags = {"--quota-backend-bytes=4000000"}});
  const auto store = open(cluster);
  const auto lease = store->grant(seconds(60));
  const std::string megabyte(1'000'000, 'x');
  const StoreError error = refusal([&] {
    for (int i = 0; i < 20; ++i)
      put(*store, "big" + std::to_string(i), megabyte);
  });
  EXPECT_EQ(error.kind, Kind::full) << error.what();
  EXPECT_THAT(error.what(), HasSubstr("etcd is out of space: compact and defragment it"));
  EXPECT_TRUE(store->txn({}, {{"big0", std::nullopt}}, Durability::power));
  EXPECT_FALSE(store->get("big0"));
  store->keep_alive(lease);
  EXPECT_THAT(store->status().members.at(0).alarms, ElementsAre("NOSPACE"));
}

TEST_F(EtcdFaults, AnotherClusterAtTheSameAddressIsNotWrittenTo) {
  auto first = std::make_unique<EtcdCluster>(EtcdCluster::Options{});
  const auto store = open(*first);
  put(*store, "a", "1");
  first.reset();
  const EtcdCluster second({.token = "second"});
  StoreError error(Kind::failed, "");
  // The connection that broke may have to be tried again first.
  for (int tries = 0; tries < 50 && error.kind != Kind::other_cluster; ++tries) {
    error = refusal([&] { put(*store, "a", "2"); });
    std::this_thread::sleep_for(milliseconds(50));
  }
  EXPECT_EQ(error.kind, Kind::other_cluster) << error.what();
  EXPECT_FALSE(open(second)->get("a"));
}

TEST_F(EtcdFaults, TooManyChangesAreRefusedBeforeTheyAreSent) {
  EtcdCluster cluster({});
  const auto store = open(cluster);
  std::vector<netd::Change> changes;
  for (std::size_t i = 0; i <= netd::max_changes; ++i)
    changes.push_back({"key" + std::to_string(i), ""});
  const StoreError error = refusal([&] { store->txn({}, changes, Durability::power); });
  EXPECT_EQ(error.kind, Kind::failed);
  EXPECT_STREQ(error.what(), "write key0: 129 changes or compares at once, etcd takes 128");
  EXPECT_EQ(refusal([&] { put(*store, "big", std::string(3'000'000, 'x')); }).kind, Kind::failed);
}

TEST_F(EtcdFaults, StatusShowsEveryMember) {
  EtcdCluster cluster({.members = 3});
  const int leader = cluster.leader();
  const int dead = cluster.follower();
  cluster.kill(dead);
  const auto store = open(cluster);
  const auto status = store->status();
  EXPECT_FALSE(status.cluster.empty());
  ASSERT_EQ(status.members.size(), 3u);
  for (int member = 1; member <= 3; ++member) {
    const auto& shown = status.members[static_cast<std::size_t>(member - 1)];
    EXPECT_EQ(shown.endpoint, cluster.endpoint(member));
    EXPECT_EQ(shown.leader, member == leader);
    EXPECT_EQ(shown.problem, member == dead ? "Connection refused" : "");
    EXPECT_EQ(shown.version.substr(0, 2), member == dead ? "" : "3.");
    EXPECT_EQ(shown.bytes > 0, member != dead);
  }
}

TEST_F(EtcdFaults, AMissingModuleIsNamed) {
  setenv("NETD_MODULE_DIR", "/nowhere", 1);
  const StoreError error =
      refusal([] { netd::open_etcd({.endpoints = {"http://127.0.0.1:2379"}}); });
  EXPECT_EQ(error.kind, Kind::failed);
  EXPECT_THAT(error.what(), HasSubstr("/nowhere/netd-store-etcd.so"));
  EXPECT_THAT(error.what(), HasSubstr("install the package netd-store-etcd"));
}

TEST_F(EtcdFaults, AnEndpointWithoutASchemeIsRefused) {
  EXPECT_THROW(netd::open_etcd({.endpoints = {"127.0.0.1:2379"}}), std::invalid_argument);
  EXPECT_THROW(netd::open_etcd({}), std::invalid_argument);
}

}  // namespace
}  // namespace tests
