// GC removes what a runtime has forgotten, of one network.
#include <gmock/gmock.h>

#include "tests/cni/machine.h"

namespace cni {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class GarbageTest : public CniTest {
 protected:
  static json newest(const json& more = json::object()) {
    json result = conf({{"cniVersion", "1.1.0"}});
    result.update(more);
    return result;
  }
  static Answer collect(const json& configuration) {
    return call({{"CNI_COMMAND", "GC"}, {"CNI_PATH", "/usr/lib/cni"}}, configuration.dump());
  }
  static std::string names() {
    return shell("netctl sandbox ls --format json | jq -r '.[].Name' | sort | xargs");
  }
};

TEST_F(GarbageTest, IsWhatIsNotAmongTheValidAttachments) {
  for (const char* container : {"c1", "c2", "c3"})
    add(container, newest());
  shell("ip netns del c3");
  const Answer answer = collect(newest({{"cni.dev/valid-attachments",
                                         {{{"containerID", "c1"}, {"ifname", "eth0"}},
                                          {{"containerID", "c2"}, {"ifname", "eth7"}}}}}));
  EXPECT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.text, "");
  EXPECT_EQ(names(), "c1\n");
  expect_agreement();
}

TEST_F(GarbageTest, IsAllWhenNothingIsValid) {
  for (const char* none : {"[]", "null"}) {
    add("c1", newest());
    EXPECT_EQ(collect(newest({{"cni.dev/valid-attachments", json::parse(none)}})).status, 0);
    EXPECT_EQ(names(), "\n");
  }
}

TEST_F(GarbageTest, IsToldInTheOldWordToo) {
  add("c1", newest());
  EXPECT_EQ(
      collect(newest({{"cni.dev/attachments", {{{"containerID", "c1"}, {"ifname", "eth0"}}}}}))
          .status,
      0);
  EXPECT_EQ(names(), "c1\n");
}

TEST_F(GarbageTest, IsNothingWhileAnAttachmentIsOnlyHalfSaid) {
  add("web", newest());
  for (const char* half : {R"({"containerID":"web"})", R"({"ifname":"eth0"})",
                           R"({"containerId":"web","ifName":"eth0"})"}) {
    const Answer answer =
        collect(newest({{"cni.dev/valid-attachments", json::array({json::parse(half)})}}));
    EXPECT_EQ(answer.code(), 7) << answer.text;
    EXPECT_EQ(answer.message(),
              "cni.dev/valid-attachments[0].containerID and ifname are both required");
    EXPECT_EQ(names(), "web\n");
  }
}

TEST_F(GarbageTest, IsNothingOfOtherNetworksOrOfOthersOnTheSameOne) {
  shell("netctl network create shop; netctl sandbox create --network shop mine");
  add("c1", newest({{"network", "shop"}}));
  add("c2", newest({{"name", "other"}, {"network", "shop"}}));
  add("c1", newest({{"name", "second"}}), "net1");
  EXPECT_EQ(
      collect(newest({{"network", "shop"}, {"cni.dev/valid-attachments", json::array()}})).status,
      0);
  EXPECT_EQ(names(), "c1 c2 mine\n");
  EXPECT_EQ(api("/sandboxes/c1")["Networks"].size(), 1u);
  EXPECT_TRUE(api("/sandboxes/c1")["Networks"].contains("second"));
}

TEST_F(GarbageTest, IsNotMadeOfMarksThatAUserMadeUp) {
  shell("netctl network create shop");
  for (const char* mark : {"4", "{", R"({"face":"cni","network":["podnet"],"ports":{"80/tcp":4}})"})
    shell(
        "curl -sSf -H 'Content-Type: application/json' --unix-socket /run/netd/netd.sock "
        "http://netd/sandboxes -d '" +
        json{{"Name", "s" + std::to_string(api("/sandboxes").size())},
             {"Networks",
              json::array({{{"Network", "shop"}, {"DriverOpts", {{"io.netd.attachment", mark}}}}})}}
            .dump() +
        "'");
  EXPECT_EQ(collect(newest({{"cni.dev/valid-attachments", json::array()}})).status, 0);
  EXPECT_EQ(run("DEL", "c1", newest()).status, 0);
  EXPECT_EQ(names(), "s0 s1 s2\n");
}

}  // namespace
}  // namespace cni
