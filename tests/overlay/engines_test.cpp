// Engines on networks of the cluster: what they say through the plugin protocol, and what becomes
// of it in the cluster's books, in the kernel and in names. With real engines: tests/engine.
#include <gmock/gmock.h>

#include "tests/overlay/cluster.h"
#include "tests/overlay/plugin_engine.h"

namespace overlay {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Engines : public Cluster {
 protected:
  std::vector<std::string> flags(int host) const override {
    return {"--plugin-dir", plugins(host)};
  }
  static std::string plugins(int host) { return "/run/host" + std::to_string(host) + "/plugins"; }
  static std::string socket(int host) { return plugins(host) + "/netd.sock"; }

  void make_shop(const std::string& options = "--subnet 10.1.0.0/24") {
    on(1, "netctl network create -d overlay " + options + " shop");
    ASSERT_TRUE(within(5, [] { return knows(2, "shop"); }));
    one_.create_network("shop");
    two_.create_network("shop");
  }
  /// As the engine does with a link it was given: into the container's namespace, with the address.
  /// This test is not in the hosts' namespaces, so netd gives it the link in its own.
  static void take_link(int host, const PluginEngine::Container& container) {
    const std::string name = "c" + std::to_string(host) + container.digit;
    shell("ip netns add " + name + " && ip link set " + container.link + " netns " + name +
          " name eth0 && ip -n " + name + " address add " + container.address +
          " dev eth0 && ip -n " + name + " link set eth0 up");
  }
  static std::string in_container(int host, char digit, const std::string& command) {
    return shell("ip netns exec c" + std::to_string(host) + digit + " " + command);
  }
  static std::string plain(const PluginEngine::Container& container) {
    return container.address.substr(0, container.address.find('/'));
  }
  static std::vector<std::string> entries() { return keys("/netd/v1/ep/"); }
  static std::vector<std::string> claims() { return keys("/netd/v1/ip/"); }

  PluginEngine one_{socket(1), 'a'};
  PluginEngine two_{socket(2), 'b'};
};

TEST_F(Engines, ContainersOfTwoEnginesAndASandboxReachEachOther) {
  make_shop();
  const auto web = one_.start('1', "web");
  const auto db = two_.start('2', "db");
  take_link(1, web);
  take_link(2, db);
  on(2, "netctl sandbox create --network shop box");
  in_container(1, '1', ping(plain(db)));
  in_container(2, '2', ping(plain(web)));
  in_container(1, '1', ping(address_of(2, "box")));
  EXPECT_TRUE(within(5, [&] { return attempt_in(2, "box", ping("web")).status == 0; }));
  in(2, "box", ping("db"));
  EXPECT_EQ(web.joined.at("DisableGatewayService"), false) << "the way out is the engine's";
  EXPECT_EQ(web.joined.at("Gateway"), "");
  EXPECT_THAT(on(1, "netctl topology"), HasSubstr("web"));
}

TEST_F(Engines, WhatComesGoesFromTheBooks) {
  make_shop();
  EXPECT_THAT(entries(), IsEmpty()) << "a network and its gateway take no address";
  const auto web = one_.start('1', "web");
  EXPECT_THAT(entries(), SizeIs(1));
  EXPECT_THAT(entries().front(), HasSubstr(std::string(64, '1')));
  EXPECT_THAT(claims(), SizeIs(1));
  one_.expect("NetworkDriver.Leave", one_.ids('1'));
  one_.expect("NetworkDriver.DeleteEndpoint", one_.ids('1'));
  EXPECT_THAT(two_.refused("IpamDriver.RequestAddress", two_.address_body("db", plain(web))),
              HasSubstr("Address already in use"))
      << "it is the engine's until it gives it back";
  one_.stop(web);
  EXPECT_THAT(entries(), IsEmpty());
  EXPECT_THAT(claims(), IsEmpty());
  EXPECT_THAT(keys("/netd/v1/mac/"), IsEmpty());
  EXPECT_TRUE(within(10, [] { return attempt_on(1, "ip link show type vxlan").output.empty(); }));
  one_.remove_network();
  EXPECT_TRUE(knows(1, "shop")) << "the cluster's network stays";
  on(1, "netctl network rm shop");
  EXPECT_THAT(keys("/netd/v1/net/"), IsEmpty());
  EXPECT_TRUE(within(5, [] { return !knows(2, "shop"); }));
  EXPECT_THAT(two_.refused("IpamDriver.RequestAddress", two_.address_body("db")),
              HasSubstr("removed from the cluster"));
}

TEST_F(Engines, WhatDoesNotFitIsRefusedWithTheReason) {
  on(1, "netctl network create -d overlay --subnet 10.1.0.0/24 shop");
  on(1, "netctl network create local");
  const auto pool = [&](const json& body) { return one_.refused("IpamDriver.RequestPool", body); };
  EXPECT_THAT(pool(one_.pool_body("nothing")),
              HasSubstr("io.netd.network=nothing: the cluster has no such network: netctl network "
                        "create -d overlay nothing"));
  EXPECT_THAT(pool(one_.pool_body("local")),
              HasSubstr("that is a network of this host (driver bridge), not an overlay network"));
  EXPECT_THAT(pool(one_.pool_body("shop", "10.9.0.0/24")),
              HasSubstr("--subnet 10.9.0.0/24: network shop of the cluster has no such subnet"));
  EXPECT_THAT(pool(one_.pool_body("shop", "", true)), HasSubstr("has no IPv6 subnet"));
  json ranged = one_.pool_body("shop");
  ranged["SubPool"] = "10.1.0.128/25";
  EXPECT_THAT(pool(ranged), HasSubstr("--ip-range 10.1.0.128/25: the cluster gives out"));

  const auto network = [&](const json& body) {
    return one_.refused("NetworkDriver.CreateNetwork", body);
  };
  EXPECT_THAT(network(one_.network_body("shop", "10.1.0.0/24")),
              HasSubstr("-o io.netd.network=shop without --ipam-opt io.netd.network=shop"));
  const std::string held = one_.expect("IpamDriver.RequestPool", one_.pool_body("shop"))["PoolID"];
  EXPECT_THAT(network(one_.network_body("", "10.1.0.0/24")),
              HasSubstr("--ipam-opt io.netd.network=shop without -o io.netd.network=shop"));
  EXPECT_THAT(network(one_.network_body("shop", "10.1.0.0/24", {{"io.netd.vni", "7"}})),
              HasSubstr("io.netd.vni: the options of network shop are the cluster's"));
  const auto address = [&](json options, const char* wanted) {
    return one_.refused("IpamDriver.RequestAddress",
                        {{"PoolID", held}, {"Address", wanted}, {"Options", std::move(options)}});
  };
  EXPECT_THAT(address({{"RequestAddressType", "com.docker.network.gateway"}}, "10.1.0.1"),
              HasSubstr("--gateway 10.1.0.1: that of network shop is the cluster's to say (none)"));
  EXPECT_THAT(address(json::object(), "10.1.0.9"), HasSubstr("--aux-address 10.1.0.9"));
}

TEST_F(Engines, AnEngineThatIsGoneLeavesNothing) {
  make_shop();
  // A process of its own says this, and is gone.
  const auto say = [&](const std::string& method, const json& body) {
    return json::parse(shell("curl -sS --unix-socket " + socket(1) + " -d '" + body.dump() +
                             "' http://netd/" + method));
  };
  const std::string address =
      say("IpamDriver.RequestAddress", one_.address_body("web")).at("Address");
  EXPECT_EQ(say("NetworkDriver.CreateEndpoint", one_.endpoint_body('1', address)).count("Err"), 0);
  say("IpamDriver.RequestAddress", one_.address_body("db"));
  EXPECT_THAT(entries(), SizeIs(2));
  one_.expect("Plugin.Activate", json::object());
  EXPECT_TRUE(within(20, [] { return entries().empty() && claims().empty(); }));
}

TEST_F(Engines, AKilledNetdGoesOnWhereItWas) {
  make_shop();
  const auto web = one_.start('1', "web");
  take_link(1, web);
  const std::string claimed = one_.request_address("db");
  on(2, "netctl sandbox create --network shop box");
  crash_netd(1);
  start_netd(1);
  ASSERT_TRUE(within(20, [] { return sees(1, 2, "live"); }));
  in(2, "box", ping(plain(web)));
  EXPECT_EQ(one_.request_address("db"), claimed) << "asked again";
  one_.expect("NetworkDriver.CreateEndpoint", one_.endpoint_body('2', claimed));
  EXPECT_THAT(entries(), SizeIs(3));
  stop_netd(1);
  start_netd(1);
  ASSERT_TRUE(within(20, [] { return sees(1, 2, "live"); }));
  EXPECT_THAT(entries(), SizeIs(3)) << "nothing of it is a stray";
  one_.stop({.digit = '2', .address = claimed, .link = {}, .joined = {}});
  one_.stop(web);
  EXPECT_THAT(entries(), SizeIs(1));
}

TEST_F(Engines, WhatIsGivenBackWhileTheStoreIsAwayIsToldLater) {
  make_shop();
  const auto web = one_.start('1', "web");
  cut_store(1);
  one_.stop(web);
  EXPECT_THAT(one_.refused("IpamDriver.RequestAddress", one_.address_body("db")),
              HasSubstr("cluster store"));
  mend_store(1);
  EXPECT_TRUE(within(30, [] { return entries().empty() && claims().empty(); }));
}

TEST_F(Engines, BothFamiliesAreOneEndpoint) {
  on(1, "netctl network create -d overlay --ipv6 --subnet 10.1.0.0/24 --subnet fd00:1::/64 shop");
  const std::string four = one_.expect("IpamDriver.RequestPool", one_.pool_body("shop"))["PoolID"];
  const std::string six =
      one_.expect("IpamDriver.RequestPool", one_.pool_body("shop", "", true))["PoolID"];
  json network = one_.network_body("shop", "10.1.0.0/24");
  network["IPv6Data"] = {{{"AddressSpace", "netd"}, {"Pool", "fd00:1::/64"}}};
  one_.expect("NetworkDriver.CreateNetwork", network);
  const auto ask = [&](const std::string& pool) -> std::string {
    json body = one_.address_body("web");
    body["PoolID"] = pool;
    return one_.expect("IpamDriver.RequestAddress", body)["Address"];
  };
  json endpoint = one_.endpoint_body('1', ask(four));
  const std::string ipv6 = ask(six);
  EXPECT_THAT(entries(), SizeIs(2));
  endpoint["Interface"]["AddressIPv6"] = ipv6;
  const json made = one_.expect("NetworkDriver.CreateEndpoint", endpoint);
  EXPECT_THAT(made["Interface"].value("MacAddress", ""), HasSubstr("02:42:0a:01:00"));
  EXPECT_THAT(entries(), SizeIs(1));
  EXPECT_THAT(claims(), SizeIs(2));
  EXPECT_THAT(keys("/netd/v1/mac/"), SizeIs(1));
  one_.expect("NetworkDriver.DeleteEndpoint", one_.ids('1'));
  const auto give_back = [&](const std::string& pool, const std::string& address) {
    one_.expect("IpamDriver.ReleaseAddress",
                {{"PoolID", pool}, {"Address", address.substr(0, address.find('/'))}});
  };
  give_back(six, ipv6);
  EXPECT_THAT(entries(), SizeIs(1));
  give_back(four, endpoint["Interface"]["Address"]);
  EXPECT_THAT(entries(), IsEmpty());
  EXPECT_THAT(claims(), IsEmpty());
}

TEST_F(Engines, TheNetworksOwnServerTellsNamesOnEveryHost) {
  make_shop("--subnet 10.1.0.0/24 -o io.netd.gateway_dns=true");
  EXPECT_EQ(one_.expect("IpamDriver.RequestAddress",
                        {{"PoolID", one_.pool()},
                         {"Address", ""},
                         {"Options", {{"RequestAddressType", "com.docker.network.gateway"}}}})
                .value("Address", ""),
            "10.1.0.1/24");
  const auto web = one_.start('1', "web");
  const auto db = two_.start('2', "db");
  take_link(1, web);
  take_link(2, db);
  on(2, "netctl sandbox create --network shop box");
  const auto knows_name = [&](int host, char digit, const std::string& name) {
    const std::string asked = "timeout 5 ip netns exec c" + std::to_string(host) + digit +
                              " busybox nslookup " + name + " 10.1.0.1";
    return within(10, [&] { return attempt_on(host, asked).status == 0; });
  };
  EXPECT_TRUE(knows_name(1, '1', "db"));
  EXPECT_TRUE(knows_name(1, '1', "box"));
  EXPECT_TRUE(knows_name(2, '2', "web"));
  crash_netd(1);
  start_netd(1);
  EXPECT_TRUE(knows_name(1, '1', "db")) << "after a crash";
  EXPECT_THAT(two_.refused("IpamDriver.RequestAddress", two_.address_body("x", "10.1.0.1")),
              HasSubstr("Address already in use"));
  one_.stop(web);
  EXPECT_TRUE(within(10, [] { return attempt_on(1, "ip link show | grep nd").output.empty(); }));
  EXPECT_EQ(shell("ls /run/host1/run/netns"), "");
}

TEST_F(Engines, APurgeGivesEverythingBack) {
  make_shop();
  const auto web = one_.start('1', "web");
  one_.request_address("db");
  on(1, "netctl system purge --force");
  EXPECT_TRUE(within(20, [] { return entries().empty() && claims().empty(); }));
  EXPECT_THAT(one_.refused("NetworkDriver.Join", one_.ids('1')), HasSubstr("not known"));
  EXPECT_TRUE(knows(1, "shop"));
}

}  // namespace
}  // namespace overlay
