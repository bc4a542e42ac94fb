#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "tests/controller/controller_fixture.h"

namespace tests {
namespace {

using testing::HasSubstr;

class SandboxesTest : public ControllerTest {
 protected:
  std::string file(const std::string& sandbox, const char* name) {
    const std::string id = controller_->sandbox(sandbox).sandbox->sandbox.id;
    std::ifstream stream(controller_->file_of(id, name));
    std::stringstream text;
    text << stream.rdbuf();
    return text.str();
  }
};

TEST_F(SandboxesTest, JoinTheirNetworksInTheOrderOfTheList) {
  create_network("zulu");
  create_network("alpha");
  create_sandbox("web", {"zulu", "alpha"});
  EXPECT_EQ(endpoint("zulu", "web").endpoint.sandbox_link, "eth0");
  EXPECT_EQ(endpoint("alpha", "web").endpoint.sandbox_link, "eth1");
}

TEST_F(SandboxesTest, RemoveLeavesTheWorldAsItWas) {
  create_network("shop", {.ipv6 = true});
  const std::string before = world();
  create_sandbox("web", {"shop"}, {.ports = {{.container_port = 80}}});
  const std::string directory =
      config_.run_dir + "/sandboxes/" + controller_->sandbox("web").sandbox->sandbox.id;
  EXPECT_TRUE(std::filesystem::exists(directory));
  controller_->remove_sandbox("web");
  EXPECT_EQ(world(), before);
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST_F(SandboxesTest, FilesSayWhoTheyAre) {
  create_network("shop", {.pools = {{.subnet = ipam::Prefix::parse("10.1.0.0/24")}}});
  create_sandbox("web", {"shop"},
                 {.hostname = "www", .domainname = "example.test", .extra_hosts = {"db:10.0.0.9"}});
  EXPECT_EQ(file("web", "hostname"), "www\n");
  EXPECT_THAT(file("web", "hosts"), HasSubstr("10.1.0.2\twww.example.test www"));
  EXPECT_THAT(file("web", "hosts"), HasSubstr("10.0.0.9\tdb"));
  EXPECT_THAT(file("web", "resolv.conf"), HasSubstr("nameserver 127.0.0.11"));
}

TEST_F(SandboxesTest, AreAdoptedByPathAndByPid) {
  kernel_.add_namespace("/run/netns/mine");
  kernel_.add_namespace("/proc/42/ns/net");
  create_network("shop");
  create_sandbox("one", {"shop"}, {.netns_path = "/run/netns/mine"});
  create_sandbox("two", {"shop"}, {.pid = 42});
  EXPECT_EQ(endpoint("shop", "two").endpoint.sandbox_link, "eth0");
  EXPECT_THAT(refusal([&] { create_sandbox("three", {}, {.netns_path = "/run/netns/none"}); }),
              HasSubstr("/run/netns/none"));
}

TEST_F(SandboxesTest, InAForeignNamespaceTakeAFreeInterfaceName) {
  kernel_.add_namespace("/run/netns/mine");
  kernel_.add_link("/run/netns/mine", "eth0");
  create_network("shop");
  create_sandbox("one", {"shop"}, {.netns_path = "/run/netns/mine"});
  EXPECT_EQ(endpoint("shop", "one").endpoint.sandbox_link, "eth1");
}

TEST_F(SandboxesTest, ThatShareANamespaceHaveItsFilesAndNoNetworksOfTheirOwn) {
  create_network("shop");
  create_sandbox("web", {"shop"});
  create_sandbox("side", {}, {.shared_with = "web"});
  EXPECT_EQ(file("side", "hosts"), file("web", "hosts"));
  EXPECT_THAT(refusal([&] { controller_->connect("shop", "side", {}); }),
              HasSubstr("container sharing network namespace with another container"));
  EXPECT_THAT(refusal([&] { controller_->remove_sandbox("web"); }), HasSubstr("remove side first"));
  EXPECT_THAT(refusal([&] { create_sandbox("x", {"shop"}, {.shared_with = "web"}); }),
              HasSubstr("conflicting options"));
  controller_->remove_sandbox("side");
  controller_->remove_sandbox("web");
}

TEST_F(SandboxesTest, RefusalsSayWhatToDo) {
  create_sandbox("web", {});
  EXPECT_THAT(refusal([&] { create_sandbox("web", {}); }),
              HasSubstr("sandbox name web is already in use"));
  EXPECT_THAT(refusal([&] { create_sandbox("-web", {}); }), HasSubstr("invalid sandbox name"));
  EXPECT_THAT(refusal([&] { create_sandbox("x", {}, {.id = "zz"}); }),
              HasSubstr("64 lower-case hex digits"));
  EXPECT_THAT(refusal([&] { create_sandbox("x", {"nothing"}); }),
              HasSubstr("network nothing not found"));
  EXPECT_THAT(refusal([&] {
                create_sandbox("x", {"host", "bridge"});
              }),
              HasSubstr("cannot be connected to any other network"));
}

TEST_F(SandboxesTest, ACreationThatFailsAtAnyStepChangesNothing) {
  create_network("front", {.ipv6 = true});
  create_network("back");
  const std::string before = world();
  std::size_t failed = 0;
  for (std::size_t step = 1;; ++step) {
    deadly_.fail_at(step);
    const std::string error = refusal([&] {
      create_sandbox(
          "web", {"front", "back"},
          {.ports = {{.container_port = 80, .host_port_first = 8080, .host_port_last = 8080}}});
    });
    deadly_.fail_at(0);
    if (error.empty()) break;
    ++failed;
    EXPECT_EQ(world(), before) << "step " << step << ": " << error;
  }
  EXPECT_GT(failed, 15u);
}

}  // namespace
}  // namespace tests
