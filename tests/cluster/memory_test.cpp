#include "netd/cluster/memory.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/support/local_shared_store.h"

namespace {

using namespace netd;
using namespace netd::cluster;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using tests::LocalSharedStore;

Memory::Last last(std::chrono::seconds time) {
  return {.meta = {.cluster = "0123", .vxlan_port = 8472, .underlay = ipam::Family::v6},
          .contact = Memory::Clock::time_point(time)};
}

std::vector<std::string> recalled(const Memory& memory) {
  std::vector<std::string> texts;
  for (const Entry& entry : memory.recall())
    texts.push_back(entry.key + "=" + entry.value);
  return texts;
}

TEST(ClusterMemory, KnowsAfterItsEndWhatWasSaved) {
  LocalSharedStore store;
  {
    Memory memory(store);
    EXPECT_FALSE(memory.last());
    memory.note("/netd/v1/host/a/info", "of a");
    memory.note("/netd/v1/host/b/info", "of b");
    memory.note("/netd/v1/host/a/info", std::nullopt);
    EXPECT_THAT(recalled(memory), IsEmpty()) << "not a write for each change";
    memory.save(last(1000s));
  }
  const Memory again(store);
  EXPECT_THAT(recalled(again), ElementsAre("/netd/v1/host/b/info=of b"));
  EXPECT_EQ(again.last()->meta.cluster, "0123");
  EXPECT_EQ(again.last()->meta.vxlan_port, 8472);
  EXPECT_EQ(again.last()->meta.underlay, ipam::Family::v6);
  EXPECT_EQ(again.last()->contact.time_since_epoch(), 1000s);
}

TEST(ClusterMemory, WritesNothingWhereNothingHappensButTheTimeNowAndThen) {
  LocalSharedStore store;
  Memory memory(store);
  memory.save(last(1000s));
  const int before = store.transactions();
  memory.save(last(1005s));
  memory.save(last(1059s));
  EXPECT_EQ(store.transactions(), before);
  memory.save(last(1060s));
  EXPECT_EQ(store.transactions(), before + 1);
  EXPECT_EQ(memory.last()->contact.time_since_epoch(), 1060s);
}

TEST(ClusterMemory, IsBoundedWhereAGreatManyAreHeardAtOnce) {
  LocalSharedStore store;
  Memory memory(store);
  for (int i = 0; i < 2500; ++i)
    memory.note("/" + std::to_string(i), "x");
  EXPECT_EQ(store.transactions(), 2);
  EXPECT_EQ(memory.recall().size(), 2000u);
  memory.save(last(1000s));
  EXPECT_EQ(memory.recall().size(), 2500u);
}

TEST(ClusterMemory, WhatCanNotBeWrittenIsWrittenLater) {
  LocalSharedStore store;
  Memory memory(store);
  memory.note("/a", "1");
  store.unreachable = true;
  EXPECT_THROW(memory.save(last(1000s)), StoreError);
  store.unreachable = false;
  memory.save(last(1001s));
  EXPECT_THAT(recalled(memory), ElementsAre("/a=1"));
}

TEST(ClusterMemory, WhatCanNotBeReadIsNothing) {
  LocalSharedStore store;
  for (const char* text : {"", "{}", "[]", R"({"meta":"{}","contact":1})"}) {
    store.txn({}, {{"cluster/last", text}}, Durability::process);
    EXPECT_FALSE(Memory(store).last()) << text;
  }
}

}  // namespace
