#include "netd/cluster/mirror.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>

#include "tests/support/local_shared_store.h"

namespace {

using namespace netd;
using namespace netd::cluster;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using tests::LocalSharedStore;

/// The listener's thread: the test's own, which runs what was posted.
class Posted {
 public:
  void post(std::function<void()> act) {
    const std::lock_guard lock(mutex_);
    acts_.push_back(std::move(act));
    came_.notify_all();
  }
  /// Runs what comes until `done`; false: it took too long.
  bool run_until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!done()) {
      std::unique_lock lock(mutex_);
      if (!came_.wait_until(lock, end, [&] { return !acts_.empty(); })) return false;
      auto act = std::move(acts_.front());
      acts_.pop_front();
      lock.unlock();
      act();
    }
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<std::function<void()>> acts_;
};

class MirrorTest : public ::testing::Test {
 protected:
  std::unique_ptr<Mirror> mirror() {
    return std::make_unique<Mirror>(
        store_, "/c/", [this](std::function<void()> act) { posted_.post(std::move(act)); },
        workers_,
        Mirror::Listener{.replaced =
                             [this](const Snapshot& snapshot, bool confirmed) {
                               std::string text = confirmed ? "all again:" : "all:";
                               for (const Entry& entry : snapshot.entries)
                                 text += " " + entry.key + "=" + entry.value;
                               told_.push_back(text);
                               return accepts_ || confirmed;
                             },
                         .changed =
                             [this](const Watched& watched) {
                               told_.push_back(watched.change.key + "=" +
                                               watched.change.value.value_or("gone"));
                             },
                         .check =
                             [this] {
                               if (!is_right_)
                                 throw StoreError(StoreError::Kind::other_cluster, "another");
                             },
                         .failed = [this](const StoreError&) { ++failures_; }},
        Mirror::Pace{1ms, 5ms, 1ms});
  }
  void put(const std::string& key, std::optional<std::string> value) {
    store_.txn({}, {{key, std::move(value)}}, Durability::process);
  }
  bool hears(std::size_t number) {
    return posted_.run_until([&] { return told_.size() >= number; });
  }

  LocalSharedStore store_;
  Posted posted_;
  std::vector<std::string> told_;
  int failures_ = 0;
  bool accepts_ = true;
  std::atomic<bool> is_right_ = true;
  Workers workers_;
};

TEST_F(MirrorTest, TellsAllAndThenWhatChanges) {
  put("/c/a", "1");
  put("/d/a", "1");
  const auto mirrored = mirror();
  ASSERT_TRUE(hears(1));
  put("/c/b", "2");
  put("/d/b", "2");
  put("/c/a", std::nullopt);
  ASSERT_TRUE(hears(3));
  EXPECT_THAT(told_, ElementsAre("all: /c/a=1", "/c/b=2", "/c/a=gone"));
}

TEST_F(MirrorTest, AsksAgainUntilTheStoreAnswers) {
  store_.unreachable = true;
  const auto mirrored = mirror();
  ASSERT_TRUE(posted_.run_until([&] { return failures_ >= 3; }));
  store_.unreachable = false;
  ASSERT_TRUE(hears(1));
  EXPECT_THAT(told_, ElementsAre("all:"));
}

TEST_F(MirrorTest, ShowsTwiceWhatTheListenerDoubts) {
  accepts_ = false;
  put("/c/a", "1");
  const auto mirrored = mirror();
  ASSERT_TRUE(hears(2));
  EXPECT_THAT(told_, ElementsAre("all: /c/a=1", "all again: /c/a=1"));
  put("/c/a", "2");
  ASSERT_TRUE(hears(3));
}

TEST_F(MirrorTest, TellsNothingOfAStoreThatIsNotTheRightOne) {
  is_right_ = false;
  put("/c/a", "1");
  const auto mirrored = mirror();
  ASSERT_TRUE(posted_.run_until([&] { return failures_ >= 2; }));
  EXPECT_TRUE(told_.empty());
  is_right_ = true;
  ASSERT_TRUE(hears(1));
  EXPECT_THAT(told_, ElementsAre("all: /c/a=1"));
}

TEST_F(MirrorTest, TellsNothingOnceItIsGone) {
  auto mirrored = mirror();
  ASSERT_TRUE(hears(1));
  put("/c/a", "1");  // posted, not run yet
  mirrored.reset();
  put("/c/b", "1");
  posted_.post([this] { ++failures_; });
  ASSERT_TRUE(posted_.run_until([&] { return failures_ == 1; }));
  EXPECT_THAT(told_, ElementsAre("all:"));
}

TEST_F(MirrorTest, MayEndBeforeItBegan) {
  store_.unreachable = true;
  mirror().reset();
  workers_.stop();
  EXPECT_TRUE(told_.empty());
}

}  // namespace
