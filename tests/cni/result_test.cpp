// What ADD answers, in each version's shape.
#include <gmock/gmock.h>

#include "tests/cni/machine.h"

namespace cni {
namespace {

using nlohmann::json;

class ResultTest : public CniTest {
 protected:
  /// What is another one each time is told, and made the same.
  static json result_of(const std::string& version) {
    json result = add(
        "c1", conf({{"cniVersion", version},
                    {"ipam",
                     {{"ranges", {{{{"subnet", "10.5.0.0/24"}}}, {{{"subnet", "fd00:5::/64"}}}}}}},
                    {"options", {{"com.docker.network.driver.mtu", "1400"}}},
                    {"runtimeConfig", {{"mac", "02:00:00:00:00:05"}}}}));
    for (const char* link : {"bridge", "veth"}) {
      if (!result.contains("interfaces")) break;
      json& interface = result["interfaces"][link == std::string("veth")];
      const std::string name = interface["name"].get<std::string>();
      EXPECT_EQ(shell("cat /sys/class/net/" + name + "/address"),
                interface["mac"].get<std::string>() + "\n");
      interface["name"] = link;
      interface["mac"] = "…";
    }
    return result;
  }
  void SetUp() override {
    CniTest::SetUp();
    shell("mount -t sysfs sysfs /sys");
  }
};

TEST_F(ResultTest, Of_1_1_0) {
  EXPECT_EQ(result_of("1.1.0"), json::parse(R"({"cniVersion":"1.1.0",
    "interfaces":[{"name":"bridge","mac":"…","mtu":1400},{"name":"veth","mac":"…","mtu":1400},
                  {"name":"eth0","mac":"02:00:00:00:00:05","mtu":1400,"sandbox":"/run/netns/c1"}],
    "ips":[{"address":"10.5.0.2/24","gateway":"10.5.0.1","interface":2},
           {"address":"fd00:5::2/64","gateway":"fd00:5::1","interface":2}],
    "routes":[{"dst":"0.0.0.0/0","gw":"10.5.0.1"},{"dst":"::/0","gw":"fd00:5::1","priority":1024}],
    "dns":{"nameservers":["127.0.0.11"],"options":["ndots:0"]}})"));
}

TEST_F(ResultTest, Of_1_0_0) {
  EXPECT_EQ(result_of("1.0.0"), json::parse(R"({"cniVersion":"1.0.0",
    "interfaces":[{"name":"bridge","mac":"…"},{"name":"veth","mac":"…"},
                  {"name":"eth0","mac":"02:00:00:00:00:05","sandbox":"/run/netns/c1"}],
    "ips":[{"address":"10.5.0.2/24","gateway":"10.5.0.1","interface":2},
           {"address":"fd00:5::2/64","gateway":"fd00:5::1","interface":2}],
    "routes":[{"dst":"0.0.0.0/0","gw":"10.5.0.1"},{"dst":"::/0","gw":"fd00:5::1"}],
    "dns":{"nameservers":["127.0.0.11"],"options":["ndots:0"]}})"));
}

TEST_F(ResultTest, Of_0_3_0_to_0_4_0) {
  for (const char* version : {"0.3.0", "0.3.1", "0.4.0"}) {
    json expected = json::parse(R"({
      "interfaces":[{"name":"bridge","mac":"…"},{"name":"veth","mac":"…"},
                    {"name":"eth0","mac":"02:00:00:00:00:05","sandbox":"/run/netns/c1"}],
      "ips":[{"version":"4","address":"10.5.0.2/24","gateway":"10.5.0.1","interface":2},
             {"version":"6","address":"fd00:5::2/64","gateway":"fd00:5::1","interface":2}],
      "routes":[{"dst":"0.0.0.0/0","gw":"10.5.0.1"},{"dst":"::/0","gw":"fd00:5::1"}],
      "dns":{"nameservers":["127.0.0.11"],"options":["ndots:0"]}})");
    expected["cniVersion"] = version;
    json result = result_of(version);
    result["ips"][0]["address"] = "10.5.0.2/24";  // each time another one
    result["ips"][1]["address"] = "fd00:5::2/64";
    EXPECT_EQ(result, expected);
    EXPECT_EQ(run("DEL", "c1", conf({{"cniVersion", version}})).status, 0);
  }
}

TEST_F(ResultTest, Of_0_2_0) {
  EXPECT_EQ(result_of("0.2.0"), json::parse(R"({"cniVersion":"0.2.0",
    "ip4":{"ip":"10.5.0.2/24","gateway":"10.5.0.1","routes":[{"dst":"0.0.0.0/0","gw":"10.5.0.1"}]},
    "ip6":{"ip":"fd00:5::2/64","gateway":"fd00:5::1","routes":[{"dst":"::/0","gw":"fd00:5::1"}]},
    "dns":{"nameservers":["127.0.0.11"],"options":["ndots:0"]}})"));
}

TEST_F(ResultTest, WithoutAVersionIsThatOf_0_1_0) {
  json old = conf({{"ipam", {{"subnet", "10.5.0.0/24"}}}});
  old.erase("cniVersion");
  const json result = add("c1", old);
  EXPECT_EQ(result["cniVersion"], "0.1.0");
  EXPECT_EQ(result["ip4"]["ip"], "10.5.0.2/24");
}

TEST_F(ResultTest, HasNoHostLinksWhereTheDriverMakesNone) {
  const json result = add("c1", conf({{"driver", "macvlan"},
                                      {"options", {{"parent", "uplink"}}},
                                      {"ipam",
                                       {{"subnet", "192.0.2.0/24"},
                                        {"gateway", "192.0.2.2"},
                                        {"ipRange", "192.0.2.128/25"}}}}));
  ASSERT_EQ(result["interfaces"].size(), 1u);
  EXPECT_EQ(result["interfaces"][0]["sandbox"], "/run/netns/c1");
  EXPECT_EQ(result["ips"],
            json::parse(R"([{"address":"192.0.2.128/24","gateway":"192.0.2.2","interface":0}])"));
}

}  // namespace
}  // namespace cni
