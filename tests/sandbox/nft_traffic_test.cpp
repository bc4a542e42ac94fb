// Who reaches whom, with real packets, with br_netfilter off and on.
#include <gmock/gmock.h>

#include <thread>

#include "sandbox/nft.h"
#include "tests/sandbox/packet_lab.h"

namespace {

using sandbox::Element;
using sandbox::LinkIndex;
using sandbox::PortNumber;
using sandbox::Protocol;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using tests::address;
using tests::Answerer;
using tests::ask;
using tests::ask_in_vain;
using tests::Via;

class NftTraffic : public tests::PacketLab {
 protected:
  void SetUp() override {
    PacketLab::SetUp();
    auto elements = network_elements();
    for (auto& element : published(8080))
      elements.push_back(element);
    nft_ = std::make_unique<sandbox::Nft>();
    nft_->replace(elements);
  }

  std::unique_ptr<sandbox::Nft> nft_;
};

INSTANTIATE_TEST_SUITE_P(BridgeNetfilter, NftTraffic, testing::Values(false, true),
                         [](const auto& test) { return test.param ? "On" : "Off"; });

constexpr Via both[] = {Via::tcp, Via::udp};

TEST_P(NftTraffic, AContainerLeavesWithTheHostsAddress) {
  const Answerer lan("lan", 7000);
  for (const Via via : both) {
    EXPECT_EQ(ask("a1", via, "192.0.2.2", 7000), "lan 192.0.2.1");
    EXPECT_EQ(ask("a1", via, "2001:db8::2", 7000), "lan 2001:db8::1");
  }
}

TEST_P(NftTraffic, WithoutMasqueradeAContainerLeavesWithItsOwnAddress) {
  const Answerer lan("lan", 7000);
  nft_->erase({{"masq", {LinkIndex{101}}, {}}, {"masq6", {LinkIndex{101}}, {}}});
  EXPECT_EQ(ask("a1", Via::tcp, "192.0.2.2", 7000), "lan 10.1.0.2");
  EXPECT_EQ(ask("a1", Via::tcp, "2001:db8::2", 7000), "lan fd00:1::2");
}

TEST_P(NftTraffic, AContainerLeavesWithTheFixedSourceAddressOfItsNetwork) {
  const Answerer lan("lan", 7000);
  nft_->add({{"snat4", {LinkIndex{101}}, {address("192.0.2.9")}},
             {"snat6", {LinkIndex{101}}, {address("2001:db8::9")}}});
  EXPECT_EQ(ask("a1", Via::tcp, "192.0.2.2", 7000), "lan 192.0.2.9");
  EXPECT_EQ(ask("a1", Via::tcp, "2001:db8::2", 7000), "lan 2001:db8::9");
  EXPECT_EQ(ask("b1", Via::tcp, "192.0.2.2", 7000), "lan 192.0.2.1");
}

TEST_P(NftTraffic, APublishedPortIsReachedFromOutsideAndSeesTheClientsAddress) {
  const Answerer a1("a1", 80);
  for (const Via via : both) {
    EXPECT_EQ(ask("lan", via, "192.0.2.1", 8080), "a1 192.0.2.2");
    EXPECT_EQ(ask("lan", via, "192.0.2.9", 8080), "a1 192.0.2.2");
    EXPECT_EQ(ask("lan", via, "2001:db8::1", 8080), "a1 2001:db8::2");
  }
}

TEST_P(NftTraffic, APublishedPortIsReachedFromTheHostAtItsOwnAddress) {
  const Answerer a1("a1", 80);
  for (const Via via : both) {
    EXPECT_EQ(ask("", via, "192.0.2.1", 8080), "a1 192.0.2.1");
    EXPECT_THAT(ask("", via, "2001:db8::1", 8080), StartsWith("a1 "));
  }
}

TEST_P(NftTraffic, LocalhostIsLeftToTheRelay) {
  const Answerer a1("a1", 80);
  for (const Via via : both) {
    EXPECT_EQ(ask("", via, "127.0.0.1", 8080), "refused");
    EXPECT_EQ(ask("", via, "::1", 8080), "refused");
  }
}

TEST_P(NftTraffic, APublishedPortIsReachedFromAnotherNetworkThroughTheHost) {
  const Answerer a1("a1", 80);
  for (const Via via : both) {
    EXPECT_EQ(ask("b1", via, "192.0.2.1", 8080), "a1 10.1.0.1");
    EXPECT_EQ(ask("b1", via, "10.2.0.1", 8080), "a1 10.1.0.1");
    EXPECT_EQ(ask("b1", via, "2001:db8::1", 8080), "a1 fd00:1::1");
  }
}

TEST_P(NftTraffic, APublishedPortIsReachedFromTheContainerItselfAndItsNeighbour) {
  const Answerer a1("a1", 80);
  for (const Via via : both) {
    EXPECT_THAT(ask("a1", via, "192.0.2.1", 8080), StartsWith("a1 "));
    EXPECT_THAT(ask("a1", via, "2001:db8::1", 8080), StartsWith("a1 "));
    EXPECT_THAT(ask("a2", via, "192.0.2.1", 8080), StartsWith("a1 "));
    EXPECT_THAT(ask("a2", via, "2001:db8::1", 8080), StartsWith("a1 "));
  }
}

TEST_P(NftTraffic, APortPublishedOnOneAddressIsReachedOnlyThere) {
  const Answerer a2("a2", 80);
  nft_->add({{"pub4a",
              {address("192.0.2.9"), Protocol::tcp, PortNumber{9090}},
              {address("10.1.0.3"), PortNumber{80}}},
             {"pub6a",
              {address("2001:db8::9"), Protocol::tcp, PortNumber{9090}},
              {address("fd00:1::3"), PortNumber{80}}}});
  EXPECT_EQ(ask("lan", Via::tcp, "192.0.2.9", 9090), "a2 192.0.2.2");
  EXPECT_EQ(ask("lan", Via::tcp, "192.0.2.1", 9090), "refused");
  EXPECT_EQ(ask("lan", Via::tcp, "2001:db8::9", 9090), "a2 2001:db8::2");
  EXPECT_EQ(ask("lan", Via::tcp, "2001:db8::1", 9090), "refused");
}

TEST_P(NftTraffic, ContainersAreNotReachedDirectlyFromOutside) {
  const Answerer a1("a1", 80);
  const Answerer a2("a2", 80);
  for (const Via via : both) {
    EXPECT_EQ(ask_in_vain("lan", via, "10.1.0.2", 80), "silence") << "published elsewhere";
    EXPECT_EQ(ask_in_vain("lan", via, "10.1.0.3", 80), "silence");
    EXPECT_EQ(ask_in_vain("lan", via, "fd00:1::2", 80), "silence");
  }
  EXPECT_THAT(shell("nft list chain inet netd to_net"),
              Not(HasSubstr("counter packets 0 bytes 0 drop comment")));
}

TEST_P(NftTraffic, NetworksAreIsolatedFromEachOther) {
  const Answerer a1("a1", 80);
  const Answerer b1("b1", 80);
  EXPECT_EQ(ask_in_vain("b1", Via::tcp, "10.1.0.2", 80), "silence");
  EXPECT_EQ(ask_in_vain("a1", Via::udp, "10.2.0.2", 80), "silence");
  EXPECT_EQ(ask_in_vain("b1", Via::tcp, "fd00:1::2", 80), "silence");
}

TEST_P(NftTraffic, ContainersOfANetworkReachEachOther) {
  const Answerer a2("a2", 80);
  for (const Via via : both) {
    EXPECT_EQ(ask("a1", via, "10.1.0.3", 80), "a2 10.1.0.2");
    EXPECT_EQ(ask("a1", via, "fd00:1::3", 80), "a2 fd00:1::2");
  }
}

TEST_P(NftTraffic, AnInternalNetworkHasNoWayOutAndNoWayIn) {
  const Answerer lan("lan", 7000);
  const Answerer i1("i1", 80);
  const Answerer a1("a1", 80);
  EXPECT_EQ(ask_in_vain("i1", Via::tcp, "192.0.2.2", 7000), "silence");
  EXPECT_EQ(ask_in_vain("i1", Via::udp, "2001:db8::2", 7000), "silence");
  EXPECT_EQ(ask_in_vain("lan", Via::tcp, "10.3.0.2", 80), "silence");
  EXPECT_EQ(ask_in_vain("a1", Via::tcp, "10.3.0.2", 80), "silence");
  EXPECT_EQ(ask_in_vain("i1", Via::tcp, "10.1.0.2", 80), "silence");
}

TEST_P(NftTraffic, AnInternalNetworkDoesNotReachPublishedPortsNorWhatReservesThem) {
  const Answerer a1("a1", 80);
  const Answerer reservation("", 8080);
  for (const Via via : both) {
    EXPECT_EQ(ask_in_vain("i1", via, "192.0.2.1", 8080), "silence");
    EXPECT_EQ(ask_in_vain("i1", via, "10.3.0.1", 8080), "silence");
    EXPECT_EQ(ask_in_vain("i1", via, "fd00:3::1", 8080), "silence");
  }
}

TEST_P(NftTraffic, ContainersOfAnInternalNetworkReachEachOtherAndTheHost) {
  const Answerer i2("i2", 80);
  const Answerer host("", 5000);
  EXPECT_EQ(ask("i1", Via::tcp, "10.3.0.3", 80), "i2 10.3.0.2");
  EXPECT_EQ(ask("i1", Via::tcp, "fd00:3::3", 80), "i2 fd00:3::2");
  EXPECT_EQ(ask("i1", Via::tcp, "10.3.0.1", 5000), "host 10.3.0.2");
  EXPECT_EQ(ask("", Via::tcp, "10.3.0.3", 80), "i2 10.3.0.1");
}

TEST_P(NftTraffic, WithIccOffContainersDoNotReachEachOther) {
  const Answerer c2("c2", 80);
  const Answerer lan("lan", 7000);
  EXPECT_EQ(ask_in_vain("c1", Via::tcp, "10.4.0.3", 80), "silence");
  EXPECT_EQ(ask_in_vain("c1", Via::tcp, "fd00:4::3", 80), "silence");
  EXPECT_EQ(ask("c1", Via::tcp, "192.0.2.2", 7000), "lan 192.0.2.1");
  shell("ip -n c1 route add 10.4.0.3 via 10.4.0.1");
  EXPECT_EQ(ask_in_vain("c1", Via::udp, "10.4.0.3", 80), "silence") << "by way of the gateway";
}

TEST_P(NftTraffic, WithIccOffPublishedPortsAreReachedFromOutside) {
  const Answerer c2("c2", 80);
  nft_->add({{"pub4", {Protocol::tcp, PortNumber{8084}}, {address("10.4.0.3"), PortNumber{80}}}});
  EXPECT_EQ(ask("lan", Via::tcp, "192.0.2.1", 8084), "c2 192.0.2.2");
  EXPECT_EQ(ask("b1", Via::tcp, "192.0.2.1", 8084), "c2 10.4.0.1");
  // With br_netfilter the translated frame is bridged, and the isolated port takes none of its own.
  if (br_netfilter()) {
    EXPECT_EQ(ask_in_vain("c1", Via::tcp, "192.0.2.1", 8084), "silence");
  } else {
    EXPECT_EQ(ask("c1", Via::tcp, "192.0.2.1", 8084), "c2 10.4.0.1");
    nft_->erase({{"masq", {LinkIndex{104}}, {}}});
    EXPECT_EQ(ask("c1", Via::tcp, "192.0.2.1", 8084), "c2 10.4.0.1") << "hairpin, no masquerade";
  }
}

TEST_P(NftTraffic, NobodyReachesTheHostsLoopbackFromAWire) {
  const Answerer host("", 5000, "127.0.0.1");
  shell(R"(echo 1 > /proc/sys/net/ipv4/conf/up0/route_localnet
    ip netns exec lan sh -c 'echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet
      ip address del 127.0.0.1/8 dev lo
      ip route add 127.0.0.0/8 via 192.0.2.1 src 192.0.2.2')");
  EXPECT_EQ(ask_in_vain("lan", Via::tcp, "127.0.0.1", 5000), "silence");
  EXPECT_THAT(shell("nft list chain inet netd raw_pre"), Not(HasSubstr("counter packets 0 ")));
  EXPECT_EQ(ask("", Via::tcp, "127.0.0.1", 5000), "host 127.0.0.1");
}

TEST_P(NftTraffic, ErrorsFromOutsideComeBackToTheContainer) {
  EXPECT_EQ(ask("a1", Via::udp, "192.0.2.2", 7999), "refused");
  EXPECT_EQ(ask("a1", Via::udp, "2001:db8::2", 7999), "refused");
  EXPECT_EQ(ask("lan", Via::udp, "192.0.2.1", 8080), "refused") << "published, nobody listens";
}

TEST_P(NftTraffic, OpenedPortsAndNetworksAreReachedWithoutNat) {
  const Answerer a2("a2", 80);
  const Answerer b1("b1", 80);
  nft_->add({{"open4", {address("10.1.0.3"), Protocol::tcp, PortNumber{80}}, {}},
             {"open6", {address("fd00:1::3"), Protocol::tcp, PortNumber{80}}, {}},
             {"open_in", {LinkIndex{102}}, {}}});
  EXPECT_EQ(ask("lan", Via::tcp, "10.1.0.3", 80), "a2 192.0.2.2");
  EXPECT_EQ(ask("lan", Via::tcp, "fd00:1::3", 80), "a2 2001:db8::2");
  EXPECT_EQ(ask_in_vain("lan", Via::udp, "10.1.0.3", 80), "silence");
  EXPECT_EQ(ask("lan", Via::udp, "10.2.0.2", 80), "b1 192.0.2.2");
}

TEST_P(NftTraffic, ADropInTheUsersOwnTableWinsAndTheTableIsLeftAlone) {
  const Answerer a1("a1", 80);
  shell(R"(nft -f - <<END
table inet netd-user {
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    ip saddr 192.0.2.2 meta l4proto tcp ct original proto-dst 8080 drop
  }
}
END)");
  nft_->replace(published(8080));
  EXPECT_EQ(ask_in_vain("lan", Via::tcp, "192.0.2.1", 8080), "silence");
  EXPECT_EQ(ask("", Via::tcp, "192.0.2.1", 8080), "a1 192.0.2.1");
}

TEST_P(NftTraffic, ReplacingTheTableIsNotSeenByTraffic) {
  const Answerer a1("a1", 80);
  auto elements = network_elements();
  for (auto& element : published(8080))
    elements.push_back(element);
  std::vector<std::string> answers;
  std::thread client([&] {
    for (int i = 0; i < 60; ++i)
      answers.push_back(ask("lan", i % 2 == 0 ? Via::tcp : Via::udp, "192.0.2.1", 8080));
  });
  for (int i = 0; i < 10; ++i)
    nft_->replace(elements);
  client.join();
  EXPECT_EQ(answers, std::vector<std::string>(60, "a1 192.0.2.2"));
}

}  // namespace
