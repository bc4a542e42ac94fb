// Names across the line between containers and netd's sandboxes.
#include <gmock/gmock.h>

#include "tests/engine/engine.h"

namespace engine {
namespace {

using ::testing::HasSubstr;

class Names : public Engine {
 protected:
  /// What `name` is in a sandbox, soon.
  static bool finds(const std::string& sandbox, const std::string& name,
                    const std::string& address) {
    return soon([&] {
      return attempt_in(sandbox, "dig +short +tries=1 +time=3 " + name).output == address + "\n";
    });
  }
};

TEST_F(Names, OfContainersAreFoundInSandboxes) {
  create_network("shop", "--subnet 10.5.0.0/24");
  run("web", "--network shop --ip 10.5.0.9 --hostname www1 --network-alias fe");
  shell("netctl sandbox create --network shop client");
  for (const char* name : {"web", "fe", "www1", "web.shop"})
    EXPECT_TRUE(finds("client", name, "10.5.0.9")) << name;
  restart_netd();
  EXPECT_TRUE(finds("client", "web", "10.5.0.9"));
  docker("rm -f web");
  EXPECT_EQ(in("client", "dig +short +tries=1 +time=3 web"), "");
  run("web", "--network shop --ip 10.5.0.10");
  EXPECT_TRUE(finds("client", "web", "10.5.0.10"));
  expect_no_trace();
}

TEST_F(Names, OfSandboxesAreFoundInContainers) {
  create_network("shop", "--subnet 10.5.0.0/24 -o io.netd.gateway_dns=true");
  shell("netctl sandbox create --network shop:ip=10.5.0.20 box");
  const Result found = run_once("--network shop --dns 10.5.0.1", "nslookup box");
  EXPECT_THAT(found.output, HasSubstr("10.5.0.20"));
  run("web", "--network shop --dns 10.5.0.1");
  EXPECT_EQ(run_once("--network shop --dns 10.5.0.1", fetch_with_busybox("http://web/")).output,
            "web");
  in_container("web", "ping -c1 -W2 box");
  in_container("web", "nslookup example.test");
  expect_no_trace();
}

}  // namespace
}  // namespace engine
