// The chain FORWARD as Docker leaves it, written here with nft as iptables-nft does.
#include "sandbox/iptables_forward.h"

#include <gmock/gmock.h>

#include "tests/support/namespace_test.h"

namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class IptablesForward : public tests::NamespaceTest {
 protected:
  static void make_docker_rules(const char* family, bool isolation) {
    const std::string table = std::string(family) + " filter ";
    shell("nft add table " + table + "; nft add chain " + table +
          "FORWARD '{ type filter hook forward priority 0; policy drop; }'; nft add chain " +
          table + "DOCKER-USER; nft add rule " + table + "FORWARD counter jump DOCKER-USER" +
          (isolation ? "; nft add chain " + table + "DOCKER-ISOLATION-STAGE-2" : ""));
  }
  /// The rules of the chain without counters and comments, a line each.
  static std::string rules(const char* family) {
    return shell(std::string("nft list chain ") + family +
                 " filter FORWARD | grep -o '[io]ifname.*' | "
                 "sed 's/counter packets [0-9]* bytes [0-9]* //; s/ comment.*//'");
  }
};

TEST_F(IptablesForward, LetsALinkThroughBehindDockersRules) {
  make_docker_rules("ip", true);
  sandbox::admit_forwarding("br-1");
  EXPECT_EQ(rules("ip"),
            "iifname \"br-1\" oifname != \"br-1\" jump DOCKER-ISOLATION-STAGE-2\n"
            "iifname \"br-1\" accept\noifname \"br-1\" accept\n");
  EXPECT_THAT(shell("nft list chain ip filter FORWARD"),
              HasSubstr("jump DOCKER-USER\n\t\tiifname \"br-1\""));
}

TEST_F(IptablesForward, NewerDockerHasNoIsolationChain) {
  make_docker_rules("ip6", false);
  sandbox::admit_forwarding("br-1");
  EXPECT_EQ(rules("ip6"), "iifname \"br-1\" accept\noifname \"br-1\" accept\n");
}

TEST_F(IptablesForward, AgainAddsOnlyWhatIsMissing) {
  make_docker_rules("ip", true);
  sandbox::admit_forwarding("br-1");
  const std::string before = rules("ip");
  sandbox::admit_forwarding("br-1");
  EXPECT_EQ(rules("ip"), before);
  shell("nft flush chain ip filter FORWARD");
  sandbox::admit_forwarding("br-1");
  EXPECT_EQ(rules("ip"), before);
}

TEST_F(IptablesForward, TakesBackItsOwnRulesOnly) {
  make_docker_rules("ip", true);
  shell("nft add rule ip filter FORWARD iifname br-1 counter accept");
  const std::string before = rules("ip");
  sandbox::admit_forwarding("br-1");
  sandbox::admit_forwarding("br-11");
  sandbox::withdraw_forwarding("br-11");
  sandbox::withdraw_forwarding("br-1");
  sandbox::withdraw_forwarding("br-1");
  EXPECT_EQ(rules("ip"), before);
}

TEST_F(IptablesForward, WithoutDockerNothingHappens) {
  sandbox::admit_forwarding("br-1");
  sandbox::withdraw_forwarding("br-1");
  EXPECT_THAT(shell("nft list tables"), IsEmpty());
  shell("nft add table ip filter; nft add chain ip filter FORWARD");
  sandbox::admit_forwarding("br-1");
  EXPECT_THAT(shell("nft list table ip filter"), Not(HasSubstr("br-1")));
}

}  // namespace
