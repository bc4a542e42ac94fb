#include "tests/netd/store_conformance.h"

#include <gmock/gmock.h>

#include <stdexcept>

namespace tests {
namespace {

using netd::Change;
using netd::Durability;
using netd::Revision;
using netd::Watched;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Texts = std::vector<std::string>;

/// A watch's callback that notes "revision key=value" or "revision key gone".
netd::Store::Callback note_in(Texts& notes) {
  return [&notes](const Watched& watched) {
    notes.push_back(std::to_string(watched.revision) + " " + watched.change.key +
                    (watched.change.value ? "=" + *watched.change.value : " gone"));
  };
}

Texts keys_of(const std::vector<netd::Entry>& entries) {
  Texts keys;
  for (const auto& entry : entries)
    keys.push_back(entry.key);
  return keys;
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

TEST_P(StoreConformance, KeepsAValueOfMegabytes) {
  put("a", std::string(3'000'000, 'x'));
  EXPECT_EQ(store_->get("a")->value.size(), 3'000'000u);
}

TEST_P(StoreConformance, RevisionsRiseByOneATransaction) {
  EXPECT_EQ(put("a", "1"), 1);
  EXPECT_EQ(put("b", "1"), 2);
  EXPECT_EQ(erase("a"), 3);
  EXPECT_EQ(store_->txn({}, {}, Durability::process), 4);
}

TEST_P(StoreConformance, AnEntryCarriesTheRevisionOfItsLastWrite) {
  put("a", "1");
  put("b", "1");
  put("a", "2");
  EXPECT_EQ(show("a"), "a=2@3");
  EXPECT_EQ(show("b"), "b=1@2");
}

TEST_P(StoreConformance, DeletingAnAbsentKeyIsFine) {
  EXPECT_EQ(erase("a"), 1);
  EXPECT_EQ(show("a"), "none");
}

TEST_P(StoreConformance, MakesTheChangesOfATransactionInOrder) {
  store_->txn({}, {{"a", "1"}, {"a", std::nullopt}, {"b", "1"}, {"b", "2"}}, Durability::process);
  EXPECT_EQ(show("a"), "none");
  EXPECT_EQ(show("b"), "b=2@1");
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

TEST_P(StoreConformance, CompareHoldsAtTheEntrysRevision) {
  put("a", "1");
  EXPECT_EQ(store_->txn({{"a", 1}}, {{"a", "2"}}, Durability::process), 2);
  EXPECT_EQ(show("a"), "a=2@2");
}

TEST_P(StoreConformance, ACompareThatDoesNotHoldChangesNothing) {
  put("a", "1");
  put("a", "2");
  EXPECT_EQ(store_->txn({{"a", 1}}, {{"a", "3"}, {"b", "3"}}, Durability::process), std::nullopt);
  EXPECT_EQ(show("a"), "a=2@2");
  EXPECT_EQ(show("b"), "none");
  EXPECT_EQ(put("c", ""), 3) << "the refused transaction has no revision";
}

TEST_P(StoreConformance, AllComparesHaveToHold) {
  put("a", "1");
  EXPECT_EQ(store_->txn({{"a", 1}, {"b", 7}}, {{"a", "2"}}, Durability::process), std::nullopt);
  EXPECT_EQ(show("a"), "a=1@1");
}

TEST_P(StoreConformance, RevisionZeroComparesAbsence) {
  EXPECT_EQ(store_->txn({{"a", 0}}, {{"a", "1"}}, Durability::process), 1);
  EXPECT_EQ(store_->txn({{"a", 0}}, {{"a", "2"}}, Durability::process), std::nullopt);
  erase("a");
  EXPECT_EQ(store_->txn({{"a", 0}}, {{"a", "3"}}, Durability::process), 3);
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
  Texts notes;
  const auto watch = store_->watch("net/", 0, note_in(notes));
  put("net/1", "x");
  put("other", "x");
  store_->txn({}, {{"net/2", "y"}, {"net/1", std::nullopt}}, Durability::power);
  EXPECT_THAT(notes, ElementsAre("1 net/1=x", "3 net/2=y", "3 net/1 gone"));
}

TEST_P(StoreConformance, AWatchFromNowHearsNothingOfBefore) {
  put("a", "1");
  Texts notes;
  const auto watch = store_->watch("", 0, note_in(notes));
  EXPECT_THAT(notes, IsEmpty());
}

TEST_P(StoreConformance, AWatchFromARevisionHearsWhatCameAfterIt) {
  put("a", "1");
  put("a", "2");
  put("a", "3");
  Texts notes;
  const auto watch = store_->watch("", 1, note_in(notes));
  put("a", "4");
  EXPECT_THAT(notes, ElementsAre("2 a=2", "3 a=3", "4 a=4"));
}

TEST_P(StoreConformance, AWatchDoesNotHearOfDeletingAnAbsentKey) {
  Texts notes;
  const auto watch = store_->watch("", 0, note_in(notes));
  erase("a");
  EXPECT_THAT(notes, IsEmpty());
}

TEST_P(StoreConformance, AWatchDoesNotHearOfARefusedTransaction) {
  put("a", "1");
  Texts notes;
  const auto watch = store_->watch("", 0, note_in(notes));
  store_->txn({{"a", 7}}, {{"a", "2"}}, Durability::process);
  EXPECT_THAT(notes, IsEmpty());
}

TEST_P(StoreConformance, AWatchEndsWithItsHandle) {
  Texts notes;
  auto watch = store_->watch("", 0, note_in(notes));
  put("a", "1");
  watch.reset();
  put("a", "2");
  EXPECT_THAT(notes, ElementsAre("1 a=1"));
}

TEST_P(StoreConformance, AWatchMayEndItself) {
  Texts notes;
  std::shared_ptr<void> watch;
  watch = store_->watch("", 0, [&](const Watched& watched) {
    note_in(notes)(watched);
    watch.reset();
  });
  store_->txn({}, {{"a", "1"}, {"b", "2"}}, Durability::process);
  EXPECT_THAT(notes, ElementsAre("1 a=1"));
}

TEST_P(StoreConformance, ACallbackMayWriteAndEveryWatchStillHearsInOrder) {
  Texts first;
  Texts second;
  const auto writing = store_->watch("", 0, [&](const Watched& watched) {
    note_in(first)(watched);
    if (watched.change.key == "a") put("b", "from the callback");
  });
  const auto reading = store_->watch("", 0, note_in(second));
  put("a", "1");
  EXPECT_THAT(first, ElementsAre("1 a=1", "2 b=from the callback"));
  EXPECT_THAT(second, ElementsAre("1 a=1", "2 b=from the callback"));
}

TEST_P(StoreConformance, ACallbackThatThrowsIsCalledNoMoreAndHurtsNobody) {
  Texts notes;
  int calls = 0;
  const auto throwing = store_->watch("", 0, [&](const Watched&) {
    ++calls;
    throw std::runtime_error("no");
  });
  const auto watch = store_->watch("", 0, note_in(notes));
  EXPECT_EQ(put("a", "1"), 1);
  EXPECT_EQ(put("a", "2"), 2);
  EXPECT_EQ(calls, 1);
  EXPECT_THAT(notes, ElementsAre("1 a=1", "2 a=2"));
}

TEST_P(StoreConformance, AWatchOfForgottenRevisionsIsRefused) {
  put("a", "1");
  put("a", "2");
  reopen();
  EXPECT_THROW(store_->watch("", 1, [](const Watched&) {}), std::out_of_range);
  Texts notes;
  const auto watch = store_->watch("", 2, note_in(notes));
  put("a", "3");
  EXPECT_THAT(notes, ElementsAre("3 a=3"));
}

TEST_P(StoreConformance, AHandleMayOutliveTheStore) {
  const auto watch = store_->watch("", 0, [](const Watched&) {});
  store_.reset();
}

}  // namespace
}  // namespace tests
