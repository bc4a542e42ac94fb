// Which flows are forgotten: those of an endpoint, those of a port, and none besides.
#include "sandbox/conntrack.h"
#include "sandbox/flow_forgetter.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "sandbox/nft.h"
#include "tests/sandbox/packet_lab.h"

namespace {

using sandbox::Element;
using sandbox::Flow;
using sandbox::FlowFilter;
using sandbox::PortNumber;
using sandbox::Protocol;
using tests::address;
using tests::Answerer;
using tests::ask;
using tests::Via;

Flow udp_flow(const char* client, const char* asked, std::uint16_t port, const char* answering) {
  return {.original = {.source = address(client),
                       .destination = address(asked),
                       .protocol = 17,
                       .destination_port = port},
          .reply = {.source = address(answering),
                    .destination = address(client),
                    .protocol = 17,
                    .destination_port = 40000}};
}

Element published(const char* set, std::vector<sandbox::ElementField> key, const char* container) {
  return {set, std::move(key), {address(container), PortNumber{80}}};
}

TEST(FlowFilter, MatchesFlowsFromAndToAnAddress) {
  const FlowFilter filter({address("10.1.0.2")}, {});
  EXPECT_TRUE(filter.matches(udp_flow("10.1.0.2", "192.0.2.2", 53, "192.0.2.2")));
  EXPECT_TRUE(filter.matches(udp_flow("192.0.2.2", "192.0.2.1", 8080, "10.1.0.2")));
  EXPECT_FALSE(filter.matches(udp_flow("10.1.0.3", "192.0.2.2", 53, "192.0.2.2")));
}

TEST(FlowFilter, MatchesFlowsThatAPortLedToThatContainer) {
  const FlowFilter filter({}, {published("pub4", {Protocol::udp, PortNumber{8080}}, "10.1.0.2")});
  EXPECT_TRUE(filter.matches(udp_flow("192.0.2.2", "192.0.2.1", 8080, "10.1.0.2")));
  EXPECT_FALSE(filter.matches(udp_flow("192.0.2.2", "192.0.2.1", 8081, "10.1.0.2")));
  EXPECT_FALSE(filter.matches(udp_flow("192.0.2.2", "192.0.2.9", 8080, "10.1.0.3")))
      << "another container's, published on one address";
}

TEST(FlowFilter, APortOfOneHostAddressIsNotOneOfAnother) {
  const FlowFilter filter(
      {},
      {published("pub6a", {address("2001:db8::9"), Protocol::udp, PortNumber{53}}, "fd00:1::2")});
  EXPECT_TRUE(filter.matches(udp_flow("2001:db8::2", "2001:db8::9", 53, "fd00:1::2")));
  EXPECT_FALSE(filter.matches(udp_flow("2001:db8::2", "2001:db8::1", 53, "fd00:1::2")));
}

TEST(FlowFilter, IgnoresElementsThatPublishNothing) {
  EXPECT_TRUE(FlowFilter({}, {{"hair4", {address("10.1.0.2"), address("10.1.0.2")}, {}}}).empty());
}

class ConntrackLab : public tests::PacketLab {
 protected:
  void SetUp() override {
    PacketLab::SetUp();
    auto elements = network_elements();
    for (auto& element : PacketLab::published(8080))
      elements.push_back(element);
    elements.push_back(on_a2(8081));
    nft_.emplace();
    nft_->replace(elements);
    forgetter_.emplace();
  }

  void forget(const std::vector<ipam::Address>& addresses, const std::vector<Element>& ports) {
    forgetter_->forget(addresses, ports);
    forgetter_->drain();
  }

  static Element on_a2(std::uint16_t port) { return published_on("10.1.0.3", port); }
  static Element published_on(const char* container, std::uint16_t port) {
    return {"pub4", {Protocol::udp, PortNumber{port}}, {address(container), PortNumber{80}}};
  }
  /// "ORIGINAL DESTINATION:PORT -> WHO ANSWERS" of each IPv4 UDP flow, sorted.
  static std::string flows() {
    return shell(
        "conntrack -L -p udp 2>/dev/null | sed -E 's/.* dst=([^ ]*) sport=[^ ]* dport=([^ ]*) .*"
        "src=([^ ]*) dst=.*/\\1:\\2 -> \\3/' | sort");
  }

  std::optional<sandbox::Nft> nft_;
  std::optional<sandbox::FlowForgetter> forgetter_;
};

INSTANTIATE_TEST_SUITE_P(BridgeNetfilter, ConntrackLab, testing::Values(false),
                         [](const auto&) { return "Off"; });

TEST_P(ConntrackLab, ForgetsTheFlowsOfAnAddressOnly) {
  const Answerer a1("a1", 80);
  const Answerer a2("a2", 80);
  const Answerer lan("lan", 7000);
  ask("lan", Via::udp, "192.0.2.1", 8080);
  ask("lan", Via::udp, "192.0.2.1", 8081);
  ask("a1", Via::udp, "192.0.2.2", 7000);
  EXPECT_EQ(flows(),
            "192.0.2.1:8080 -> 10.1.0.2\n"
            "192.0.2.1:8081 -> 10.1.0.3\n"
            "192.0.2.2:7000 -> 192.0.2.2\n");
  forget({address("10.1.0.2")}, {});
  EXPECT_EQ(flows(), "192.0.2.1:8081 -> 10.1.0.3\n");
}

TEST_P(ConntrackLab, ForgetsTheFlowsOfAPortOnly) {
  const Answerer a1("a1", 80);
  const Answerer a2("a2", 80);
  ask("lan", Via::udp, "192.0.2.1", 8080);
  ask("lan", Via::udp, "192.0.2.1", 8081);
  forget({}, {on_a2(8081)});
  EXPECT_EQ(flows(), "192.0.2.1:8080 -> 10.1.0.2\n");
}

TEST_P(ConntrackLab, ForgetsWhatBeganBeforeThePortWasPublishedButNotOtherMachinesPorts) {
  const Answerer host("", 8082);
  const Answerer lan("lan", 8082);
  EXPECT_EQ(ask("lan", Via::udp, "192.0.2.1", 8082), "host 192.0.2.2");
  EXPECT_EQ(ask("a2", Via::udp, "192.0.2.2", 8082), "lan 192.0.2.1");
  nft_->add({published_on("10.1.0.2", 8082)});
  forget({}, {published_on("10.1.0.2", 8082)});
  EXPECT_EQ(flows(), "192.0.2.2:8082 -> 192.0.2.2\n");
}

TEST_P(ConntrackLab, ForgetsThousandsAtOnce) {
  shell(R"(for i in $(seq 0 2499); do
      echo "-I -p udp -s 192.0.2.2 -d 192.0.2.1 --sport $((1000 + i)) --dport 8080 -t 100 -n 10.1.0.2"
    done > /run/flows
    for i in $(seq 0 24); do
      echo "-I -p udp -s 192.0.2.2 -d 192.0.2.1 --sport $((1000 + i)) --dport 9000 -t 100"
    done >> /run/flows
    conntrack -R /run/flows > /dev/null 2>&1)");
  forget({address("10.1.0.2")}, {});
  EXPECT_EQ(shell("conntrack -L -p udp 2>/dev/null | wc -l"), "25\n");
}

TEST_P(ConntrackLab, AnEmptyFilterForgetsNothing) {
  const Answerer a1("a1", 80);
  ask("lan", Via::udp, "192.0.2.1", 8080);
  forget({}, {});
  EXPECT_EQ(flows(), "192.0.2.1:8080 -> 10.1.0.2\n");
}

}  // namespace
