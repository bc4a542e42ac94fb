// Table `inet netd` as the kernel holds it: transactions, collisions, what is gone already.
#include <gmock/gmock.h>

#include <chrono>
#include <system_error>

#include "sandbox/nft.h"
#include "tests/support/namespace_test.h"

namespace {

using sandbox::Element;
using sandbox::LinkIndex;
using sandbox::Nft;
using sandbox::PortNumber;
using sandbox::Protocol;
using testing::HasSubstr;
using testing::Not;

Element web(std::uint16_t host_port, const char* container = "10.1.0.2") {
  return {"pub4",
          {Protocol::tcp, PortNumber{host_port}},
          {*ipam::Address::parse(container), PortNumber{80}}};
}

/// What went wrong: the text, or "done".
template <typename Act>
std::string failure(Act act) {
  try {
    act();
    return "done";
  } catch (const std::exception& error) {
    return error.what();
  }
}

class NftTable : public tests::NamespaceTest {
 protected:
  static std::string ports() { return shell("nft list map inet netd pub4"); }
};

TEST_F(NftTable, ReplaceMakesTheTableWithItsElements) {
  Nft nft;
  nft.replace({web(8080), {"nets", {LinkIndex{1}}, {}}});
  EXPECT_THAT(ports(), HasSubstr("elements = { tcp . 8080 : 10.1.0.2 . 80 }"));
  EXPECT_THAT(shell("nft list set inet netd nets"), HasSubstr("elements = { \"lo\" }"));
}

TEST_F(NftTable, ReplaceLeavesNothingOfTheOldTable) {
  Nft nft;
  nft.replace({web(8080)});
  shell("nft add chain inet netd stranger");
  nft.replace({web(8081)});
  EXPECT_THAT(ports(), HasSubstr("elements = { tcp . 8081 : 10.1.0.2 . 80 }"));
  EXPECT_THAT(shell("nft list table inet netd"), Not(HasSubstr("stranger")));
}

TEST_F(NftTable, ARefusedReplaceLeavesTheOldTable) {
  Nft nft;
  nft.replace({web(8080)});
  EXPECT_EQ(failure([&] {
              nft.replace({web(8081), web(8082), web(8081, "10.1.0.3")});
            }),
            "add element tcp . 8081 : 10.1.0.3 . 80 to set pub4 of table inet netd: File exists");
  EXPECT_THAT(ports(), HasSubstr("elements = { tcp . 8080 : 10.1.0.2 . 80 }"));
}

TEST_F(NftTable, OtherTablesAreLeftAlone) {
  shell("nft add table inet netd-user; nft add table ip netd; nft add chain ip netd mine");
  Nft nft;
  nft.replace({});
  nft.remove();
  EXPECT_EQ(shell("nft list ruleset"),
            "table inet netd-user {\n}\ntable ip netd {\n\tchain mine {\n\t}\n}\n");
}

TEST_F(NftTable, RemovingATableThatIsGoneIsDone) {
  Nft nft;
  nft.replace({web(8080)});
  nft.remove();
  EXPECT_EQ(shell("nft list ruleset"), "");
  nft.remove();
}

TEST_F(NftTable, AnElementThatCollidesIsRefusedAndNothingChanges) {
  Nft nft;
  nft.replace({web(8080)});
  EXPECT_EQ(failure([&] {
              nft.add({web(8079), web(8080, "10.1.0.3"), web(8081)});
            }),
            "add element tcp . 8080 : 10.1.0.3 . 80 to set pub4 of table inet netd: File exists");
  EXPECT_THAT(ports(), HasSubstr("elements = { tcp . 8080 : 10.1.0.2 . 80 }"));
  EXPECT_EQ(failure([&] { nft.add({web(8080)}); }),
            "add element tcp . 8080 : 10.1.0.2 . 80 to set pub4 of table inet netd: File exists");
}

TEST_F(NftTable, AddingToATableThatIsGoneIsRefused) {
  Nft nft;
  nft.replace({});
  shell("nft flush ruleset");
  EXPECT_EQ(failure([&] { nft.add({web(8080)}); }),
            "add element tcp . 8080 : 10.1.0.2 . 80 to set pub4 of table inet netd: "
            "No such file or directory");
}

TEST_F(NftTable, AnElementThatTheSetCannotHoldIsRefusedBeforeAnythingIsSent) {
  Nft nft;
  nft.replace({});
  Element v6 = web(8080);
  v6.value[0] = *ipam::Address::parse("fd00::2");
  EXPECT_EQ(failure([&] { nft.add({v6}); }),
            "set pub4 of table inet netd cannot hold element tcp . 8080 : fd00::2 . 80");
  EXPECT_EQ(failure([&] {
              nft.add({{"pubs", {PortNumber{80}}, {}}});
            }),
            "no set pubs in table inet netd");
  EXPECT_THAT(ports(), Not(HasSubstr("elements")));
}

TEST_F(NftTable, EraseDeletesWhatIsThereAndOverlooksWhatIsGone) {
  Nft nft;
  nft.replace({web(8080), web(8081), web(8082)});
  nft.erase({web(8080), web(9999), web(8082), web(9998), web(8082)});
  EXPECT_THAT(ports(), HasSubstr("elements = { tcp . 8081 : 10.1.0.2 . 80 }"));
  nft.erase({web(9999)});
  nft.remove();
  nft.erase({web(8081), {"nets", {LinkIndex{1}}, {}}});
}

TEST_F(NftTable, ErasingAThousandElementsThatAreGoneTakesNoLongerThanOne) {
  Nft nft;
  std::vector<Element> elements;
  for (std::uint16_t port = 1; port <= 1000; ++port)
    elements.push_back(web(port));
  nft.replace({});
  const auto start = std::chrono::steady_clock::now();
  nft.erase(elements);
  // One grace period is 8-20 ms; a thousand would be many seconds.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
}

TEST_F(NftTable, HoldsTenThousandPortsOfEveryKind) {
  std::vector<Element> elements;
  for (std::uint16_t port = 1; port <= 10000; ++port) {
    const PortNumber number{port};
    elements.push_back(web(port));
    elements.push_back({"pub6a",
                        {*ipam::Address::parse("2001:db8::1"), Protocol::udp, number},
                        {*ipam::Address::parse("fd00::2"), number}});
  }
  Nft nft;
  nft.replace(elements);
  EXPECT_EQ(shell("nft list map inet netd pub6a | grep -o 'udp \\. ' | wc -l"), "10000\n");
  nft.erase(elements);
  EXPECT_THAT(shell("nft list table inet netd"), Not(HasSubstr("elements")));
}

TEST_F(NftTable, EverySetTakesAnElementAndNftListsItReadably) {
  const auto v4 = *ipam::Address::parse("10.1.0.2");
  const auto v6 = *ipam::Address::parse("fd00::2");
  const LinkIndex link{1};
  const PortNumber port{80};
  Nft nft;
  nft.replace({});
  nft.add({{"samebr", {link, link}, {}},
           {"snat6", {link}, {v6}},
           {"open4", {v4, Protocol::sctp, port}, {}},
           {"pub6", {Protocol::udp, port}, {v6, port}},
           {"hair6", {v6, v6}, {}}});
  const std::string table = shell("nft list table inet netd");
  EXPECT_THAT(table, HasSubstr("elements = { \"lo\" . \"lo\" }"));
  EXPECT_THAT(table, HasSubstr("elements = { \"lo\" : fd00::2 }"));
  EXPECT_THAT(table, HasSubstr("elements = { 10.1.0.2 . sctp . 80 }"));
  EXPECT_THAT(table, HasSubstr("elements = { udp . 80 : fd00::2 . 80 }"));
  EXPECT_THAT(table, HasSubstr("elements = { fd00::2 . fd00::2 }"));
}

}  // namespace
