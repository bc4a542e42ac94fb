// SCTP through published ports and out of sandboxes. Not every kernel has it: see
// tests/support/needs.h.
#include "tests/e2e/end_to_end.h"
#include "tests/support/needs.h"

namespace e2e {
namespace {

constexpr const char* outside_netns = "/run/netns/outside";

class Sctp : public EndToEnd {
 protected:
  void SetUp() override {
    if (lacks(tests::Feature::sctp)) return;
    EndToEnd::SetUp();
    shell("netctl network create --ipv6 --subnet 10.5.0.0/24 --subnet fd00:5::/64 core");
    shell("netctl sandbox create --network core -p 3868:3868/sctp hss");
    server_ = std::make_unique<SctpEchoServer>(netns_of("hss"), 3868, "echo ");
  }
  void TearDown() override {
    server_.reset();
    EndToEnd::TearDown();
  }

  std::unique_ptr<SctpEchoServer> server_;
};

TEST_F(Sctp, OutsideReachesAPublishedPortOnBothFamilies) {
  EXPECT_EQ(ask_sctp(outside_netns, "192.0.2.1", 3868, "one"), "echo one");
  EXPECT_EQ(ask_sctp(outside_netns, "2001:db8::1", 3868, "two"), "echo two");
}

TEST_F(Sctp, TheHostReachesAPublishedPortAtItsAddress) {
  EXPECT_EQ(ask_sctp("", "192.0.2.1", 3868, "one"), "echo one");
}

TEST_F(Sctp, ASandboxOfTheNetworkReachesItByItsAddress) {
  shell("netctl sandbox create --network core client");
  EXPECT_EQ(ask_sctp(netns_of("client"), address_of("hss", "core"), 3868, "one"), "echo one");
}

TEST_F(Sctp, ASandboxReachesTheOutside) {
  const SctpEchoServer server(outside_netns, 2905, "outside ");
  EXPECT_EQ(ask_sctp(netns_of("hss"), "192.0.2.2", 2905, "one"), "outside one");
}

TEST_F(Sctp, AnUnpublishedPortIsNotReachedFromOutside) {
  shell("ip -n outside route add 10.5.0.0/24 via 192.0.2.1");
  const SctpEchoServer hidden(netns_of("hss"), 3869, "hidden ");
  EXPECT_EQ(ask_sctp(outside_netns, address_of("hss", "core"), 3869, "one"), std::nullopt);
}

TEST_F(Sctp, APortInUseByAnotherProgramIsRefused) {
  const SctpEchoServer program("", 2905, "");
  const Result result = attempt("netctl sandbox create --network core -p 2905:2905/sctp second");
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.output.find("2905/sctp: address already in use"), std::string::npos)
      << result.output;
}

}  // namespace
}  // namespace e2e
