// What a user does with overlay networks while all is well.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/overlay/cluster.h"
#include "tests/support/certificates.h"

namespace overlay {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Overlay : public Cluster {
 protected:
  void make_shop(const std::string& options = "") {
    on(1, "netctl network create -d overlay " + options + " shop");
    EXPECT_TRUE(within(5, [] { return knows(2, "shop"); }));
  }
  static void join(int host, const std::string& name, const std::string& options = "") {
    on(host, "netctl sandbox create --network shop " + options + " " + name);
  }
  static bool resolves(int host, const std::string& from, const std::string& name) {
    return attempt_in(host, from, "getent ahostsv4 " + name).status == 0;
  }
};

TEST_F(Overlay, ContainersOfTwoHostsReachEachOtherByName) {
  make_shop("--ipv6");
  on(1, "netctl sandbox create --network shop:alias=www web");
  join(2, "db");
  EXPECT_NE(address_of(1, "web"), address_of(2, "db"));
  EXPECT_TRUE(within(5, [] { return resolves(1, "web", "db"); }));
  EXPECT_TRUE(within(5, [] { return resolves(2, "db", "www"); }));
  const e2e::WebServer page(netns_of(1, "web"), 80, "from web");
  EXPECT_EQ(in(2, "db", e2e::fetch("http://www/")), "from web");
  const std::string six =
      api(1, "/sandboxes/web").at("Networks").at("shop").at("GlobalIPv6Address");
  EXPECT_EQ(in(2, "db", e2e::fetch("http://[" + six + "]/")), "from web");
  EXPECT_THAT(in(2, "db", "getent hosts " + address_of(1, "web")), HasSubstr("web"));
  in(1, "web", ping(address_of(2, "db")));
}

TEST_F(Overlay, ANetworkIsOneOnAllHosts) {
  make_shop("--subnet 10.77.0.0/24 --label team=a -o io.netd.vni=5000");
  const auto here = api(1, "/networks/shop");
  const auto there = api(2, "/networks/shop");
  for (const char* key : {"Id", "Name", "Driver", "Scope", "IPAM", "Options", "Labels", "Created"})
    EXPECT_EQ(here.at(key), there.at(key)) << key;
  EXPECT_EQ(there.at("Scope"), "global");
  EXPECT_EQ(there.at("IPAM").at("Config").at(0).at("Subnet"), "10.77.0.0/24");
  EXPECT_THAT(attempt_on(2, "netctl network create -d overlay shop").output,
              HasSubstr("network with name shop already exists"));
  EXPECT_THAT(attempt_on(2, "netctl network create -d overlay --subnet 10.77.0.128/25 b").output,
              HasSubstr("overlaps 10.77.0.0/24 of network shop"));
  EXPECT_THAT(attempt_on(2, "netctl network create -d overlay -o io.netd.vni=5000 b").output,
              HasSubstr("VXLAN network identifier 5000 is network shop's"));
  join(2, "db");
  EXPECT_THAT(attempt_on(1, "netctl network rm shop").output, HasSubstr("db on host"));
  on(2, "netctl sandbox rm db");
  on(1, "netctl network rm shop");
  EXPECT_TRUE(within(5, [] { return !knows(2, "shop"); }));
  EXPECT_THAT(keys("/netd/v1/net"), IsEmpty());
  EXPECT_THAT(keys("/netd/v1/pool/"), IsEmpty());
  EXPECT_THAT(keys("/netd/v1/vni/"), IsEmpty());
}

TEST_F(Overlay, AnAddressIsGivenOnce) {
  make_shop();
  on(1, "netctl sandbox create --network shop:ip=10.0.0.7 web");
  EXPECT_EQ(address_of(1, "web"), "10.0.0.7");
  EXPECT_THAT(attempt_on(2, "netctl sandbox create --network shop:ip=10.0.0.7 db").output,
              HasSubstr("Address already in use: 10.0.0.7 is that of web on host "));
  EXPECT_THAT(api(2, "/sandboxes"), IsEmpty()) << "nothing is half-made";
  on(1, "netctl sandbox rm web");
  on(2, "netctl sandbox create --network shop:ip=10.0.0.7 db");
}

TEST_F(Overlay, AWayOutAndPublishedPortsGoThroughTheHost) {
  make_shop();
  join(1, "web", "-p 8080:80");
  const e2e::WebServer page(netns_of(1, "web"), 80, "from web");
  EXPECT_EQ(on(2, e2e::fetch("http://192.0.2.1:8080/")), "from web");
  const e2e::WebServer outside("", 81, "from outside");
  EXPECT_EQ(in(1, "web", e2e::fetch("http://192.0.2.101:81/")), "from outside");
  join(1, "other");
  const std::string gateway_address = address_of(1, "web", "netd_gwbridge");
  EXPECT_NE(attempt_in(1, "other", e2e::fetch("http://" + gateway_address + "/")).status, 0)
      << "sandboxes reach each other on the gateway bridge";
  on(1, "netctl network disconnect shop web");
  EXPECT_THAT(api(1, "/sandboxes/web").at("Networks"), IsEmpty());
}

TEST_F(Overlay, AnInternalOneHasNoWayOut) {
  make_shop("--internal");
  join(1, "web");
  join(2, "db");
  const e2e::WebServer outside("", 81, "from outside");
  EXPECT_NE(attempt_in(1, "web", e2e::fetch("http://192.0.2.101:81/")).status, 0);
  in(1, "web", ping(address_of(2, "db")));
  EXPECT_FALSE(knows(1, "netd_gwbridge"));
}

TEST_F(Overlay, SeveralSubnetsAreOneNetwork) {
  make_shop("--subnet 10.71.0.0/24 --subnet 10.72.0.0/24");
  on(1, "netctl sandbox create --network shop:ip=10.71.0.5 web");
  on(2, "netctl sandbox create --network shop:ip=10.72.0.5 db");
  EXPECT_TRUE(within(5, [] { return attempt_in(1, "web", ping("10.72.0.5")).status == 0; }));
}

TEST_F(Overlay, NothingOfItIsOnAHostThatNobodyUsesItOn) {
  make_shop();
  EXPECT_THAT(on(2, "ip -o link show type vxlan"), IsEmpty());
  join(2, "db");
  EXPECT_THAT(on(2, "ip -o link show type vxlan"), Not(IsEmpty()));
  on(2, "netctl sandbox rm db");
  EXPECT_TRUE(within(5, [] { return on(2, "ip -o link show type vxlan").empty(); }));
  EXPECT_THAT(keys("/netd/v1/ep/"), IsEmpty());
  EXPECT_THAT(keys("/netd/v1/ip/"), IsEmpty());
  EXPECT_THAT(keys("/netd/v1/mac/"), IsEmpty());
}

TEST_F(Overlay, APacketFromAStrangerIsDropped) {
  make_shop();
  join(1, "web");
  shell(
      "ip netns add stranger; ip link add tos type veth peer name eth0 netns stranger;"
      "ip link set tos master underlay up; ip -n stranger address add 192.0.2.66/24 dev eth0; ip "
      "-n stranger link set eth0 up");
  const auto network = api(1, "/networks/shop");
  const std::string vni = on(1, "ip -d link show type vxlan | grep -o 'id [0-9]*' | cut -d' ' -f2");
  const std::string mac = api(1, "/sandboxes/web").at("Networks").at("shop").at("MacAddress");
  shell("ip -n stranger link add x0 type vxlan id " + vni.substr(0, vni.find('\n')) +
        " dstport 4789 local 192.0.2.66 remote 192.0.2.1;"
        "ip -n stranger address add 10.0.0.250/24 dev x0; ip -n stranger link set x0 up;"
        "ip -n stranger neighbour replace " +
        address_of(1, "web") + " lladdr " + mac + " dev x0 nud permanent");
  e2e::EchoServer echo(netns_of(1, "web"), 7, "heard ");
  EXPECT_EQ(e2e::ask("/run/netns/stranger", address_of(1, "web"), 7, "hello"), std::nullopt);
  EXPECT_THAT(on(1, "nft list chain inet netd input | grep @hosts4"),
              Not(HasSubstr("counter packets 0 ")));
}

TEST_F(Overlay, FullSizePacketsPassAndASmallUnderlayIsRefused) {
  make_shop();
  join(1, "web");
  join(2, "db");
  EXPECT_THAT(in(1, "web", "cat /sys/class/net/eth0/mtu; ip link show eth0"),
              HasSubstr("mtu 1450"));
  in(1, "web", "busybox ping -q -c 1 -W 2 -s 1422 " + address_of(2, "db"));
  on(2, "netctl sandbox rm db");
  stop_netd(2);
  on(2, "ip link set eth0 mtu 1400");
  start_netd(2);
  EXPECT_TRUE(within(10, [] { return sees(2, 1, "live"); }));
  const auto refused = attempt_on(2, "netctl sandbox create --network shop db");
  EXPECT_THAT(refused.output, HasSubstr("has an MTU of 1450, for which this host's link to the "
                                        "others needs one of 1500; it has 1400"));
  EXPECT_THAT(api(2, "/sandboxes"), IsEmpty());
  EXPECT_TRUE(within(5, [] { return keys("/netd/v1/ip/").size() == 1; }));
}

TEST_F(Overlay, ALocalNetworkOfThatNameIsSaidToBeInTheWay) {
  on(2, "netctl network create shop");
  on(1, "netctl network create -d overlay shop");
  EXPECT_TRUE(within(5, [] { return !api(2, "/cluster").at("Unusable").empty(); }));
  EXPECT_THAT(on(2, "netctl cluster status"),
              HasSubstr("this host has a network of its own with the name shop"));
}

TEST_F(Overlay, PurgeTakesThisHostsPartOnly) {
  make_shop();
  join(1, "web");
  join(2, "db");
  on(2, "netctl system purge --force");
  EXPECT_THAT(on(2, "ip -o link | grep -v 'lo\\|eth0' || true"), IsEmpty());
  EXPECT_THAT(on(2, "nft list tables"), IsEmpty());
  EXPECT_EQ(keys("/netd/v1/ep/").size(), 1u);
  EXPECT_TRUE(knows(1, "shop"));
  // It is a member still: the next verb finds the cluster's networks.
  join(2, "again");
  EXPECT_TRUE(
      within(5, [] { return attempt_in(2, "again", ping(address_of(1, "web"))).status == 0; }));
}

TEST_F(Overlay, AJoinMakesGoodWhatSomebodyDeleted) {
  make_shop();
  join(1, "web");
  join(2, "db");
  for (const char* link : {"nx", "nb"}) {
    on(2, std::string("ip link delete $(ip -o link | grep -o '") + link +
              "[0-9a-f]\\{6\\}' | head -n 1)");
    EXPECT_EQ(attempt_on(2, "netctl doctor").status, 1);
    const std::string name = std::string("after-") + link;
    join(2, name);
    EXPECT_TRUE(
        within(5, [&] { return attempt_in(1, "web", ping(address_of(2, name))).status == 0; }));
    EXPECT_TRUE(
        within(5, [] { return attempt_in(1, "web", ping(address_of(2, "db"))).status == 0; }));
  }
  EXPECT_EQ(attempt_on(2, "netctl doctor").status, 0);
}

TEST_F(Overlay, SubnetsThatCantBeAreRefused) {
  for (const char* subnet : {"224.1.0.0/24", "127.0.0.0/24", "169.254.7.0/24"})
    EXPECT_THAT(
        attempt_on(1, std::string("netctl network create -d overlay --subnet ") + subnet + " x")
            .output,
        HasSubstr("is not allowed"));
  EXPECT_THAT(attempt_on(1, "netctl network create -d overlay --subnet 192.0.2.0/24 x").output,
              HasSubstr("has this host's tunnel address 192.0.2.1 in it"));
  EXPECT_FALSE(knows(1, "x"));
  EXPECT_THAT(keys("/netd/v1/pool/"), IsEmpty());
}

TEST_F(Overlay, ATraceSaysWhyOrWhyNot) {
  make_shop();
  join(1, "web");
  join(2, "db");
  EXPECT_TRUE(within(5, [] { return attempt_on(1, "netctl overlay trace web db").status == 0; }))
      << attempt_on(1, "netctl overlay trace web db").output;
  EXPECT_THAT(on(1, "netctl overlay trace web db"), HasSubstr("web reaches db"));
  const std::string mac = api(2, "/sandboxes/db").at("Networks").at("shop").at("MacAddress");
  on(1,
     "bridge fdb del " + mac + " dev $(ip -o link | grep -o 'nx[0-9a-f]\\{6\\}' | head -n 1) self");
  const auto broken = attempt_on(1, "netctl overlay trace web db");
  EXPECT_EQ(broken.status, 1);
  EXPECT_THAT(broken.output,
              HasSubstr("WRONG   the kernel's entries for it here: put tunnel " + mac));
  EXPECT_THAT(attempt_on(1, "netctl overlay trace web nobody").output,
              HasSubstr("the store knows no nobody"));
  member(1).pause();
  const auto without = attempt_on(1, "netctl overlay trace web db");
  member(1).go_on();
  EXPECT_THAT(without.output, HasSubstr("WRONG   the store"));
  EXPECT_THAT(without.output, HasSubstr("in this host's copy of the store"));
}

class OverlayAlone : public e2e::EndToEnd {};

TEST_F(OverlayAlone, WithoutAClusterItIsRefusedWithTheRemedy) {
  const auto refused = attempt("netctl network create -d overlay shop");
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.output,
              HasSubstr("overlay networks need a cluster: start netd with --cluster"));
  EXPECT_THAT(attempt("netctl cluster status").output, HasSubstr("this host is in no cluster"));
  EXPECT_THAT(shell("cat /proc/" + std::to_string(netd().pid()) + "/maps"), Not(HasSubstr("grpc")));
}

class OverlayOnIpv6 : public Overlay {
 protected:
  std::vector<std::string> flags(int host) const override {
    return {"--vtep", "2001:db8::" + std::to_string(host)};
  }
};

TEST_F(OverlayOnIpv6, ContainersReachEachOther) {
  make_shop();
  join(1, "web");
  join(2, "db");
  EXPECT_TRUE(
      within(5, [] { return attempt_in(1, "web", ping(address_of(2, "db"))).status == 0; }));
  EXPECT_THAT(in(1, "web", "ip link show eth0"), HasSubstr("mtu 1430"));
  in(1, "web", "busybox ping -q -c 1 -W 2 -s 1402 " + address_of(2, "db"));
}

/// etcd takes clients with a certificate of its authority only.
class OverlayWithTls : public Overlay {
 protected:
  void prepare_store() override {
    std::filesystem::create_directories("/run/tls");
    const tests::Certificates certificates("/run/tls");
    certificates.issue("store", "serverAuth", "IP:192.0.2.101");
    certificates.issue("netd", "clientAuth");
  }
  std::vector<std::string> store_flags() const override {
    return {"--cluster-cacert",  authority_,      "--cluster-cert",
            "/run/tls/netd.pem", "--cluster-key", "/run/tls/netd-key.pem"};
  }
  std::vector<std::string> member_flags() const override {
    return {"--client-cert-auth", "--trusted-ca-file=/run/tls/ca.pem",
            "--cert-file=/run/tls/store.pem", "--key-file=/run/tls/store-key.pem"};
  }
  std::string client_scheme() const override { return "https"; }
  std::string etcdctl_flags() const override {
    return "--cacert=/run/tls/ca.pem --cert=/run/tls/netd.pem --key=/run/tls/netd-key.pem";
  }
  std::string authority_ = "/run/tls/ca.pem";
};

TEST_F(OverlayWithTls, TheStoreIsAskedWithACertificate) {
  make_shop();
  join(1, "web");
  join(2, "db");
  EXPECT_TRUE(
      within(5, [] { return attempt_in(1, "web", ping(address_of(2, "db"))).status == 0; }));
  EXPECT_THAT(on(1, "netctl cluster status"), HasSubstr("https://192.0.2.101:2379"));
  // A certificate of another authority is refused, and said so.
  stop_netd(2);
  shell("mkdir /run/other");
  tests::Certificates("/run/other").issue("netd", "clientAuth");
  authority_ = "/run/other/ca.pem";
  start_netd(2);
  EXPECT_TRUE(
      within(15, [] { return !api(2, "/cluster").at("Problem").get<std::string>().empty(); }));
  EXPECT_THAT(attempt_on(2, "netctl cluster status").output, HasSubstr("certificate"));
  EXPECT_THAT(attempt_on(2, "netctl sandbox create --network shop more").status, 1);
  in(1, "web", ping(address_of(2, "db")));
}

}  // namespace
}  // namespace overlay
