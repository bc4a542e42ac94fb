// Containers of real runtimes on netd's networks.
#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "tests/oci/machine.h"

namespace oci {
namespace {

using e2e::fetch;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Containers : public OciTest {};
INSTANTIATE_TEST_SUITE_P(Of, Containers, ::testing::Values("runc", "crun"),
                         [](const auto& one) { return std::string(one.param); });

TEST_P(Containers, JoinTheDefaultNetworkWithoutAnnotations) {
  run("c1");
  EXPECT_THAT(inside("c1", "ip -o -4 address show eth0"),
              HasSubstr(address_of("c1", "bridge") + "/"));
  EXPECT_THAT(inside("c1", "ip route"), HasSubstr("default via"));
}

TEST_P(Containers, HaveTheirAddressesNamesAndFiles) {
  shell("netctl network create --subnet 10.5.0.0/24 shop");
  run("c1", {.annotations = {{"io.netd.networks", "shop:ip=10.5.0.9,alias=www"},
                             {"io.netd.name", "web"},
                             {"io.netd.add-host", "db.example:10.9.9.9"}}});
  EXPECT_EQ(sandboxes(), "web\n");
  EXPECT_THAT(inside("c1", "ip -o -4 address show eth0"), HasSubstr("10.5.0.9/24"));
  EXPECT_THAT(inside("c1", "cat /etc/resolv.conf"), HasSubstr("nameserver 127.0.0.11"));
  EXPECT_THAT(inside("c1", "cat /etc/hosts"), HasSubstr("10.5.0.9\thost-of-c1"));
  EXPECT_THAT(inside("c1", "cat /etc/hosts"), HasSubstr("10.9.9.9\tdb.example"));
  EXPECT_EQ(inside("c1", "cat /etc/hostname; hostname"), "host-of-c1\nhost-of-c1\n");
  EXPECT_EQ(shell("cat /run/bundles/c1/rootfs/etc/hosts /run/bundles/c1/netd/hosts"), "")
      << "nothing is written into image or bundle";
}

TEST_P(Containers, WithAReadOnlyRootWriteNoneOfTheirFiles) {
  run("c1", {.change = ".root.readonly=true"});
  EXPECT_EQ(inside("c1",
                   "for file in resolv.conf hosts hostname; do"
                   "  echo evil 2>/dev/null >>/etc/$file && echo $file; done; true"),
            "");
  EXPECT_THAT(inside("c1", "grep ' /etc/hosts ' /proc/self/mountinfo"),
              HasSubstr(" ro,nosuid,nodev,noexec"));
  run("c2");
  EXPECT_EQ(inside("c2", "echo 10.9.9.9 mine >>/etc/hosts && grep -c mine /etc/hosts"), "1\n");
}

TEST_P(Containers, HaveTheImagesFilesWhereNetdIsToldToBringNone) {
  make_bundle("c1", {.annotations = {{"io.netd.files", "hosts"}}});
  shell("echo nameserver 9.9.9.9 >/run/bundles/c1/rootfs/etc/resolv.conf");
  const e2e::Result created = create("c1");
  ASSERT_EQ(created.status, 0) << words_of(created);
  start("c1");
  EXPECT_THAT(inside("c1", "cat /etc/hosts"), HasSubstr("host-of-c1"));
  EXPECT_EQ(inside("c1", "echo >>/etc/resolv.conf; cat /etc/resolv.conf"),
            "nameserver 9.9.9.9\n\n");
  EXPECT_EQ(shell("cat /run/bundles/c1/netd/*"), "") << "all containers of the bundle have these";
}

TEST_P(Containers, KeepTheirOwnMountsWhereNetdIsToldToBringNone) {
  shell("mkdir -p /run/mine/netd && echo mine >/run/mine/netd/hosts");
  run("c1", {.annotations = {{"io.netd.files", "none"}},
             .change = ".mounts += [{\"destination\":\"/etc/hosts\",\"type\":\"bind\","
                       "\"source\":\"/run/mine/netd/hosts\",\"options\":[\"bind\"]}]"});
  EXPECT_EQ(inside("c1", "cat /etc/hosts"), "mine\n");
}

TEST_P(Containers, FindEachOtherByNameAliasHostnameAndId) {
  shell("netctl network create --subnet 10.5.0.0/24 shop");
  run("c1", {.annotations = {{"io.netd.networks", "shop:ip=10.5.0.9,alias=www"},
                             {"io.netd.name", "web"}}});
  run("c2", {.annotations = {{"io.netd.networks", "shop"}}});
  for (const std::string name : {"web", "www", "c1", "host-of-c1"})
    EXPECT_THAT(inside("c2", "nslookup " + name), HasSubstr("10.5.0.9")) << name;
  EXPECT_THAT(inside("c1", "nslookup c2"), HasSubstr(address_of("c2", "shop")));
  EXPECT_THAT(inside("c1", std::string("nslookup ") + e2e::outside_name),
              HasSubstr(e2e::outside_name_address));
}

TEST_P(Containers, PublishPorts) {
  run("c1", {.annotations = {{"io.netd.publish", "8080:80/tcp, 9000-9001:9000-9001/udp"}},
             .command = "httpd -f -p 80 -h /www"});
  const std::string own = address_of("c1", "bridge");
  EXPECT_EQ(shell("curl -sS --max-time 20 --retry 20 --retry-connrefused --retry-delay 1 http://" +
                  own + "/"),
            "page");
  EXPECT_EQ(outside(fetch("http://192.0.2.1:8080/")), "page");
  EXPECT_THAT(shell("netctl port c1"), HasSubstr("9001/udp -> 0.0.0.0:9001"));
  expect_agreement();
}

TEST_P(Containers, JoinSeveralNetworks) {
  shell("netctl network create --subnet 10.5.0.0/24 front");
  shell("netctl network create --subnet 10.6.0.0/24 back");
  run("c1", {.annotations = {{"io.netd.networks",
                              "front:ip=10.5.0.2;back:ip=10.6.0.2,ifname=lan0,gw-priority=5"}}});
  EXPECT_THAT(inside("c1", "ip -o -4 address show eth0"), HasSubstr("10.5.0.2/24"));
  EXPECT_THAT(inside("c1", "ip -o -4 address show lan0"), HasSubstr("10.6.0.2/24"));
  EXPECT_THAT(inside("c1", "ip route"), HasSubstr("default via 10.6.0.1"));
}

TEST_P(Containers, SeeWhatChangesWhileTheyRun) {
  shell("netctl network create --subnet 10.5.0.0/24 front");
  shell("netctl network create --subnet 10.6.0.0/24 back");
  run("c1", {.annotations = {{"io.netd.networks", "front"}}});
  shell("netctl network connect --ip 10.6.0.7 back c1");
  EXPECT_THAT(inside("c1", "ip -o -4 address show eth1"), HasSubstr("10.6.0.7/24"));
  EXPECT_THAT(inside("c1", "cat /etc/hosts"), HasSubstr("10.6.0.7\thost-of-c1"));
}

TEST_P(Containers, LeaveNothingBehind) {
  shell("netctl network create shop");
  run("c1", {.annotations = {{"io.netd.networks", "shop"}, {"io.netd.publish", "8080:80"}}});
  remove("c1");
  EXPECT_EQ(sandboxes(), "") << "poststop has removed it before `delete` returns";
  shell("netctl network rm shop");
  expect_nothing_left();
}

TEST_P(Containers, StartAgainUnderTheSameId) {
  shell("netctl network create --subnet 10.5.0.0/24 shop");
  for (int turn = 0; turn < 3; ++turn) {
    run("c1", {.annotations = {{"io.netd.networks", "shop:ip=10.5.0.9"}}});
    EXPECT_THAT(inside("c1", "ip -o -4 address show eth0"), HasSubstr("10.5.0.9/24"));
    remove("c1");
    shell("rm -r /run/bundles/c1");
  }
}

TEST_P(Containers, OfOneIdInTwoRootsLeaveTheFirstItsNetwork) {
  run("c1", {.annotations = {{"io.netd.networks", "bridge"}}});
  make_bundle("c2");
  const std::string elsewhere = std::string(GetParam()) + " --root /run/oci2 ";
  const e2e::Result refused = attempt(
      elsewhere + "create -b /run/bundles/c2 c1 </dev/null >/run/c2.log 2>&1; cat /run/c2.log");
  EXPECT_THAT(words_of(refused), HasSubstr("already in use"));
  attempt(elsewhere + "delete --force c1");
  EXPECT_EQ(sandboxes(), "c1\n") << "poststop is called for the second, too";
  EXPECT_THAT(inside("c1", "ip -o -4 address show eth0"),
              HasSubstr(address_of("c1", "bridge") + "/"));
}

TEST_P(Containers, StartSixteenAtOnceFromOneBundle) {
  shell("netctl network create --subnet 10.5.0.0/24 shop");
  make_bundle("pattern", {.annotations = {{"io.netd.networks", "shop"}},
                          .change_after_hooks = "del(.linux.cgroupsPath)"});
  std::string cgroup = shell("cat /run/cgroup");
  for (int i = 0; i < 16; ++i)  // the root file system and netd's hooks are the same
    shell("mkdir /run/bundles/c" + std::to_string(i) +
          "; jq '.root.path=\"/run/bundles/pattern/rootfs\"" + " | .linux.cgroupsPath=\"/" +
          cgroup + "/c" + std::to_string(i) + "\" | .hostname=\"n" + std::to_string(i) +
          "\"' /run/bundles/pattern/config.json > /run/bundles/c" + std::to_string(i) +
          "/config.json");
  std::vector<std::thread> threads;
  std::vector<e2e::Result> results(16);
  for (int i = 0; i < 16; ++i)
    threads.emplace_back(
        [&, i] { results[static_cast<std::size_t>(i)] = create("c" + std::to_string(i)); });
  for (std::thread& thread : threads)
    thread.join();
  std::set<std::string> addresses;
  for (int i = 0; i < 16; ++i) {
    const std::string id = "c" + std::to_string(i);
    ASSERT_EQ(results[static_cast<std::size_t>(i)].status, 0)
        << results[static_cast<std::size_t>(i)].output;
    start(id);
    const std::string address = address_of(id, "shop");
    addresses.insert(address);
    EXPECT_THAT(inside(id, "cat /etc/hosts"), HasSubstr(address + "\tn" + std::to_string(i)));
    EXPECT_THAT(inside("c0", "nslookup " + id), HasSubstr(address));
  }
  EXPECT_EQ(addresses.size(), 16u);
  expect_agreement();
  threads.clear();
  for (int i = 0; i < 16; ++i)
    threads.emplace_back([&, i] { remove("c" + std::to_string(i)); });
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(sandboxes(), "");
}

}  // namespace
}  // namespace oci
