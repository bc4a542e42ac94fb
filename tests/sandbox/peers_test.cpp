// The reconciler of remote endpoints: what it tells the kernel, in which order, and what it leaves.
#include "sandbox/peers.h"

#include <gmock/gmock.h>

#include "tests/sandbox/example_plans.h"
#include "tests/support/fake_kernel.h"
#include "tests/support/fake_peers.h"

namespace sandbox {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using tests::address;
using tests::mac;

const PeerLinks links{.bridge = 100, .vxlan = 101};
const ipam::Mac one = mac("02:42:0a:01:00:01");
const ipam::Mac two = mac("02:42:0a:01:00:02");
const ipam::Address here = address("192.0.2.1");
const ipam::Address there = address("192.0.2.2");

std::vector<std::string> texts(const std::vector<PeerChange>& changes) {
  std::vector<std::string> lines;
  for (const PeerChange& change : changes)
    lines.push_back(to_text(change));
  return lines;
}

Peer peer(const ipam::Mac& of, const ipam::Address& vtep, std::vector<const char*> addresses) {
  Peer result{.mac = of, .vtep = vtep};
  for (const char* text : addresses)
    result.addresses.push_back(address(text));
  return result;
}

class PeerTableTest : public ::testing::Test {
 protected:
  PeerTables& kernel() { return peers_.tables[links]; }

  tests::FakePeers peers_;
  PeerTable table_{peers_, links};
};

TEST(PeerDifference, IsEmptyWhereNothingDiffers) {
  PeerTables tables;
  tables.tunnels[one] = {{.vtep = here}};
  tables.forwards[one] = {};
  tables.neighbours[address("10.1.0.1")] = {.mac = one};
  EXPECT_THAT(difference(tables, tables), IsEmpty());
}

TEST(PeerDifference, LeavesWhatIsNotOurs) {
  PeerTables have;
  have.forwards[two] = {.sticky = false, .local = true};  // the vxlan link's own address
  have.neighbours[address("10.1.0.9")] = {.mac = two, .permanent = false};
  EXPECT_THAT(difference(have, {}), IsEmpty());
}

TEST(PeerDifference, ReplacesADestinationInOneMessage) {
  PeerTables have, want;
  have.tunnels[one] = {{.vtep = here}};
  want.tunnels[one] = {{.vtep = there}};
  EXPECT_THAT(texts(difference(have, want)),
              ElementsAre("put tunnel 02:42:0a:01:00:01 to 192.0.2.2"));
  have.tunnels[one] = {{.vtep = there, .permanent = false}};
  EXPECT_THAT(texts(difference(have, want)),
              ElementsAre("put tunnel 02:42:0a:01:00:01 to 192.0.2.2"));
}

TEST(PeerDifference, MakesAnewWhatHasAPortOrVniOfItsOwn) {
  PeerTables have, want;
  have.tunnels[one] = {{.vtep = here, .plain = false}};
  want.tunnels[one] = {{.vtep = here}};
  EXPECT_THAT(
      texts(difference(have, want)),
      ElementsAre("erase tunnel 02:42:0a:01:00:01", "put tunnel 02:42:0a:01:00:01 to 192.0.2.1"));
}

TEST(PeerDifference, RepairsEachKindOfEntry) {
  PeerTables have, want;
  have.forwards[one] = {.sticky = false};
  have.forwards[two] = {};
  have.neighbours[address("10.1.0.1")] = {.mac = one, .permanent = false};
  have.neighbours[address("10.1.0.2")] = {.mac = two};
  want.forwards[one] = {};
  want.neighbours[address("10.1.0.1")] = {.mac = one};
  EXPECT_THAT(
      texts(difference(have, want)),
      ElementsAre("put forward 02:42:0a:01:00:01", "put neighbour 10.1.0.1 at 02:42:0a:01:00:01",
                  "erase neighbour 10.1.0.2", "erase forward 02:42:0a:01:00:02"));
}

TEST_F(PeerTableTest, APeerIsThreeMessagesAndGoesTheOtherWayRound) {
  EXPECT_EQ(table_.put("a", peer(one, there, {"10.1.0.1"})).changed, 3u);
  EXPECT_EQ(peers_.take_log(),
            "put tunnel 02:42:0a:01:00:01 to 192.0.2.2\n"
            "put forward 02:42:0a:01:00:01\n"
            "put neighbour 10.1.0.1 at 02:42:0a:01:00:01\n");
  EXPECT_EQ(table_.erase("a").changed, 3u);
  EXPECT_EQ(peers_.take_log(),
            "erase neighbour 10.1.0.1\n"
            "erase forward 02:42:0a:01:00:01\n"
            "erase tunnel 02:42:0a:01:00:01\n");
  EXPECT_EQ(kernel(), PeerTables());
}

TEST_F(PeerTableTest, TheSameAgainIsNothing) {
  table_.put("a", peer(one, there, {"10.1.0.1", "fd00::1"}));
  EXPECT_EQ(table_.put("a", peer(one, there, {"10.1.0.1", "fd00::1"})).changed, 0u);
  EXPECT_EQ(table_.erase("b").changed, 0u);
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(PeerTableTest, APeerThatMovesToAnotherHostIsReplaced) {
  table_.put("a", peer(one, there, {"10.1.0.1"}));
  peers_.take_log();
  table_.put("a", peer(one, here, {"10.1.0.1"}));
  EXPECT_EQ(peers_.take_log(), "put tunnel 02:42:0a:01:00:01 to 192.0.2.1\n");
}

TEST_F(PeerTableTest, AForwardingEntryGoesWithItsLastUser) {
  table_.put("a", peer(one, there, {"10.1.0.1"}));
  table_.put("b", peer(one, there, {"10.1.0.2"}));
  peers_.take_log();
  table_.erase("a");
  EXPECT_EQ(peers_.take_log(), "erase neighbour 10.1.0.1\n");
  table_.erase("b");
  EXPECT_EQ(kernel(), PeerTables());
}

TEST_F(PeerTableTest, WhoCameLastCountsWhicheverNewsComesFirst) {
  // A container comes back on another host: its new endpoint is heard of before the old one's end.
  table_.put("old", peer(one, there, {"10.1.0.1"}));
  table_.put("new", peer(one, here, {"10.1.0.1"}));
  peers_.take_log();
  EXPECT_EQ(table_.erase("old").changed, 0u);
  EXPECT_EQ(kernel().tunnels.at(one).front().vtep, here);
}

TEST_F(PeerTableTest, TellsWhichAddressesHaveAnotherMac) {
  table_.put("a", peer(one, there, {"10.1.0.1", "10.1.0.2"}));
  EXPECT_THAT(table_.put("a", peer(two, there, {"10.1.0.1"})).moved,
              ElementsAre(MovedAddress{address("10.1.0.1"), two}));
  EXPECT_THAT(table_.put("b", peer(one, there, {"10.1.0.3"})).moved, IsEmpty());
}

TEST_F(PeerTableTest, AnnouncesMovedAddressesOnTheBridge) {
  tests::FakeKernel fake;
  announce(fake, links, {{address("10.1.0.1"), two}});
  ASSERT_EQ(fake.advertisements().size(), 1u);
  EXPECT_EQ(fake.advertisements().front().bridge_index, 100u);
  EXPECT_EQ(fake.advertisements().front().mac, two);
  EXPECT_THAT(fake.advertisements().front().addresses, ElementsAre(address("10.1.0.1")));
}

TEST_F(PeerTableTest, FloodsToEachHostOnce) {
  PeerTable table(peers_, links, true);
  table.put("a", peer(one, there, {}));
  table.put("b", peer(two, there, {}));
  EXPECT_EQ(peers_.take_log(),
            "append tunnel 00:00:00:00:00:00 to 192.0.2.2\n"
            "put tunnel 02:42:0a:01:00:01 to 192.0.2.2\n"
            "put forward 02:42:0a:01:00:01\n"
            "put tunnel 02:42:0a:01:00:02 to 192.0.2.2\n"
            "put forward 02:42:0a:01:00:02\n");
  table.put("b", peer(two, here, {}));
  EXPECT_EQ(peers_.take_log(),
            "append tunnel 00:00:00:00:00:00 to 192.0.2.1\n"
            "put tunnel 02:42:0a:01:00:02 to 192.0.2.1\n");
  EXPECT_EQ(table.audit().changed, 0u);
  table.erase("a");
  EXPECT_EQ(peers_.take_log(),
            "erase forward 02:42:0a:01:00:01\n"
            "erase tunnel 00:00:00:00:00:00 from 192.0.2.2\n"
            "erase tunnel 02:42:0a:01:00:01\n");
  table.erase("b");
  EXPECT_EQ(kernel(), PeerTables());
}

TEST_F(PeerTableTest, AFloodListThatIsNotWantedGoes) {
  kernel().tunnels[ipam::Mac()] = {{.vtep = here}, {.vtep = there}};
  EXPECT_EQ(table_.audit().changed, 1u);
  EXPECT_EQ(kernel(), PeerTables());
}

TEST_F(PeerTableTest, AssignErasesWhatItDoesNotNameAndTouchesNothingElse) {
  table_.put("a", peer(one, there, {"10.1.0.1"}));
  table_.put("b", peer(two, there, {"10.1.0.2"}));
  peers_.take_log();
  const std::vector<std::pair<std::string, Peer>> only_b{{"b", peer(two, there, {"10.1.0.2"})}};
  EXPECT_EQ(table_.difference(only_b).size(), 3u);
  EXPECT_EQ(peers_.take_log(), "");
  EXPECT_EQ(table_.assign(only_b).changed, 3u);
  EXPECT_EQ(peers_.take_log(),
            "erase neighbour 10.1.0.1\n"
            "erase forward 02:42:0a:01:00:01\n"
            "erase tunnel 02:42:0a:01:00:01\n");
}

TEST_F(PeerTableTest, AnAuditRepairsAndCounts) {
  table_.put("a", peer(one, there, {"10.1.0.1"}));
  table_.put("b", peer(two, there, {"10.1.0.2"}));
  EXPECT_EQ(table_.audit().changed, 0u);
  kernel().tunnels[one] = {{.vtep = here}};
  kernel().neighbours.erase(address("10.1.0.2"));
  kernel().forwards[mac("02:00:00:00:00:09")] = {};
  peers_.take_log();
  EXPECT_EQ(table_.audit().changed, 3u);
  EXPECT_EQ(peers_.take_log(),
            "put tunnel 02:42:0a:01:00:01 to 192.0.2.2\n"
            "put neighbour 10.1.0.2 at 02:42:0a:01:00:02\n"
            "erase forward 02:00:00:00:00:09\n");
}

TEST_F(PeerTableTest, AFailureIsToldAndTheRestIsDone) {
  peers_.fail_on = "put forward 02:42:0a:01:00:01";
  EXPECT_THAT(table_.put("a", peer(one, there, {"10.1.0.1"})).failures,
              ElementsAre("put forward 02:42:0a:01:00:01: Input/output error"));
  EXPECT_TRUE(table_.suspect());
  EXPECT_EQ(kernel().neighbours.size(), 1u);
  peers_.fail_on.clear();
  EXPECT_EQ(table_.audit().changed, 1u);
  EXPECT_FALSE(table_.suspect());
}

TEST_F(PeerTableTest, LostAnswersAreMadeGoodByReadingAgain) {
  peers_.lose_next = 1;
  const PeerReport report =
      table_.assign({{"a", peer(one, there, {"10.1.0.1"})}, {"b", peer(two, there, {"10.1.0.2"})}});
  EXPECT_FALSE(report.lost);
  EXPECT_EQ(report.changed, 9u);  // six, of which three were done, and three more
  EXPECT_EQ(kernel().neighbours.size(), 2u);
  EXPECT_EQ(table_.audit().changed, 0u);
  peers_.lose_next = 1;
  EXPECT_TRUE(table_.put("c", peer(mac("02:00:00:00:00:03"), there, {})).lost);
  EXPECT_TRUE(table_.suspect());
}

}  // namespace
}  // namespace sandbox
