// netd is killed between deed and answer: nobody has to know.
#include "tests/cni/lost_answer.h"

#include <gmock/gmock.h>

#include "tests/cni/machine.h"

namespace cni {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* path = "/run/lost.sock";

class LostAnswerTest : public CniTest {
 protected:
  static json first() { return conf({{"cniVersion", "1.1.0"}, {"host", path}}); }
  static json second() {
    json result = first();
    result["name"] = "backend";
    result["runtimeConfig"]["portMappings"] = {{{"hostPort", 8080}, {"containerPort", 80}}};
    return result;
  }
};

TEST_F(LostAnswerTest, OfAnyRequestIsFoundOut) {
  for (const char* request :
       {"POST /networks/create ", "POST /sandboxes ", "POST /networks/backend/connect ",
        "POST /sandboxes/", "POST /networks/", "DELETE /sandboxes/"}) {
    SCOPED_TRACE(request);
    const LostAnswer netd(path, request);
    add("c1", first());
    add("c1", second(), "net1");
    const json sandbox = api("/sandboxes/c1");
    EXPECT_EQ(sandbox["Networks"].size(), 2u);
    EXPECT_TRUE(sandbox["Ports"].contains("80/tcp"));
    expect_agreement();
    EXPECT_EQ(run("DEL", "c1", second(), "net1").status, 0);
    EXPECT_EQ(api("/sandboxes/c1")["Ports"], json::object());
    EXPECT_EQ(run("DEL", "c1", first()).status, 0);
    EXPECT_EQ(netd.lost(), 1);
    EXPECT_EQ(api("/sandboxes"), json::array());
    shell("netctl network rm podnet backend");
  }
}

TEST_F(LostAnswerTest, IsTakenBackWhenTheNextStepFails) {
  shell("netctl sandbox create --network bridge -p 8080:80 taken");
  add("c1", conf());
  for (const char* request : {"POST /networks/backend/connect ", "POST /networks/create "}) {
    SCOPED_TRACE(request);
    const LostAnswer netd(path, request);
    const Answer answer = run("ADD", "c1", second(), "net1");
    EXPECT_EQ(netd.lost(), 1);
    EXPECT_EQ(answer.code(), 100) << answer.text;
    EXPECT_THAT(answer.message(), HasSubstr("port is already allocated"));
    EXPECT_EQ(api("/sandboxes/c1")["Networks"].size(), 1u);
    EXPECT_NE(attempt("netctl network inspect backend").status, 0);
    expect_agreement();
  }
}

TEST_F(LostAnswerTest, OfOnePieceOfGarbageLeavesTheOthersToBeRemoved) {
  for (const char* container : {"c1", "c2"})
    add(container, conf());
  const std::string first_id = api("/sandboxes")[0]["Id"].get<std::string>();
  const LostAnswer netd(path, "DELETE /sandboxes/" + first_id, 1'000'000);
  json garbage = first();
  garbage["cni.dev/valid-attachments"] = json::array();
  const Answer answer = call({{"CNI_COMMAND", "GC"}, {"CNI_PATH", "/usr/lib/cni"}}, garbage.dump());
  EXPECT_GT(netd.lost(), 1);
  EXPECT_EQ(answer.message(), "not all could be removed") << answer.text;
  EXPECT_EQ(api("/sandboxes"), json::array());
}

}  // namespace
}  // namespace cni
