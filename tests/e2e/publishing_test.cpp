// Who reaches a published port, and how it is given back.
#include "tests/e2e/end_to_end.h"

namespace e2e {
namespace {

class Publishing : public EndToEnd {
 protected:
  void SetUp() override {
    EndToEnd::SetUp();
    shell("netctl network create --ipv6 --subnet 10.5.0.0/24 --subnet fd00:5::/64 shop");
    shell("netctl sandbox create --network shop -p 8080:80 -p 5353:53/udp web");
    web_ = std::make_unique<WebServer>(netns_of("web"), 80, "page");
    echo_ = std::make_unique<EchoServer>(netns_of("web"), 53, "echo ");
  }
  void TearDown() override {
    web_.reset();
    echo_.reset();
    EndToEnd::TearDown();
  }

  std::unique_ptr<WebServer> web_;
  std::unique_ptr<EchoServer> echo_;
};

TEST_F(Publishing, OutsideReachesItAtTheHostsAddress) {
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page");
}

TEST_F(Publishing, OutsideReachesItAtTheHostsIpv6Address) {
  EXPECT_EQ(outside(fetch("http://[2001:db8::1]:8080/")), "page");
}

TEST_F(Publishing, TheHostReachesItAtItsOwnAddresses) {
  EXPECT_EQ(shell(fetch("http://192.0.2.1:8080/")), "page");
  EXPECT_EQ(shell(fetch("http://[2001:db8::1]:8080/")), "page");
}

TEST_F(Publishing, TheHostReachesItAtLocalhost) {
  EXPECT_EQ(shell(fetch("http://127.0.0.1:8080/")), "page");
  EXPECT_EQ(shell(fetch("http://[::1]:8080/")), "page");
}

TEST_F(Publishing, AnotherNetworkReachesItAtTheHostsAddress) {
  shell("netctl network create other && netctl sandbox create --network other stranger");
  EXPECT_EQ(in("stranger", fetch("http://192.0.2.1:8080/")), "page");
}

TEST_F(Publishing, TheSameNetworkReachesItAtTheHostsAddress) {
  shell("netctl sandbox create --network shop client");
  EXPECT_EQ(in("client", fetch("http://192.0.2.1:8080/")), "page");
}

TEST_F(Publishing, TheSandboxReachesItselfAtTheHostsAddress) {
  EXPECT_EQ(in("web", fetch("http://192.0.2.1:8080/")), "page");
}

TEST_F(Publishing, DatagramsFromOutsideAreAnswered) {
  EXPECT_EQ(ask("/run/netns/outside", "192.0.2.1", 5353, "one"), "echo one");
  EXPECT_EQ(ask("/run/netns/outside", "2001:db8::1", 5353, "two"), "echo two");
}

TEST_F(Publishing, DatagramsFromTheHostAreAnswered) {
  EXPECT_EQ(ask("", "192.0.2.1", 5353, "one"), "echo one");
  EXPECT_EQ(ask("", "127.0.0.1", 5353, "two"), "echo two");
}

TEST_F(Publishing, APortBoundToLocalhostIsNotReachedFromOutside) {
  shell("netctl sandbox create --network shop -p 127.0.0.1:8081:80 inner");
  const WebServer inner(netns_of("inner"), 80, "inner");
  EXPECT_EQ(shell(fetch("http://127.0.0.1:8081/")), "inner");
  EXPECT_NE(attempt_outside(fetch("http://192.0.2.1:8081/")).status, 0);
}

TEST_F(Publishing, APortInUseIsRefusedAndLeavesNothing) {
  const std::string before = traces();
  const Result result = attempt("netctl sandbox create --network shop -p 8080:80 second");
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.output.find("8080"), std::string::npos) << result.output;
  EXPECT_TRUE(eventually([&] { return traces() == before; })) << before << traces();
  EXPECT_EQ(attempt("netctl sandbox inspect second").status, 1);
}

TEST_F(Publishing, APortOfAnotherProgramIsRefused) {
  const WebServer other("", 9090, "other");
  EXPECT_EQ(attempt("netctl sandbox create --network shop -p 9090:80 second").status, 1);
}

TEST_F(Publishing, ARangeIsPublishedPortByPort) {
  shell("netctl sandbox create --network shop -p 9000-9002:9000-9002 range");
  const WebServer last(netns_of("range"), 9002, "last");
  EXPECT_EQ(outside(fetch("http://192.0.2.1:9002/")), "last");
}

TEST_F(Publishing, AFreePortIsChosenAndTold) {
  shell("netctl sandbox create --network shop -p 80 chosen");
  const WebServer chosen(netns_of("chosen"), 80, "chosen");
  const std::string lines = shell("netctl port chosen");
  ASSERT_TRUE(lines.starts_with("80/tcp -> 0.0.0.0:")) << lines;
  const std::string port = lines.substr(18, lines.find('\n') - 18);
  EXPECT_EQ(outside(fetch("http://192.0.2.1:" + port + "/")), "chosen");
}

TEST_F(Publishing, PortsChangeOnALiveSandbox) {
  shell("netctl sandbox ports web --add 8888:80 --rm 8080:80");
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8888/")), "page");
  EXPECT_NE(attempt_outside(fetch("http://192.0.2.1:8080/")).status, 0);
}

TEST_F(Publishing, ARemovedSandboxGivesItsPortsBack) {
  web_.reset();
  echo_.reset();
  shell("netctl sandbox rm web");
  EXPECT_NE(attempt_outside(fetch("http://192.0.2.1:8080/")).status, 0);
  const WebServer other("", 8080, "the host's own");
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "the host's own");
}

}  // namespace
}  // namespace e2e
