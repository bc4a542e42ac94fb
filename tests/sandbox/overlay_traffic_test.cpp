// Packets through an overlay network of two hosts.
#include <gmock/gmock.h>

#include <fmt/format.h>

#include "tests/sandbox/example_plans.h"
#include "tests/sandbox/overlay_lab.h"
#include "tests/sandbox/packet_lab.h"

namespace {

using ipam::Family;
using testing::HasSubstr;
using tests::Answerer;
using tests::ask;
using tests::ask_in_vain;
using tests::Via;

constexpr std::uint16_t port = 7777;

class OverlayUnderlay : public tests::OverlayLab, public ::testing::WithParamInterface<Family> {
 protected:
  void SetUp() override { build(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Families, OverlayUnderlay, ::testing::Values(Family::v4, Family::v6),
                         [](const auto& each) {
                           return each.param == Family::v4 ? "OverIpv4" : "OverIpv6";
                         });

TEST_P(OverlayUnderlay, ContainersReachEachOther) {
  join(h1, "c1", "10.1.0.1/24", "fd00:1::1/64");
  join(h2, "c2", "10.1.0.2/24", "fd00:1::2/64");
  const Answerer answerer("c2", port);
  for (const Via via : {Via::tcp, Via::udp}) {
    EXPECT_EQ(ask("c1", via, "10.1.0.2", port), "c2 10.1.0.1");
    EXPECT_EQ(ask("c1", via, "fd00:1::2", port), "c2 fd00:1::1");
  }
}

TEST_P(OverlayUnderlay, AFullPacketPassesUnfragmentedAndALargerOneIsRefusedAtOnce) {
  join(h1, "c1", "10.1.0.1/24", "fd00:1::1/64");
  join(h2, "c2", "10.1.0.2/24", "fd00:1::2/64");
  const Answerer answerer("c2", port);
  const std::size_t mtu = GetParam() == Family::v4 ? 1450 : 1430;
  EXPECT_EQ(h1.network.tunnel->mtu, mtu);
  // Hosts and containers know each other's link-layer addresses before it counts.
  EXPECT_EQ(ask("c1", Via::udp, "10.1.0.2", port), "c2 10.1.0.1");
  EXPECT_EQ(ask("c1", Via::udp, "fd00:1::2", port), "c2 fd00:1::1");
  EXPECT_EQ(ask_with("c1", "10.1.0.2", mtu), "c2 10.1.0.1");
  EXPECT_EQ(ask_with("c1", "fd00:1::2", mtu), "c2 fd00:1::1");
  EXPECT_EQ(ask_with("c1", "10.1.0.2", mtu + 1), "Message too long");
  EXPECT_EQ(ask_with("c1", "fd00:1::2", mtu + 1), "Message too long");
}

TEST_P(OverlayUnderlay, TunnelsOfUnknownHostsAreDroppedAndCounted) {
  join(h1, "c1", "10.1.0.1/24");
  join(h2, "c2", "10.1.0.2/24");
  const Answerer answerer("c2", port);
  // The hosts know each other's link-layer address before it counts.
  EXPECT_EQ(ask("c1", Via::udp, "10.1.0.2", port), "c2 10.1.0.1");
  h2.kernel->replace_firewall({drivers::tunnel_port(4789)});
  EXPECT_EQ(ask_in_vain("c1", Via::udp, "10.1.0.2", port), "silence");
  EXPECT_THAT(shell("ip netns exec h2 nft list chain inet netd input"),
              testing::Not(HasSubstr(fmt::format("{} saddr != @hosts{} counter packets 0",
                                                 GetParam() == Family::v4 ? "ip" : "ip6",
                                                 GetParam() == Family::v4 ? 4 : 6))));
  const sandbox::AddElements known{{drivers::tunnel_host(h1.vtep)}};
  h2.kernel->apply(known);
  EXPECT_EQ(ask("c1", Via::udp, "10.1.0.2", port), "c2 10.1.0.1");
  h2.kernel->revert(known);
  EXPECT_EQ(ask_in_vain("c1", Via::udp, "10.1.0.2", port), "silence");
}

class OverlayTraffic : public tests::OverlayLab {};

TEST_F(OverlayTraffic, OtherSubnetsAreReachedOnTheLink) {
  join(h1, "c1", "10.1.0.1/24");
  join(h2, "c3", "10.2.0.3/24");
  const Answerer answerer("c3", port);
  EXPECT_EQ(ask("c1", Via::tcp, "10.2.0.3", port), "c3 10.1.0.1");
}

TEST_F(OverlayTraffic, ContainersOfOneHostReachEachOther) {
  join(h1, "c1", "10.1.0.1/24", "fd00:1::1/64");
  join(h1, "c4", "10.1.0.4/24", "fd00:1::4/64");
  const Answerer answerer("c4", port);
  EXPECT_EQ(ask("c1", Via::tcp, "10.1.0.4", port), "c4 10.1.0.1");
  EXPECT_EQ(ask("c1", Via::tcp, "fd00:1::4", port), "c4 fd00:1::1");
}

TEST_F(OverlayTraffic, NeighboursAreAnsweredWithoutTheOtherHost) {
  join(h1, "c1", "10.1.0.1/24", "fd00:1::1/64");
  const Container& c2 = join(h2, "c2", "10.1.0.2/24", "fd00:1::2/64");
  shell("ip -n h2 link set u0 down");
  ask_in_vain("c1", Via::udp, "10.1.0.2", port);
  ask_in_vain("c1", Via::udp, "fd00:1::2", port);
  for (const char* address : {"10.1.0.2", "fd00:1::2"})
    EXPECT_EQ(shell(fmt::format("ip -n c1 -j neigh show {} | jq -r '.[0].lladdr' | tr -d '\\n'",
                                address)),
              c2.mac().to_string());
}

TEST_F(OverlayTraffic, WhatIsUnknownDoesNotLeaveTheHost) {
  const Container& c1 = join(h1, "c1", "10.1.0.1/24", "fd00:1::1/64");
  const std::uint64_t before = tunnelled(h1);
  ask_in_vain("c1", Via::udp, "10.1.0.99", port);
  ask_in_vain("c1", Via::udp, "fd00:1::99", port);
  send_frame(c1, c1.mac(), tests::mac("02:00:00:00:00:99"));
  send_frame(c1, c1.mac(), tests::mac("01:00:5e:00:00:fb"));
  send_frame(c1, c1.mac(), tests::mac("ff:ff:ff:ff:ff:ff"));
  EXPECT_EQ(tunnelled(h1), before);
}

TEST_F(OverlayTraffic, FramesFromAnothersMacAreDroppedAtThePort) {
  const Container& c1 = join(h1, "c1", "10.1.0.1/24");
  const Container& c2 = join(h2, "c2", "10.1.0.2/24");
  const std::uint64_t before = tunnelled(h1);
  send_frame(c1, tests::mac("02:00:00:00:00:99"), c2.mac());
  send_frame(c1, c2.mac(), c2.mac());
  EXPECT_EQ(tunnelled(h1), before);
  send_frame(c1, c1.mac(), c2.mac());
  EXPECT_EQ(tunnelled(h1), before + 1);
  EXPECT_EQ(bridge_entry(h1, c2.mac()), "nx001000 sticky static");
  EXPECT_EQ(bridge_entry(h1, tests::mac("02:00:00:00:00:99")), "");
}

TEST_F(OverlayTraffic, AnEntryStaysEvenWhereThePortIsOpen) {
  const Container& c1 = join(h1, "c1", "10.1.0.1/24");
  const Container& c2 = join(h2, "c2", "10.1.0.2/24");
  const ipam::Mac plain = tests::mac("02:00:00:00:00:99");
  shell(
      "bridge -n h1 link set dev nvc1 locked off learning on;"
      "bridge -n h1 fdb replace " +
      plain.to_string() + " dev nx001000 master static");
  send_frame(c1, plain, c2.mac());
  send_frame(c1, c2.mac(), plain);
  EXPECT_EQ(bridge_entry(h1, plain), "nvc1 static");  // what a mere static entry does
  EXPECT_EQ(bridge_entry(h1, c2.mac()), "nx001000 sticky static");
}

TEST_F(OverlayTraffic, TheHostIsNotThere) {
  join(h1, "c1", "10.1.0.1/24", "fd00:1::1/64");
  const Answerer host("h1", port);
  shell(
      "ip -n h1 address add 203.0.113.1/32 dev lo; ip -n c1 route add 203.0.113.0/24 dev eth0;"
      "ip -n c1 neigh add 203.0.113.1 lladdr 02:00:00:00:01:00 dev eth0 nud permanent");
  EXPECT_EQ(ask_in_vain("c1", Via::udp, "203.0.113.1", port), "silence");
  EXPECT_THAT(shell("ip netns exec h1 nft list chain inet netd input"),
              HasSubstr("iif @overlays counter packets 1 "));
}

TEST_F(OverlayTraffic, AnAddressThatMovesToAnotherMacIsAnnounced) {
  join(h1, "c1", "10.1.0.1/24");
  Container& c2 = join(h2, "c2", "10.1.0.2/24");
  const Answerer answerer("c2", port);
  EXPECT_EQ(ask("c1", Via::udp, "10.1.0.2", port), "c2 10.1.0.1");
  sandbox::Peer other = peer_of(h2, c2);
  other.mac = tests::mac("02:00:00:00:00:77");
  const auto report = h1.peers->put("c2", other);
  ASSERT_EQ(report.moved.size(), 1u);
  announce(*h1.kernel, h1.peers->links(), report.moved);
  std::string known;
  for (int tries = 0; tries < 100 && known != "02:00:00:00:00:77"; ++tries)
    known =
        shell("ip -n c1 -j neigh show 10.1.0.2 | jq -r '.[0].lladdr' | tr -d '\\n'; sleep 0.02");
  EXPECT_EQ(known, "02:00:00:00:00:77");
  EXPECT_EQ(h1.peers->audit().changed, 0u);  // the host's own entry was not forgotten
}

TEST_F(OverlayTraffic, WithFloodingWhatIsUnknownGoesToTheOtherHosts) {
  containers_.clear();
  build(Family::v4, "on");
  const Container& c1 = join(h1, "c1", "10.1.0.1/24");
  const Container& c2 = join(h2, "c2", "10.1.0.2/24");
  const sandbox::Fd arrivals = receive_frames(c2);
  for (const char* to : {"02:00:00:00:00:99", "01:00:5e:00:00:fb", "ff:ff:ff:ff:ff:ff"}) {
    send_frame(c1, c1.mac(), tests::mac(to));
    EXPECT_EQ(next_destination(arrivals), to);
  }
}

TEST_F(OverlayTraffic, AnEndpointThatGoesIsForgottenOnBothSides) {
  join(h1, "c1", "10.1.0.1/24");
  join(h2, "c2", "10.1.0.2/24");
  h1.peers->erase("c2");
  EXPECT_EQ(h1.kernel->peers().read(h1.peers->links()).neighbours.size(), 0u);
  const std::uint64_t before = tunnelled(h1);
  ask_in_vain("c1", Via::udp, "10.1.0.2", port);
  EXPECT_EQ(tunnelled(h1), before);
}

}  // namespace
