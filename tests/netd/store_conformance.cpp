#include "tests/netd/store_conformance.h"

#include <gmock/gmock.h>

#include <atomic>
#include <stdexcept>

namespace tests {
namespace {

using netd::Durability;
using netd::Revision;
using netd::StoreError;
using netd::Watched;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using std::chrono::seconds;
using Texts = std::vector<std::string>;

Texts keys_of(const std::vector<netd::Entry>& entries) {
  Texts keys;
  for (const auto& entry : entries)
    keys.push_back(entry.key);
  return keys;
}

/// The kind of the StoreError that `act` throws.
StoreError::Kind refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const StoreError& error) {
    return error.kind;
  }
  throw std::runtime_error("it was not refused");
}

TEST_P(StoreConformance, KnowsNothingAtFirst) {
  EXPECT_EQ(show("a"), "none");
  EXPECT_THAT(store_->list(""), IsEmpty());
}

TEST_P(StoreConformance, GivesBackWhatWasPut) {
  put("networks/1", "{}");
  EXPECT_EQ(show("networks/1"), "networks/1={}@1");
}

TEST_P(StoreConformance, KeepsAnEmptyValueApartFromNone) {
  put("a", "");
  EXPECT_EQ(show("a"), "a=@1");
}

TEST_P(StoreConformance, KeepsEveryByteOfKeysAndValues) {
  const std::string bytes("\0\xff\n\"'", 5);
  put("k" + bytes, bytes);
  const auto entry = store_->get("k" + bytes);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->value, bytes);
  EXPECT_EQ(keys_of(store_->list("k" + bytes)), Texts{"k" + bytes});
}

TEST_P(StoreConformance, KeepsAValueOfAMegabyte) {
  put("a", std::string(1'000'000, 'x'));
  EXPECT_EQ(store_->get("a")->value.size(), 1'000'000u);
}

TEST_P(StoreConformance, RevisionsRiseByOneATransaction) {
  EXPECT_EQ(put("a", "1"), 1);
  EXPECT_EQ(put("b", "1"), 2);
  EXPECT_EQ(erase("a"), 3);
}

TEST_P(StoreConformance, AnEntryCarriesTheRevisionOfItsLastWrite) {
  put("a", "1");
  put("b", "1");
  put("a", "2");
  EXPECT_EQ(show("a"), "a=2@3");
  EXPECT_EQ(show("b"), "b=1@2");
}

TEST_P(StoreConformance, DeletingAnAbsentKeyIsFine) {
  EXPECT_TRUE(make({}, {{"a", std::nullopt}}));
  EXPECT_EQ(show("a"), "none");
}

TEST_P(StoreConformance, ATransactionOfNothingIsMade) {
  EXPECT_TRUE(make({}, {}));
}

TEST_P(StoreConformance, MakesTheChangesOfATransactionInOrder) {
  make({}, {{"a", "1"}, {"a", std::nullopt}, {"b", "1"}, {"b", "2"}});
  EXPECT_EQ(show("a"), "none");
  EXPECT_EQ(show("b"), "b=2@1");
}

TEST_P(StoreConformance, MakesAsManyChangesAtOnceAsItMay) {
  std::vector<netd::Change> changes;
  for (std::size_t i = 0; i < netd::max_changes; ++i)
    changes.push_back({"key" + std::to_string(i), "value"});
  EXPECT_EQ(relative(make({}, changes)), 1);
  EXPECT_EQ(store_->list("key").size(), netd::max_changes);
}

TEST_P(StoreConformance, ListsByPrefixInOrderOfKeys) {
  for (const char* key : {"b/2", "a/1", "b/10", "b", "c", "b/1", "b0"})
    put(key, "");
  EXPECT_THAT(keys_of(store_->list("b/")), ElementsAre("b/1", "b/10", "b/2"));
  EXPECT_THAT(keys_of(store_->list("")), ElementsAre("a/1", "b", "b/1", "b/10", "b/2", "b0", "c"));
  EXPECT_THAT(store_->list("d"), IsEmpty());
}

TEST_P(StoreConformance, APrefixMayEndInTheHighestByte) {
  put("\xff\xff", "");
  put("\xfe", "");
  EXPECT_THAT(keys_of(store_->list("\xff")), ElementsAre("\xff\xff"));
}

TEST_P(StoreConformance, ASnapshotHasTheRevisionOfAllItsEntries) {
  put("net/1", "x");
  put("other", "x");
  const auto snapshot = store_->snapshot("net/");
  EXPECT_EQ(snapshot.revision, at(2));
  EXPECT_THAT(show(snapshot.entries), ElementsAre("net/1=x@1"));
}

TEST_P(StoreConformance, ASnapshotHasThousandsOfEntries) {
  for (int batch = 0; batch < 25; ++batch) {
    std::vector<netd::Change> changes;
    for (int i = 100; i < 200; ++i)
      changes.push_back({"k/" + std::to_string(batch) + "/" + std::to_string(i), "v"});
    make({}, changes);
  }
  const auto snapshot = store_->snapshot("k/");
  ASSERT_EQ(snapshot.entries.size(), 2500u);
  EXPECT_EQ(show(snapshot.entries[0]), "k/0/100=v@1");
  EXPECT_EQ(show(snapshot.entries[2499]), "k/9/199=v@10");
  EXPECT_EQ(snapshot.revision, at(25));
}

TEST_P(StoreConformance, CompareHoldsAtTheEntrysRevision) {
  put("a", "1");
  EXPECT_EQ(relative(make({{"a", at(1)}}, {{"a", "2"}})), 2);
  EXPECT_EQ(show("a"), "a=2@2");
}

TEST_P(StoreConformance, ACompareThatDoesNotHoldChangesNothing) {
  put("a", "1");
  put("a", "2");
  EXPECT_FALSE(make({{"a", at(1)}}, {{"a", "3"}, {"b", "3"}}));
  EXPECT_EQ(show("a"), "a=2@2");
  EXPECT_EQ(show("b"), "none");
  EXPECT_EQ(put("c", ""), 3) << "the refused transaction has no revision";
}

TEST_P(StoreConformance, AllComparesHaveToHold) {
  put("a", "1");
  EXPECT_FALSE(make({{"a", at(1)}, {"b", at(7)}}, {{"a", "2"}}));
  EXPECT_EQ(show("a"), "a=1@1");
}

TEST_P(StoreConformance, RevisionZeroComparesAbsence) {
  EXPECT_EQ(relative(make({{"a", 0}}, {{"a", "1"}})), 1);
  EXPECT_FALSE(make({{"a", 0}}, {{"a", "2"}}));
  erase("a");
  EXPECT_EQ(relative(make({{"a", 0}}, {{"a", "3"}})), 3);
}

TEST_P(StoreConformance, APrefixComparesThatNoKeyBeginsSo) {
  put("net/12", "x");
  put("neu", "x");
  EXPECT_FALSE(make({{.key = "net/1", .prefix = true}}, {{"b", ""}}));
  EXPECT_TRUE(make({{.key = "net/2", .prefix = true}}, {{"b", ""}}));
  EXPECT_FALSE(make({{.key = "", .prefix = true}}, {{"b", ""}}));
  erase("net/12");
  EXPECT_TRUE(make({{.key = "net/", .prefix = true}}, {{"b", ""}}));
}

TEST_P(StoreConformance, ARefusalSaysWhatThereIsOfTheKeysCompared) {
  put("a", "1");
  put("net/2", "2");
  put("net/1", "3");
  const auto outcome =
      make({{"a", at(1)}, {"b", 0}, {.key = "net/", .prefix = true}}, {{"a", "changed"}});
  EXPECT_FALSE(outcome);
  EXPECT_THAT(show(outcome.found), ElementsAre("a=1@1", "net/1=3@3"));
}

TEST_P(StoreConformance, EntriesAndRevisionsOutliveTheStore) {
  put("a", "1");
  store_->txn({}, {{"b", "2"}}, Durability::power);
  erase("a");
  reopen();
  EXPECT_EQ(show("a"), "none");
  EXPECT_EQ(show("b"), "b=2@2");
  EXPECT_EQ(put("c", "3"), 4);
}

TEST_P(StoreConformance, AWatchHearsChangesBelowItsPrefixInOrder) {
  Notes notes(base_);
  const auto handle = watch("net/", 0, notes);
  put("net/1", "x");
  put("other", "x");
  make({}, {{"net/2", "y"}, {"net/1", std::nullopt}});
  EXPECT_THAT(notes.first(3), ElementsAre("1 net/1=x", "3 net/2=y", "3 net/1 gone"));
}

TEST_P(StoreConformance, AWatchFromNowHearsNothingOfBefore) {
  put("a", "1");
  Notes notes(base_);
  const auto handle = watch("", 0, notes);
  put("a", "2");
  EXPECT_THAT(notes.first(1), ElementsAre("2 a=2"));
}

TEST_P(StoreConformance, AWatchFromARevisionHearsWhatCameAfterIt) {
  put("a", "1");
  put("a", "2");
  put("a", "3");
  Notes notes(base_);
  const auto handle = watch("", at(1), notes);
  put("a", "4");
  EXPECT_THAT(notes.first(3), ElementsAre("2 a=2", "3 a=3", "4 a=4"));
}

TEST_P(StoreConformance, AWatchSinceASnapshotMissesNothing) {
  put("a", "1");
  const Revision since = store_->snapshot("").revision;
  put("a", "2");
  Notes notes(base_);
  const auto handle = watch("", since, notes);
  EXPECT_THAT(notes.first(1), ElementsAre("2 a=2"));
}

TEST_P(StoreConformance, AWatchHearsOfMegabytes) {
  Notes notes(base_);
  const auto handle = watch("big/", 0, notes);
  for (int i = 0; i < 5; ++i)
    put("big/" + std::to_string(i), std::string(1'000'000, 'x'));
  const auto told = notes.first(5);
  ASSERT_EQ(told.size(), 5u);
  EXPECT_EQ(told.front().size(), std::string("1 big/0=").size() + 1'000'000);
  EXPECT_EQ(told.back().size(), std::string("5 big/4=").size() + 1'000'000);
}

TEST_P(StoreConformance, AWatchDoesNotHearOfWhatChangedNothing) {
  put("a", "1");
  Notes notes(base_);
  const auto handle = watch("", 0, notes);
  erase("absent");
  make({{"a", at(7)}}, {{"a", "2"}});
  put("last", "");
  const auto told = notes.first(1);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_THAT(told[0], ::testing::EndsWith(" last="));
}

TEST_P(StoreConformance, EachWatchHearsItsOwn) {
  Notes first(base_);
  Notes second(base_);
  const auto first_watch = watch("a", 0, first);
  const auto second_watch = watch("b", 0, second);
  make({}, {{"a", "1"}, {"b", "1"}});
  put("b", "2");
  EXPECT_THAT(first.first(1), ElementsAre("1 a=1"));
  EXPECT_THAT(second.first(2), ElementsAre("1 b=1", "2 b=2"));
}

TEST_P(StoreConformance, AWatchEndsWithItsHandle) {
  Notes notes(base_);
  Notes others(base_);
  auto handle = watch("", 0, notes);
  const auto other = watch("", 0, others);
  put("a", "1");
  EXPECT_THAT(notes.first(1), ElementsAre("1 a=1"));
  handle.reset();
  put("a", "2");
  others.first(2);
  EXPECT_THAT(notes.all(), ElementsAre("1 a=1"));
}

TEST_P(StoreConformance, AWatchMayEndItself) {
  std::mutex mutex;  // the callback may come before `handle` is assigned
  std::condition_variable called;
  Notes others(base_);
  std::shared_ptr<void> handle;
  int calls = 0;
  std::unique_lock lock(mutex);
  handle = store_->watch("", 0, {.changed = [&](const Watched&) {
                           const std::lock_guard assigned(mutex);
                           ++calls;
                           called.notify_all();
                           handle.reset();
                         }});
  lock.unlock();
  const auto other = watch("", 0, others);
  make({}, {{"a", "1"}, {"b", "2"}});
  put("c", "3");
  others.first(3);
  std::unique_lock counted(mutex);  // who watches the same is not told in any order
  EXPECT_TRUE(called.wait_for(counted, std::chrono::seconds(10), [&] { return calls > 0; }));
  EXPECT_EQ(calls, 1);
}

TEST_P(StoreConformance, ACallbackThatThrowsEndsItsWatchAndHurtsNobody) {
  Notes notes(base_);
  Notes ending(base_);
  std::atomic<int> calls = 0;
  auto watcher = ending.watcher();
  watcher.changed = [&](const Watched&) {
    ++calls;
    throw std::runtime_error("no");
  };
  const auto throwing = store_->watch("", 0, watcher);
  const auto handle = watch("", 0, notes);
  EXPECT_EQ(put("a", "1"), 1);
  EXPECT_EQ(put("a", "2"), 2);
  EXPECT_EQ(ending.await_end(), StoreError::Kind::failed);
  EXPECT_THAT(notes.first(2), ElementsAre("1 a=1", "2 a=2"));
  EXPECT_EQ(calls, 1);
}

TEST_P(StoreConformance, AWatchIsToldHowFarItIs) {
  Notes notes(base_);
  const auto handle = watch("net/", 0, notes);
  put("net/1", "x");
  put("other", "x");
  notes.await_progress(at(2));
  EXPECT_THAT(notes.all(), ElementsAre("1 net/1=x"));
}

TEST_P(StoreConformance, AWatchOfForgottenRevisionsEnds) {
  put("a", "1");
  put("a", "2");
  put("a", "3");
  home_->forget_history(at(3));
  reopen();
  Notes notes(base_);
  const auto kind = [&] {
    try {
      const auto handle = watch("", at(1), notes);
      return notes.await_end();
    } catch (const StoreError& error) {
      return error.kind;
    }
  }();
  EXPECT_EQ(kind, StoreError::Kind::compacted);
  EXPECT_THAT(notes.all(), IsEmpty());
  const auto handle = watch("", at(3), notes);
  put("a", "4");
  EXPECT_THAT(notes.first(1), ElementsAre("4 a=4"));
}

TEST_P(StoreConformance, AHandleMayOutliveTheStore) {
  const auto handle = store_->watch("", 0, {.changed = [](const Watched&) {}});
  store_.reset();
}

TEST_P(StoreConformance, RevokingALeaseDeletesItsKeys) {
  const auto lease = store_->grant(seconds(60));
  Notes notes(base_);
  const auto handle = watch("", 0, notes);
  put("live", "x", lease);
  put("other", "x");
  store_->revoke(lease);
  EXPECT_EQ(show("live"), "none");
  EXPECT_EQ(show("other"), "other=x@2");
  EXPECT_THAT(notes.first(3), ElementsAre("1 live=x", "2 other=x", "3 live gone"));
  store_->revoke(lease);
}

TEST_P(StoreConformance, ALeaseThatIsNotKeptAliveRunsOut) {
  const auto lease = store_->grant(seconds(2));
  put("live", "x", lease);
  for (int waited = 0; waited < 15 && store_->get("live"); ++waited)
    home_->pass(seconds(1));
  EXPECT_EQ(show("live"), "none");
  EXPECT_EQ(refusal([&] { store_->keep_alive(lease); }), StoreError::Kind::no_lease);
  EXPECT_EQ(refusal([&] { put("live", "y", lease); }), StoreError::Kind::no_lease);
  EXPECT_EQ(show("live"), "none");
  store_->revoke(lease);
}

TEST_P(StoreConformance, ALeaseThatIsKeptAliveGoesOn) {
  const auto lease = store_->grant(seconds(3));
  put("live", "x", lease);
  for (int i = 0; i < 4; ++i) {
    home_->pass(seconds(1));
    store_->keep_alive(lease);
  }
  EXPECT_EQ(show("live"), "live=x@1");
}

TEST_P(StoreConformance, PuttingWithoutALeaseTakesItAway) {
  const auto lease = store_->grant(seconds(60));
  put("a", "x", lease);
  put("a", "y");
  store_->revoke(lease);
  EXPECT_EQ(show("a"), "a=y@2");
}

TEST_P(StoreConformance, LeasesAndTheirKeysOutliveTheStore) {
  const auto lease = store_->grant(seconds(60));
  put("live", "x", lease);
  reopen();
  store_->keep_alive(lease);
  EXPECT_EQ(show("live"), "live=x@1");
  store_->revoke(lease);
  EXPECT_EQ(show("live"), "none");
}

}  // namespace

netd::Watcher Notes::watcher() {
  const auto note = [this](const auto& change) {
    {
      const std::lock_guard lock(mutex_);
      change();
    }
    changed_.notify_all();
  };
  return {.changed =
              [=, this](const Watched& watched) {
                note([&] {
                  notes_.push_back(std::to_string(watched.revision - base_) + " " +
                                   watched.change.key +
                                   (watched.change.value ? "=" + *watched.change.value : " gone"));
                });
              },
          .progressed = [=, this](Revision to) { note([&] { progress_ = to; }); },
          .ended = [=, this](const StoreError& error) { note([&] { end_ = error.kind; }); }};
}

void Notes::wait_until(const std::function<bool()>& done) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, seconds(10), done);
}

Texts Notes::first(std::size_t count) {
  wait_until([&] { return notes_.size() >= count; });
  return all();
}

Texts Notes::all() {
  const std::lock_guard lock(mutex_);
  return notes_;
}

void Notes::await_progress(Revision revision) {
  wait_until([&] { return progress_ >= revision; });
  const std::lock_guard lock(mutex_);
  EXPECT_GE(progress_, revision);
}

StoreError::Kind Notes::await_end() {
  wait_until([&] { return end_.has_value(); });
  const std::lock_guard lock(mutex_);
  if (!end_) throw std::runtime_error("the watch has not ended");
  return *end_;
}

}  // namespace tests
