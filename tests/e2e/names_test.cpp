// What a sandbox finds by name.
#include "tests/e2e/end_to_end.h"

namespace e2e {
namespace {

using ::testing::Test;

class Names : public EndToEnd {
 protected:
  void SetUp() override {
    EndToEnd::SetUp();
    shell("netctl network create --subnet 10.5.0.0/24 shop");
    shell("netctl sandbox create --network shop:ip=10.5.0.10,alias=www web");
    shell("netctl sandbox create --network shop client");
  }
  static std::string look_up(const std::string& sandbox, const std::string& question) {
    return in(sandbox, "dig +short +tries=1 +time=3 " + question);
  }
  static std::string status_of(const std::string& sandbox, const std::string& question) {
    return in(sandbox, "dig +tries=1 +time=3 " + question + " | grep -o 'status: [A-Z]*'");
  }
};

TEST_F(Names, ASandboxIsFoundByItsName) {
  EXPECT_EQ(look_up("client", "web"), "10.5.0.10\n");
}

TEST_F(Names, ASandboxIsFoundByItsAlias) {
  EXPECT_EQ(look_up("client", "www"), "10.5.0.10\n");
}

TEST_F(Names, ASandboxIsFoundByNameAndNetwork) {
  EXPECT_EQ(look_up("client", "web.shop"), "10.5.0.10\n");
}

TEST_F(Names, ASandboxIsFoundByItsShortId) {
  const std::string id = api("/sandboxes/web").at("Id");
  EXPECT_EQ(look_up("client", id.substr(0, 12)), "10.5.0.10\n");
}

TEST_F(Names, AnAddressHasItsName) {
  EXPECT_EQ(look_up("client", "-x 10.5.0.10"), "web.shop.\n");
}

TEST_F(Names, AKnownNameHasNoMailServerButExists) {
  EXPECT_EQ(status_of("client", "web MX"), "status: NOERROR\n");
}

TEST_F(Names, AnswersComeOverTcpToo) {
  EXPECT_EQ(look_up("client", "+tcp web"), "10.5.0.10\n");
}

TEST_F(Names, TheResolverOfTheCLibraryFindsThem) {
  EXPECT_EQ(in("client", "getent hosts web"), "10.5.0.10       web\n");
}

TEST_F(Names, AnOutsideNameIsForwardedToTheHostsServer) {
  EXPECT_EQ(look_up("client", "example.test"), "198.51.100.7\n");
}

TEST_F(Names, AnUnknownOutsideNameStaysUnknown) {
  EXPECT_EQ(status_of("client", "nowhere.test"), "status: NXDOMAIN\n");
}

TEST_F(Names, ANameGoesWithTheConnection) {
  shell("netctl network disconnect shop web");
  EXPECT_EQ(look_up("client", "web"), "");
  shell("netctl network connect --ip 10.5.0.20 shop web");
  EXPECT_EQ(look_up("client", "web"), "10.5.0.20\n");
}

TEST_F(Names, OnlyCommonNetworksShareNames) {
  shell("netctl network create other && netctl sandbox create --network other stranger");
  EXPECT_EQ(look_up("stranger", "web"), "");
}

TEST_F(Names, ASandboxMayOwnPort53) {
  const EchoServer own(netns_of("web"), 53, "own: ");
  EXPECT_EQ(ask(netns_of("client"), "10.5.0.10", 53, "hello"), "own: hello");
  EXPECT_EQ(look_up("web", "client.shop"), address_of("client", "shop") + "\n");
}

TEST_F(Names, HostsFileHasExtraHostsAndOneself) {
  shell("netctl sandbox create --network shop --hostname box --add-host db:10.9.9.9 third");
  const std::string hosts = in("third", "cat /etc/hosts");
  EXPECT_NE(hosts.find("10.9.9.9\tdb"), std::string::npos) << hosts;
  EXPECT_NE(hosts.find(address_of("third", "shop") + "\tbox"), std::string::npos) << hosts;
}

TEST_F(Names, TheSandboxesResolvConfNamesTheEmbeddedServer) {
  EXPECT_NE(in("client", "cat /etc/resolv.conf").find("nameserver 127.0.0.11\n"),
            std::string::npos);
}

}  // namespace
}  // namespace e2e
