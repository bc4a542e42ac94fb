#include "sandbox/plan.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/sandbox/example_plans.h"

namespace sandbox {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using tests::address;
using tests::prefix;

TEST(PlanText, TellsABridgeNetwork) {
  EXPECT_EQ(to_text(tests::bridge_plan()),
            "host-sysctl net/ipv4/ip_forward = 1\n"
            "bridge br-3f2a91c0d4e7 index 1000 mac 02:42:00:00:00:01 mtu 1450\n"
            "link 1000 alias \"netd:3f2a91c0d4e7\" ipv6-link-local off up\n"
            "sysctl net/ipv4/conf/br-3f2a91c0d4e7/arp_announce = 2\n"
            "address 10.5.0.1/16 link 1000\n"
            "elements nets { 1000 } samebr { 1000 . 1000 }\n");
}

TEST(PlanText, TellsASandbox) {
  EXPECT_EQ(to_text(tests::sandbox_plan()),
            "namespace /run/netd/netns/web\n"
            "link 1 up in /run/netd/netns/web\n"
            "sysctl net/ipv4/ip_unprivileged_port_start = 0 in /run/netd/netns/web\n"
            "dns 127.0.0.11:53 to port 30053 in /run/netd/netns/web\n");
}

TEST(PlanText, TellsAnEndpoint) {
  EXPECT_EQ(to_text(tests::endpoint_plan()),
            "veth nv3f2a91 index 1001 mac 02:42:00:00:00:02 mtu 1450 peer eth0 index 1002 "
            "mac 02:42:0a:05:00:02 in /run/netd/netns/web\n"
            "link 1001 alias \"netd:77aa\" master 1000 ipv6-link-local off up\n"
            "bridge-port 1001 isolated on hairpin off\n"
            "sysctl net/ipv6/conf/eth0/accept_ra = 0 in /run/netd/netns/web\n"
            "link 1002 ipv6-link-local off up in /run/netd/netns/web\n"
            "address 10.5.0.2/16 link 1002 in /run/netd/netns/web\n"
            "route 0.0.0.0/0 via 10.5.0.1 link 1002 in /run/netd/netns/web\n"
            "elements pub4 { tcp . 8080 : 10.5.0.2 . 80, tcp . 8443 : 10.5.0.2 . 443 }\n");
}

TEST(PlanText, TellsWhatIsSeldom) {
  EXPECT_EQ(to_text(Step(PinNamespace{.path = "/run/netd/netns/a", .source = "/proc/42/ns/net"})),
            "namespace /run/netd/netns/a from /proc/42/ns/net");
  EXPECT_EQ(to_text(Step(AddRoute{.netns = "",
                                  .destination = prefix("fd00:1::/64"),
                                  .gateway = {},
                                  .index = 7,
                                  .metric = 100})),
            "route fd00:1::/64 link 7 metric 100");
  EXPECT_EQ(to_text(Step(AddElements{})), "elements");
  EXPECT_EQ(to_text(Step(MoveLink{
                .name = "vc1", .netns = "/run/netd/netns/a", .new_name = "eth0", .index = 7})),
            "move vc1 to eth0 index 7 in /run/netd/netns/a");
}

/// One of each kind, with all that a kind can have.
Plan links_of_one_piece() {
  return {CreateLink{.kind = "dummy", .name = "dm-1", .index = 7},
          CreateLink{.kind = "vlan", .name = "eth0.42", .index = 8, .parent = 2, .vlan = 42},
          CreateLink{.kind = "macvlan",
                     .name = "eth0",
                     .mac = *ipam::Mac::parse("02:00:00:00:00:01"),
                     .netns = "/a",
                     .parent = 2,
                     .mtu = 1400,
                     .mode = "source",
                     .sources = {*ipam::Mac::parse("02:00:00:00:00:0a")}},
          CreateLink{.kind = "ipvlan",
                     .name = "eth0",
                     .index = 9,
                     .netns = "/a",
                     .parent = 2,
                     .mode = "l3",
                     .flag = "vepa"},
          CreateBridge{.name = "br", .index = 10, .vlan = 42},
          SetBridgePort{.index = 11, .vlan = 42},
          AddRoute{.netns = "/a", .destination = prefix("10.9.0.0/16"), .type = "blackhole"}};
}

Plan overlay() {
  return {CreateBridge{.name = "nb001000", .index = 7, .bare = true},
          CreateVxlan{.name = "nx001000",
                      .index = 8,
                      .mac = *ipam::Mac::parse("02:00:00:00:00:01"),
                      .mtu = 1430,
                      .vni = 4096,
                      .port = 4789,
                      .local = address("2001:db8::1")},
          SetBridgePort{.index = 8,
                        .no_learning = true,
                        .locked = true,
                        .suppress_neighbours = true,
                        .no_flood = true},
          AddFdbEntry{.index = 9, .mac = *ipam::Mac::parse("02:00:00:00:00:02")}};
}

TEST(PlanText, TellsAnOverlay) {
  EXPECT_EQ(to_text(overlay()),
            "bridge nb001000 index 7 mac 00:00:00:00:00:00 bare\n"
            "vxlan nx001000 index 8 mac 02:00:00:00:00:01 mtu 1430 id 4096 port 4789 local "
            "2001:db8::1\n"
            "bridge-port 8 isolated off hairpin off no-learning locked suppress-neighbours "
            "no-flood\n"
            "fdb 02:00:00:00:00:02 link 9\n");
}

TEST(PlanText, TellsLinksOfOnePiece) {
  EXPECT_EQ(to_text(links_of_one_piece()),
            "dummy dm-1 index 7\n"
            "vlan eth0.42 index 8 on 2 id 42\n"
            "macvlan eth0 index 0 mac 02:00:00:00:00:01 mtu 1400 on 2 mode source from "
            "02:00:00:00:00:0a in /a\n"
            "ipvlan eth0 index 9 on 2 mode l3 vepa in /a\n"
            "bridge br index 10 mac 00:00:00:00:00:00 vlan 42\n"
            "bridge-port 11 isolated off hairpin off vlan 42\n"
            "route 10.9.0.0/16 blackhole in /a\n");
}

TEST(PlanText, KeepsALineOneLine) {
  EXPECT_EQ(to_text(Step(SetSysctl{.netns = "", .key = "net/a", .value = "1\n2\t3"})),
            "sysctl net/a = 1?2?3");
}

TEST(PlanText, OfAnElementHasNoSetName) {
  const Element element{.set = "pub6a",
                        .key = {address("2001:db8::1"), Protocol::udp, PortNumber{53}},
                        .value = {address("fd00::2"), PortNumber{5353}}};
  EXPECT_EQ(to_text(element), "2001:db8::1 . udp . 53 : fd00::2 . 5353");
}

TEST(PlanJson, IsCompact) {
  const json written = Plan{
      SetLink{
          .netns = "", .index = 7, .alias = {}, .master = {}, .ipv6_link_local = false, .up = {}},
      AddElements{{tests::published(8080, 80)}},
      AddElements{{{.set = "nets", .key = {LinkIndex{7}}, .value = {}}}}};
  EXPECT_EQ(written.dump(), R"([{"do":"link","index":7,"ipv6_link_local":false},)"
                            R"({"do":"elements","elements":[{"key":["tcp",8080],"set":"pub4",)"
                            R"("value":["10.5.0.2",80]}]},)"
                            R"({"do":"elements","elements":[{"key":[{"link":7}],"set":"nets"}]}])");
}

TEST(PlanJson, ComesBackEqual) {
  Plan plan = tests::joined({tests::bridge_plan(), tests::sandbox_plan(), tests::endpoint_plan()});
  plan.emplace_back(PinNamespace{.path = "/a", .source = "/b"});
  plan.emplace_back(AddRoute{.netns = "/a",
                             .destination = prefix("fd00:1::/64"),
                             .gateway = address("fe80::1"),
                             .index = 4294967295,
                             .metric = 100});
  plan.emplace_back(SetLink{
      .netns = "/a", .index = 1, .alias = "", .master = 0, .ipv6_link_local = true, .up = false});
  plan.emplace_back(SetBridgePort{.index = 1, .isolated = false, .hairpin = true});
  plan.emplace_back(MoveLink{.name = "vc1", .netns = "/a", .new_name = "eth0", .index = 7});
  plan.emplace_back(
      SetLink{.netns = "/a", .index = 7, .mac = ipam::Mac::parse("02:00:00:00:00:01")});
  std::ranges::move(links_of_one_piece(), std::back_inserter(plan));
  std::ranges::move(overlay(), std::back_inserter(plan));
  const std::string text = json(plan).dump();
  EXPECT_EQ(json::parse(text).get<Plan>(), plan);
}

TEST(PlanJson, OfNothingIsAnEmptyArray) {
  EXPECT_EQ(json(Plan{}).dump(), "[]");
  EXPECT_TRUE(json::parse("[]").get<Plan>().empty());
}

struct Malformed {
  const char* json;
  const char* message;
};

class MalformedPlan : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedPlan, IsRefusedWithStepAndKey) {
  try {
    json::parse(GetParam().json).get<Plan>();
    FAIL() << "accepted";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), GetParam().message);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Plans, MalformedPlan,
    testing::Values(
        Malformed{"{}", "plan: expected an array of steps"},
        Malformed{"[1]", "plan step 1: expected an object"},
        Malformed{R"([{}])", "plan step 1: \"do\" is missing or no string"},
        Malformed{R"([{"do":"fly"}])", "plan step 1: unknown step \"fly\""},
        Malformed{R"([{"do":"pin","path":"/a"},{"do":"pin"}])",
                  "plan step 2 (pin): \"path\" is missing"},
        Malformed{R"([{"do":"pin","path":7}])", "plan step 1 (pin): path: expected a string"},
        Malformed{R"([{"do":"pin","path":"/a","colour":1}])",
                  "plan step 1 (pin): unknown key \"colour\""},
        Malformed{R"([{"do":"link","index":-1}])",
                  "plan step 1 (link): index: expected a whole number up to 4294967295"},
        Malformed{R"([{"do":"link","index":4294967296}])",
                  "plan step 1 (link): index: expected a whole number up to 4294967295"},
        Malformed{R"([{"do":"link","index":1.5}])",
                  "plan step 1 (link): index: expected a whole number up to 4294967295"},
        Malformed{R"([{"do":"link","index":1,"up":"yes"}])",
                  "plan step 1 (link): up: expected true or false"},
        Malformed{R"([{"do":"address","index":1,"address":"10.0.0.1/33"}])",
                  "plan step 1 (address): address: malformed: \"10.0.0.1/33\""},
        Malformed{R"([{"do":"elements","elements":{}}])",
                  "plan step 1 (elements): elements: expected an array"},
        Malformed{R"([{"do":"elements","elements":[{"set":"a","key":["tcp",65536]}]}])",
                  "plan step 1 (elements): elements[0]: key[1]: expected a whole number up to "
                  "65535"},
        Malformed{R"([{"do":"elements","elements":[{"set":"a","key":["icmp"]}]}])",
                  "plan step 1 (elements): elements[0]: key[0]: malformed: \"icmp\""},
        Malformed{R"([{"do":"elements","elements":[{"set":"a","key":[{"if":1}]}]}])",
                  "plan step 1 (elements): elements[0]: key[0]: \"link\" is missing"}));

}  // namespace
}  // namespace sandbox
