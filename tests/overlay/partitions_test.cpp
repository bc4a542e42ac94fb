// Who is cut from whom, and a store that is full: rows of overlay.md 2.4 and 2.6.
#include <gmock/gmock.h>

#include <sstream>
#include <tuple>

#include "tests/overlay/pair.h"

namespace overlay {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Partitions : public Pair {
 protected:
  /// A host's entries in the kernel for what is at a tunnel address.
  static std::string entries_for(int host, const std::string& vtep) {
    return on(host,
              "for link in $(ip -o link | grep -o 'nx[0-9a-f]\\{6\\}' | sort -u); do bridge fdb "
              "show dev $link; done | "
              "grep " +
                  vtep + " | sort || true");
  }
  /// No tunnel's packet comes to that host or leaves it.
  static void cut_tunnels(int host) {
    shell("nsenter --net=" + netns(host) +
          " nft 'add table ip apart; add chain ip apart in { type filter hook prerouting priority "
          "-300; }; add chain ip apart out { type filter hook output priority -300; }; add rule ip "
          "apart in udp dport 4789 drop; add rule ip apart out udp dport 4789 drop'");
  }
  static void mend_tunnels(int host) {
    shell("nsenter --net=" + netns(host) + " nft delete table ip apart");
  }
};

TEST_F(Partitions, HostsThatReachTheStoreButNotEachOtherChangeNothing) {
  const std::string here = entries_for(1, "192.0.2.2"), there = entries_for(2, "192.0.2.1");
  ASSERT_THAT(here, HasSubstr("192.0.2.2"));
  cut_tunnels(2);
  EXPECT_FALSE(reaches(1, "web", address_of(2, "db")));
  // The books don't go through the tunnels.
  ASSERT_TRUE(creates(1, "one"));
  ASSERT_TRUE(creates(2, "two"));
  EXPECT_TRUE(hears(2, "db", "one"));
  EXPECT_TRUE(hears(1, "web", "two"));
  EXPECT_TRUE(sees(1, 2, "live"));
  EXPECT_TRUE(sees(2, 1, "live"));
  for (const auto& [host, vtep, before] :
       {std::tuple(1, "192.0.2.2", here), std::tuple(2, "192.0.2.1", there)}) {
    std::istringstream lines(before);
    const std::string now = entries_for(host, vtep);
    for (std::string line; std::getline(lines, line);)
      EXPECT_THAT(now, HasSubstr(line));
  }
  mend_tunnels(2);
  EXPECT_TRUE(within(5, [] { return reaches(1, "web", address_of(2, "db")); }));
  EXPECT_TRUE(within(5, [] { return reaches(2, "two", address_of(1, "one")); }));
}

TEST_F(Partitions, OneThatWasGivenUpAndStillSendsIsNotHeard) {
  const std::string zombie = netns_of(2, "db"), heir = netns_of(1, "web");
  const std::string web = address_of(1, "web");
  const std::string id = api(2, "/cluster").at("Host");
  crash_netd(2);  // its containers don't notice
  const std::string send = "nsenter --net=" + zombie + " " + ping(web) + " >/dev/null";
  shell(send);
  EXPECT_TRUE(within(40, [] { return sees(1, 2, "unreachable"); }));
  shell(send);
  on(1, "netctl cluster host rm " + id);
  EXPECT_TRUE(within(10, [] {
    return on(1, "nft list set inet netd hosts4").find("192.0.2.2") == std::string::npos;
  }));
  const auto heard = [&] {
    return shell("nsenter --net=" + heir +
                 " sed -n '/^Icmp:.*[0-9]/p' /proc/net/snmp | cut -d' ' -f9");
  };
  const auto dropped = [] {
    return on(1, "nft list chain inet netd input | grep 'ip saddr != @hosts4'");
  };
  const std::string heard_before = heard(), dropped_before = dropped();
  shell("! " + send);
  EXPECT_EQ(heard(), heard_before) << "its packets come into the network";
  EXPECT_NE(dropped(), dropped_before);
  start_netd(2);
  EXPECT_TRUE(within(20, [&] { return shell(send + " && echo yes || echo no") == "yes\n"; }));
}

/// etcd takes 16 MB.
class FullStore : public Pair {
 protected:
  std::vector<std::string> member_flags() const override {
    return {"--quota-backend-bytes=16777216"};
  }
  static void fill() {
    shell(
        "head -c 1000000 /dev/zero | tr '\\0' x > /run/megabyte; for i in $(seq 40); do "
        "ETCDCTL_API=3 etcdctl --endpoints=192.0.2.101:2379 put /junk/$i < /run/megabyte "
        ">/dev/null 2>&1 || break; done");
    EXPECT_THAT(etcdctl("alarm list"), HasSubstr("NOSPACE"));
  }
  static void make_room() {
    etcdctl("del --prefix /junk/");
    compact_store();
    etcdctl("defrag");
    etcdctl("alarm disarm");
  }
};

TEST_F(FullStore, RefusesWhatIsNewAndLetsGo) {
  ASSERT_TRUE(creates(1, "leaving"));
  EXPECT_TRUE(hears(2, "db", "leaving"));
  Pings stream = pings();
  fill();
  const auto refused = attempt_on(1, "netctl sandbox create --network shop late");
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.output, HasSubstr("cluster store full: compact and defragment it"));
  EXPECT_THAT(attempt_on(2, "netctl network create -d overlay more").output,
              HasSubstr("cluster store full"));
  EXPECT_TRUE(knows(1, "shop"));
  EXPECT_FALSE(knows(1, "more"));
  EXPECT_THAT(attempt_on(1, "netctl cluster status").output, HasSubstr("NOSPACE"));
  on(1, "netctl sandbox rm leaving");
  EXPECT_EQ(keys("/netd/v1/ip/").size(), 2u) << "removing works";
  EXPECT_TRUE(within(10, [] { return attempt_in(2, "db", "getent hosts leaving").status != 0; }));
  on(1, "netctl network create local && netctl sandbox create --network local alone");
  EXPECT_EQ(stream.lost(), 0);
  make_room();
  EXPECT_TRUE(within(20, [] { return creates(1, "late"); }));
  EXPECT_TRUE(hears(2, "db", "late"));
  EXPECT_EQ(keys("/netd/v1/ip/").size(), 3u) << "what was refused left nothing";
}

}  // namespace
}  // namespace overlay
