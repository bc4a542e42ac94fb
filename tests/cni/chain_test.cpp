// Chains with Debian's containernetworking-plugins, as libcni runs them: the result of each is the
// next one's prevResult.
#include <gmock/gmock.h>

#include "tests/cni/machine.h"

namespace cni {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class ChainTest : public CniTest {
 protected:
  void SetUp() override {
    CniTest::SetUp();
    shell("mount -t sysfs sysfs /sys; mkdir -p /run/cni");
  }
  /// Calls the plugins in turn; the last result, or the first error.
  static Answer run_chain(const std::string& command, const std::string& container,
                          const json& plugins, const json& previous = nullptr) {
    Answer answer;
    answer.output = previous;
    for (const json& plugin : plugins) {
      json configuration = conf(plugin);
      if (!answer.output.is_null())
        configuration["prevResult"] = command == "ADD" ? answer.output : previous;
      const std::string type = configuration["type"].get<std::string>();
      const Answer next = call(environment_of(command, container), configuration.dump(),
                               type == "netd-cni" ? type : "/usr/lib/cni/" + type);
      if (next.status != 0) return next;
      if (command == "ADD") answer = next;
    }
    return answer;
  }
  static json before_others() {
    return {{{"type", "netd-cni"}, {"ipam", {{"subnet", "10.5.0.0/24"}}}},
            {{"type", "tuning"},
             {"mac", "02:00:00:00:00:42"},
             {"sysctl", {{"net.ipv4.conf.eth0.log_martians", "1"}}}},
            {{"type", "bandwidth"}, {"ingressRate", 8000000}, {"ingressBurst", 800000}}};
  }
};

TEST_F(ChainTest, TuningAndBandwidthFollow) {
  const Answer added = run_chain("ADD", "c1", before_others());
  ASSERT_EQ(added.status, 0) << added.text;
  EXPECT_THAT(inside("c1", "ip link show eth0; sysctl net.ipv4.conf.eth0.log_martians"),
              ::testing::AllOf(HasSubstr("02:00:00:00:00:42"), HasSubstr("log_martians = 1")));
  const std::string veth = added.output["interfaces"][1]["name"].get<std::string>();
  EXPECT_THAT(shell("tc qdisc show dev " + veth), HasSubstr("tbf"));
  EXPECT_EQ(run_chain("CHECK", "c1", before_others(), added.output).text, "");
  json backwards = before_others();
  std::reverse(backwards.begin(), backwards.end());
  const Answer removed = run_chain("DEL", "c1", backwards, added.output);
  EXPECT_EQ(removed.status, 0) << removed.text;
  EXPECT_EQ(api("/sandboxes"), json::array());
}

TEST_F(ChainTest, PassesOnWhatCameBefore) {
  const json previous = json::parse(R"({"cniVersion":"1.0.0",
    "interfaces":[{"name":"lo","mac":"00:00:00:00:00:00","sandbox":"/run/netns/c1"}],
    "ips":[{"address":"127.0.0.1/8","interface":0}],
    "routes":[{"dst":"198.18.0.0/15"}],
    "dns":{"nameservers":["192.0.2.53"],"domain":"lan","search":["corp.example"]},"more":"stays"})");
  const json result =
      add("c1", conf({{"ipam", {{"subnet", "10.5.0.0/24"}}}, {"prevResult", previous}}));
  ASSERT_EQ(result["interfaces"].size(), 4u);
  EXPECT_EQ(result["interfaces"][0], previous["interfaces"][0]);
  EXPECT_EQ(result["interfaces"][3]["name"], "eth0");
  EXPECT_EQ(result["ips"], json::parse(R"([{"address":"127.0.0.1/8","interface":0},
    {"address":"10.5.0.2/24","gateway":"10.5.0.1","interface":3}])"));
  EXPECT_EQ(result["routes"],
            json::parse(R"([{"dst":"198.18.0.0/15"},{"dst":"0.0.0.0/0","gw":"10.5.0.1"}])"));
  EXPECT_EQ(result["dns"], json::parse(R"({"nameservers":["192.0.2.53","127.0.0.11"],
    "domain":"lan","search":["corp.example"],"options":["ndots:0"]})"));
  EXPECT_EQ(result["more"], "stays");
}

TEST_F(ChainTest, StandsInTheMiddleAfterLoopback) {
  json chain{{{"type", "loopback"}}};
  for (const json& plugin : before_others())
    chain.push_back(plugin);
  const Answer added = run_chain("ADD", "c1", chain);
  ASSERT_EQ(added.status, 0) << added.text;
  EXPECT_EQ(added.output["interfaces"].size(), 4u);
}

}  // namespace
}  // namespace cni
