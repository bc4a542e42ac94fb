// Links between the hosts that take less than the network's packets.
#include <gmock/gmock.h>

#include "tests/overlay/pair.h"

namespace overlay {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string findings(const nlohmann::json& status) {
  return status.value("Findings", nlohmann::json::array()).dump();
}

class Mtu : public Pair {
 protected:
  static bool says(int host, const std::string& text) {
    return findings(api(host, "/cluster")).find(text) != std::string::npos;
  }
};

TEST_F(Mtu, OfALinkThatShrinksIsNoticedAtOnceOnAllHosts) {
  EXPECT_EQ(api(1, "/cluster").at("Findings"), nlohmann::json::array());
  on(1, "ip link set eth0 mtu 1400");
  EXPECT_TRUE(within(4, [] {
    return says(1, "network shop needs an MTU of 1500 on this host's link eth0, which has 1400");
  })) << api(1, "/cluster");
  EXPECT_TRUE(within(10, [] { return says(2, "has an MTU of 1400 on its link"); }))
      << api(2, "/cluster");
  EXPECT_THAT(log_of(1), HasSubstr("large packets of this network are lost"));
  const auto doctor = attempt_on(1, "netctl doctor");
  EXPECT_EQ(doctor.status, 1);
  EXPECT_THAT(doctor.output, HasSubstr("broken"));
  EXPECT_THAT(doctor.output, HasSubstr("ip link set eth0 mtu 1500"));
  EXPECT_THAT(on(1, "curl -sS --unix-socket /run/host1/run/netd.sock http://netd/metrics"),
              HasSubstr("netd_cluster_findings 1\n"));
  EXPECT_THAT(attempt_on(1,
                         "netctl network create -d overlay -o com.docker.network.driver.mtu=1450 "
                         "large && netctl sandbox create --network large x")
                  .output,
              HasSubstr("1400"))
      << "both numbers are named";
  on(1, "ip link set eth0 mtu 1500");
  EXPECT_TRUE(within(4, [] { return findings(api(1, "/cluster")) == "[]"; }));
  EXPECT_TRUE(within(10, [] { return findings(api(2, "/cluster")) == "[]"; }));
}

/// What is between the hosts takes less than their own links.
class NarrowPath : public Mtu {
 protected:
  void prepare_store() override { shell("ip link set to2 mtu 1400"); }
};

TEST_F(NarrowPath, IsFoundOnTheFirstContact) {
  EXPECT_TRUE(within(20, [] {
    return says(1, "packets of 1500 bytes don't pass to host ") && says(1, "(192.0.2.2) whole");
  })) << api(1, "/cluster");
  EXPECT_THAT(log_of(1), HasSubstr("packets of full size don't pass to another host whole"));
  EXPECT_THAT(attempt_on(1, "netctl doctor").output, HasSubstr("don't pass to host"));
  EXPECT_THAT(on(1, "curl -sS --unix-socket /run/host1/run/netd.sock http://netd/metrics"),
              HasSubstr("netd_cluster_paths{state=\"broken\"} 1\n"));
  EXPECT_TRUE(reaches(1, "web", address_of(2, "db"))) << "small packets pass";
}

TEST_F(Mtu, WhereAllPassesNothingIsSaid) {
  EXPECT_TRUE(within(20, [] {
    return on(1, "curl -sS --unix-socket /run/host1/run/netd.sock http://netd/metrics")
               .find("netd_cluster_paths{state=\"whole\"} 1\n") != std::string::npos;
  }));
  EXPECT_EQ(api(1, "/cluster").at("Findings"), nlohmann::json::array());
}

TEST_F(Mtu, ATraceTellsPacketsWithWrongChecksumsFromLostOnes) {
  EXPECT_THAT(on(1, "netctl overlay trace web db"),
              HasSubstr("packets with checksums of the link's: answered"));
  // As if they came in damaged: dropped without a word.
  in(2, "db",
     "nft 'add table ip broken; add chain ip broken in { type filter hook input priority 0; }; add "
     "rule ip broken in meta l4proto { tcp, udp } drop'");
  const auto broken = attempt_on(1, "netctl overlay trace web db");
  EXPECT_EQ(broken.status, 1);
  EXPECT_THAT(broken.output, HasSubstr("neither TCP nor UDP is answered within 1000 ms, but ping"));
  EXPECT_THAT(broken.output, HasSubstr("ethtool -K eth0 tx-checksum-ip-generic off"));
}

}  // namespace
}  // namespace overlay
