// The kernel's tables of remote endpoints: read, changed, audited.
#include "sandbox/linux_peers.h"

#include <gmock/gmock.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "tests/sandbox/example_plans.h"
#include "tests/sandbox/kernel_fixture.h"

namespace {

using namespace sandbox;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using tests::address;
using tests::mac;

const ipam::Mac one = mac("02:42:0a:01:00:01");
const ipam::Mac two = mac("02:42:0a:01:00:02");
const ipam::Address there = address("192.0.2.2");

/// What the kernel tells of changes in neighbour and forwarding tables, a word each. Linux 6.1 says
/// each change of a tunnel twice.
class Monitor {
 public:
  Monitor() : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {
    sockaddr_nl own{};
    own.nl_family = AF_NETLINK;
    own.nl_groups = RTMGRP_NEIGH;
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own), 0);
  }
  std::vector<std::string> heard() {
    std::vector<std::string> words;
    alignas(nlmsghdr) std::array<char, 8192> buffer{};
    while (::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {
      const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
      const auto* entry = reinterpret_cast<const ndmsg*>(NLMSG_DATA(message));
      words.push_back(std::string(message->nlmsg_type == RTM_NEWNEIGH ? "new " : "deleted ") +
                      (entry->ndm_family != AF_BRIDGE       ? "neighbour"
                       : (entry->ndm_flags & NTF_SELF) != 0 ? "tunnel"
                                                            : "forward"));
    }
    words.erase(std::unique(words.begin(), words.end()), words.end());
    return words;
  }

 private:
  Fd fd_;
};

class LinuxPeersTest : public tests::KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    apply({CreateBridge{.name = "nb1", .index = 100, .mac = mac("02:00:00:00:01:00"), .bare = true},
           SetLink{.index = 100, .mtu = 1450, .ipv6_link_local = false, .up = true},
           CreateVxlan{.name = "nx1",
                       .index = 101,
                       .mac = mac("02:00:00:00:01:01"),
                       .mtu = 1450,
                       .vni = 4096,
                       .port = 4789,
                       .local = address("192.0.2.1")},
           SetLink{.index = 101, .master = 100, .ipv6_link_local = false},
           SetBridgePort{
               .index = 101, .no_learning = true, .suppress_neighbours = true, .no_flood = true},
           SetLink{.index = 101, .up = true}});
    table_.emplace(kernel().peers(), links_);
  }

  static Peer peer(const ipam::Mac& of, std::vector<ipam::Address> addresses,
                   const ipam::Address& vtep = there) {
    return {.mac = of, .addresses = std::move(addresses), .vtep = vtep};
  }
  /// 10.x.y.z and fd00::n, thousands of them on 100 hosts.
  static std::vector<std::pair<std::string, Peer>> many(std::uint32_t count) {
    std::vector<std::pair<std::string, Peer>> peers;
    for (std::uint32_t i = 1; i <= count; ++i) {
      ipam::Mac of{{0x02, 0x42, 10, static_cast<std::uint8_t>(i >> 16),
                    static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}};
      peers.emplace_back("e" + std::to_string(i), peer(of, {ipam::Address::v4(0x0a000000 + i)},
                                                       ipam::Address::v4(0xc6120000 + i % 100)));
    }
    return peers;
  }
  static std::string entries(const std::string& of) {
    return shell("bridge fdb show dev nx1 | grep '" + of + "' | sort || true");
  }

  const PeerLinks links_{.bridge = 100, .vxlan = 101};
  std::optional<PeerTable> table_;
};

TEST_F(LinuxPeersTest, PutsThreeEntriesAndOneMoreForEachAddress) {
  const auto report = table_->put("a", peer(one, {address("10.1.0.1"), address("fd00:1::1")}));
  EXPECT_THAT(report.failures, IsEmpty());
  EXPECT_EQ(report.changed, 4u);
  EXPECT_EQ(entries("02:42:0a:01:00:01"),
            "02:42:0a:01:00:01 dst 192.0.2.2 self permanent\n"
            "02:42:0a:01:00:01 sticky master nb1 static\n");
  EXPECT_EQ(shell("ip neigh show dev nb1 nud permanent | sort"),
            "10.1.0.1 lladdr 02:42:0a:01:00:01 PERMANENT \n"
            "fd00:1::1 lladdr 02:42:0a:01:00:01 PERMANENT \n");
}

TEST_F(LinuxPeersTest, ReadsBackWhatItPut) {
  table_->put("a", peer(one, {address("10.1.0.1"), address("fd00:1::1")}));
  PeerTables tables = kernel().peers().read(links_);
  EXPECT_TRUE(tables.forwards.at(mac("02:00:00:00:01:01")).local);
  std::erase_if(tables.forwards, [](const auto& entry) { return entry.second.local; });
  std::erase_if(tables.neighbours, [](const auto& entry) { return !entry.second.permanent; });
  PeerTables expected;
  expected.tunnels[one] = {{.vtep = there}};
  expected.forwards[one] = {};
  expected.neighbours[address("10.1.0.1")] = {.mac = one};
  expected.neighbours[address("fd00:1::1")] = {.mac = one};
  EXPECT_EQ(tables, expected);
}

TEST_F(LinuxPeersTest, ErasingLeavesNothing) {
  table_->put("a", peer(one, {address("10.1.0.1"), address("fd00:1::1")}));
  EXPECT_THAT(table_->erase("a").failures, IsEmpty());
  EXPECT_EQ(entries("02:42"), "");
  EXPECT_EQ(shell("ip neigh show dev nb1 nud permanent"), "");
}

TEST_F(LinuxPeersTest, AMoveReplacesOneEntryAndDeletesNone) {
  table_->put("a", peer(one, {address("10.1.0.1")}));
  Monitor monitor;
  table_->put("a", peer(one, {address("10.1.0.1")}, address("192.0.2.3")));
  EXPECT_THAT(monitor.heard(), ElementsAre("new tunnel"));
  EXPECT_THAT(entries("02:42:0a:01:00:01"), HasSubstr("dst 192.0.2.3 self"));
  EXPECT_EQ(table_->audit().changed, 0u);
}

TEST_F(LinuxPeersTest, AnAuditOfWhatIsRightTouchesNothing) {
  table_->assign(many(50));
  Monitor monitor;
  EXPECT_EQ(table_->audit().changed, 0u);
  EXPECT_EQ(table_->assign(many(50)).changed, 0u);
  EXPECT_THAT(monitor.heard(), IsEmpty());
}

TEST_F(LinuxPeersTest, AnAuditRepairsWhatHandsHaveChanged) {
  table_->put("a", peer(one, {address("10.1.0.1"), address("fd00:1::1")}));
  table_->put("b", peer(two, {address("10.1.0.2")}));
  const PeerTables before = kernel().peers().read(links_);
  const struct {
    const char* change;
    std::size_t repairs;
  } cases[] = {
      {"bridge fdb del 02:42:0a:01:00:01 dev nx1 self", 1},
      {"bridge fdb replace 02:42:0a:01:00:01 dev nx1 dst 192.0.2.9 self permanent", 1},
      {"bridge fdb replace 02:42:0a:01:00:01 dev nx1 dst 192.0.2.2 self dynamic", 1},
      {"bridge fdb replace 02:42:0a:01:00:01 dev nx1 dst 192.0.2.2 port 99 self permanent", 2},
      {"bridge fdb del 02:42:0a:01:00:01 dev nx1 master", 1},
      {"bridge fdb replace 02:42:0a:01:00:01 dev nx1 master static", 1},
      {"bridge fdb replace 02:42:0a:01:00:01 dev nx1 master permanent", 1},
      {"bridge fdb add 02:00:00:00:00:09 dev nx1 dst 192.0.2.9 self permanent", 1},
      {"bridge fdb add 02:00:00:00:00:09 dev nx1 master static sticky", 1},
      {"bridge fdb append 00:00:00:00:00:00 dev nx1 dst 192.0.2.9 self permanent", 1},
      {"ip neigh del 10.1.0.1 dev nb1", 1},
      {"ip neigh replace 10.1.0.1 lladdr 02:00:00:00:00:09 dev nb1 nud permanent", 1},
      {"ip neigh replace fd00:1::1 lladdr 02:42:0a:01:00:01 dev nb1 nud noarp", 1},
      {"ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev nb1 nud permanent", 1},
      {"ip link set nb1 down; ip link set nb1 up", 3},
  };
  for (const auto& each : cases) {
    shell(each.change);
    const PeerReport report = table_->audit();
    EXPECT_EQ(report.changed, each.repairs) << each.change;
    EXPECT_THAT(report.failures, IsEmpty()) << each.change;
    EXPECT_EQ(kernel().peers().read(links_), before) << each.change;
    EXPECT_EQ(table_->audit().changed, 0u) << each.change;
  }
}

TEST_F(LinuxPeersTest, AnAuditTouchesOnlyWhatDiffers) {
  table_->assign(many(300));
  shell("bridge fdb del 02:42:0a:00:00:07 dev nx1 self; ip neigh del 10.0.0.9 dev nb1");
  Monitor monitor;
  EXPECT_EQ(table_->audit().changed, 2u);
  EXPECT_THAT(monitor.heard(), ElementsAre("new tunnel", "new neighbour"));
}

TEST_F(LinuxPeersTest, AFloodListHasEachHostOnce) {
  PeerTable table(kernel().peers(), links_, true);
  table.put("a", peer(one, {}));
  table.put("b", peer(two, {}));
  table.put("c", peer(mac("02:00:00:00:00:03"), {}, address("192.0.2.3")));
  EXPECT_EQ(entries("00:00:00:00:00:00"),
            "00:00:00:00:00:00 dst 192.0.2.2 self permanent\n"
            "00:00:00:00:00:00 dst 192.0.2.3 self permanent\n");
  EXPECT_EQ(table.audit().changed, 0u);
  table.erase("c");
  EXPECT_EQ(entries("00:00:00:00:00:00"), "00:00:00:00:00:00 dst 192.0.2.2 self permanent\n");
}

TEST_F(LinuxPeersTest, EachFailureOfABatchIsToldWithItsChange) {
  std::vector<PeerChange> changes;
  for (int i = 0; i < 600; ++i)
    changes.push_back({PeerChange::Table::tunnel, PeerChange::Act::put, one, there});
  for (const std::size_t bad : {0u, 255u, 256u, 599u})
    changes[bad].address = address("2001:db8::1");  // the tunnel is of IPv4
  const PeerOutcome outcome = kernel().peers().change(links_, changes);
  EXPECT_FALSE(outcome.lost);
  ASSERT_EQ(outcome.failures.size(), 4u);
  EXPECT_THAT(outcome.failures.front(), HasSubstr("put tunnel 02:42:0a:01:00:01 to 2001:db8::1: "));
}

TEST_F(LinuxPeersTest, ABatchThatFailsAsAWholeIsToldOfWholly) {
  const PeerOutcome outcome = kernel().peers().change(
      {.bridge = 900, .vxlan = 901},
      std::vector<PeerChange>(1000, {PeerChange::Table::tunnel, PeerChange::Act::put, one, there}));
  EXPECT_TRUE(outcome.lost || outcome.failures.size() == 1000u);
  EXPECT_THAT(outcome.failures.at(0), HasSubstr("No such device"));
}

TEST_F(LinuxPeersTest, LinksThatAreGoneHaveNothing) {
  table_->put("a", peer(one, {address("10.1.0.1")}));
  shell("ip link del nx1; ip link del nb1");
  EXPECT_EQ(kernel().peers().read(links_), PeerTables());
  EXPECT_THAT(table_->erase("a").failures, IsEmpty());
}

TEST_F(LinuxPeersTest, OtherLinksEntriesAreNotRead) {
  shell(
      "ip link add nb2 type bridge; ip link set nb2 up;"
      "ip link add nx2 type vxlan id 5 dstport 4789 nolearning; ip link set nx2 master nb2;"
      "bridge fdb add 02:00:00:00:00:09 dev nx2 dst 192.0.2.9 self permanent;"
      "bridge fdb add 02:00:00:00:00:09 dev nx2 master static;"
      "ip neigh add 10.9.0.9 lladdr 02:00:00:00:00:09 dev nb2 nud permanent;"
      "ip link add v1 type veth peer name v2; ip link set v1 master nb1;"
      "bridge fdb add 02:00:00:00:00:08 dev v1 master static");
  EXPECT_EQ(table_->audit().changed, 0u);
  EXPECT_THAT(table_->difference(), IsEmpty());
}

TEST_F(LinuxPeersTest, TenThousandPeers) {
  const auto peers = many(10'000);
  const auto milliseconds = [](auto since) {
    return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                std::chrono::steady_clock::now() - since)
                                .count());
  };
  auto since = std::chrono::steady_clock::now();
  const PeerReport report = table_->assign(peers);
  RecordProperty("put_ms", milliseconds(since));
  EXPECT_EQ(report.changed, 30'000u);
  EXPECT_THAT(report.failures, IsEmpty());
  // As after a restart: all of it is known from the store, and has to be found right.
  PeerTable again(kernel().peers(), links_);
  since = std::chrono::steady_clock::now();
  EXPECT_EQ(again.assign(peers).changed, 0u);
  RecordProperty("check_ms", milliseconds(since));
  since = std::chrono::steady_clock::now();
  EXPECT_EQ(again.assign({}).changed, 30'000u);
  RecordProperty("erase_ms", milliseconds(since));
  EXPECT_EQ(entries("02:42"), "");
}

}  // namespace
