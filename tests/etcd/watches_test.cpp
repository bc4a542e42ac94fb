// What becomes of watches when their member dies, is cut off, has forgotten, or was set back.
#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "tests/etcd/etcd_fixture.h"

namespace tests {
namespace {

using netd::StoreError;
using netd::Watched;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = StoreError::Kind;

/// What a watch was told: values, in order.
class Heard {
 public:
  netd::Watcher watcher() {
    return {.changed =
                [this](const Watched& watched) {
                  note([&] { values_.push_back(watched.change.value.value_or("gone")); });
                },
            .ended = [this](const StoreError& error) { note([&] { end_ = error.kind; }); }};
  }
  /// Once the last value is that, or after a while.
  std::vector<std::string> until(const std::string& last) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, seconds(15),
                      [&] { return !values_.empty() && values_.back() == last; });
    return values_;
  }
  std::optional<Kind> end() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, seconds(15), [&] { return end_.has_value(); });
    return end_;
  }

 private:
  template <class Act>
  void note(const Act& act) {
    const std::lock_guard lock(mutex_);
    act();
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> values_;
  std::optional<Kind> end_;
};

class EtcdWatches : public EtcdTest {
 protected:
  /// "0", "1", … "COUNT - 1"
  static std::vector<std::string> numbers(int count) {
    std::vector<std::string> all;
    for (int i = 0; i < count; ++i)
      all.push_back(std::to_string(i));
    return all;
  }
};

TEST_F(EtcdWatches, GoOnElsewhereWhenTheirMemberIsKilled) {
  EtcdCluster cluster({.members = 3});
  const auto store = open(cluster);
  Heard heard;
  const auto watch = store->watch("a", 0, heard.watcher());
  const int member = cluster.watched();
  const int other = member % 3 + 1;
  for (int i = 0; i < 40; ++i) {
    if (i == 20) cluster.kill(member);
    // Of the cluster itself, so that nothing is written twice: its client retries what is safe.
    for (int tries = 0; tries < 5; ++tries)
      try {
        cluster.control("--command-timeout=2s put a " + std::to_string(i), other);
        break;
      } catch (const std::runtime_error&) {
        std::this_thread::sleep_for(milliseconds(200));
      }
  }
  auto told = heard.until("39");
  told.erase(std::unique(told.begin(), told.end()), told.end());
  EXPECT_EQ(told, numbers(40));
}

TEST_F(EtcdWatches, GoOnElsewhereWhenTheirMemberIsCutFromTheOthers) {
  EtcdCluster cluster({.members = 3});
  const auto store = open(cluster);
  Heard heard;
  const auto watch = store->watch("a", 0, heard.watcher());
  put(*store, "a", "0");
  heard.until("0");
  const int member = cluster.watched();
  cluster.isolate(member);
  const int other = member % 3 + 1;
  cluster.await_health(other);
  cluster.control("--command-timeout=8s put a 1", other);
  EXPECT_EQ(heard.until("1"), numbers(2));
  EXPECT_EQ(cluster.control("get a --consistency=s --print-value-only", member), "0\n");
}

TEST_F(EtcdWatches, GoOnWhenTheOnlyMemberComesBack) {
  EtcdCluster cluster({});
  const auto store = open(cluster);
  Heard heard;
  const auto watch = store->watch("a", 0, heard.watcher());
  put(*store, "a", "0");
  heard.until("0");
  cluster.kill(1);
  cluster.start(1);
  cluster.await_health(1);
  cluster.control("put a 1");
  EXPECT_EQ(heard.until("1"), numbers(2));
}

TEST_F(EtcdWatches, EndWhenWhatTheyMissedIsCompacted) {
  EtcdCluster cluster({});
  const auto store = open(cluster);
  Heard heard;
  const auto watch = store->watch("a", 0, heard.watcher());
  put(*store, "a", "0");
  heard.until("0");
  cluster.kill(1);
  cluster.start(1, true);
  cluster.await_health(1);
  for (const char* command : {"put a 1", "put a 2", "compact 4"})
    cluster.control(command);
  cluster.kill(1);
  cluster.start(1);
  EXPECT_EQ(heard.end(), Kind::compacted);
  EXPECT_EQ(heard.until("0"), numbers(1));
}

TEST_F(EtcdWatches, EndWhenEtcdIsSetBackToABackup) {
  EtcdCluster cluster({});
  const auto store = open(cluster);
  put(*store, "a", "0");
  cluster.control("snapshot save /run/backup");
  Heard heard;
  const auto watch = store->watch("a", 0, heard.watcher());
  put(*store, "a", "1");
  heard.until("1");
  cluster.kill(1);
  cluster.forget(1);
  cluster.control("snapshot restore /run/backup --data-dir=" + cluster.data_of(1) + " " +
                  cluster.initial_flags(1));
  cluster.start(1);
  EXPECT_EQ(heard.end(), Kind::compacted);
  EXPECT_EQ(store->snapshot("a").entries.at(0).value, "0");
  Heard again;
  const auto watch_again = store->watch("a", 0, again.watcher());
  put(*store, "a", "2");
  EXPECT_EQ(again.until("2"), std::vector<std::string>{"2"});
}

TEST_F(EtcdWatches, EndWhenAnotherClusterTakesThePlace) {
  auto first = std::make_unique<EtcdCluster>(EtcdCluster::Options{});
  const auto store = open(*first);
  Heard heard;
  const auto watch = store->watch("a", 0, heard.watcher());
  first.reset();
  const EtcdCluster second({.token = "second"});
  EXPECT_EQ(heard.end(), Kind::other_cluster);
}

TEST_F(EtcdWatches, HearOfChangesThatComeInFragments) {
  EtcdCluster cluster({});
  const auto store = open(cluster);
  const auto before = store->snapshot("").revision;
  for (int i = 0; i < 8; ++i)
    put(*store, "a", std::to_string(i) + std::string(1'000'000, 'x'));
  put(*store, "a", "last");
  Heard heard;
  const auto watch = store->watch("a", before, heard.watcher());
  const auto told = heard.until("last");
  ASSERT_EQ(told.size(), 9u);
  for (std::size_t i = 0; i < 8; ++i)
    EXPECT_EQ(told[i].substr(0, 2), std::to_string(i) + "x");
}

TEST_F(EtcdWatches, EndingOneWaitsForItsCallback) {
  EtcdCluster cluster({});
  const auto store = open(cluster);
  std::promise<void> running, release;
  std::atomic<bool> done = false;
  auto watch = store->watch("a", 0, {.changed = [&](const Watched&) {
                              running.set_value();
                              release.get_future().wait();
                              done = true;
                            }});
  put(*store, "a", "1");
  running.get_future().wait();
  auto was_done = std::async(std::launch::async, [&] {
    watch.reset();
    return done.load();
  });
  release.set_value();
  EXPECT_TRUE(was_done.get());
}

TEST_F(EtcdWatches, ThousandsShareAStream) {
  EtcdCluster cluster({});
  const auto store = open(cluster);
  std::atomic<int> told = 0;
  std::promise<void> all;
  std::vector<std::shared_ptr<void>> watches;
  const auto since = store->snapshot("").revision;
  for (int i = 0; i < 2000; ++i)
    watches.push_back(
        store->watch("net/" + std::to_string(i) + "/", since, {.changed = [&](const Watched&) {
                       if (++told == 20) all.set_value();
                     }}));
  for (int i = 0; i < 2000; i += 100)
    put(*store, "net/" + std::to_string(i) + "/x", "1");
  EXPECT_EQ(all.get_future().wait_for(seconds(15)), std::future_status::ready) << told << " heard";
  watches.clear();
  EXPECT_EQ(told, 20);
}

}  // namespace
}  // namespace tests
