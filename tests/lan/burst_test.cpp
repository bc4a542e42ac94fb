// Many containers of a LAN at once.
#include <gmock/gmock.h>

#include <chrono>

#include "tests/lan/lan.h"

namespace lan {
namespace {

class Burst : public Lan {
 protected:
  /// The last one waits for all others here, and an address that dnsmasq offers to two and refuses
  /// to one is asked for again seconds later.
  void SetUp() override {
    config_ = R"({"plugin-timeout": 60})";
    Lan::SetUp();
  }
  void TearDown() override {
    stop_dnsmasq();
    Lan::TearDown();
  }
};

TEST_F(Burst, TwoHundredSandboxesGetTheirLeasesAtOnce) {
  constexpr int count = 200;
  start_dnsmasq("--port=0 --no-ping --dhcp-range=192.168.7.20,192.168.7.249,255.255.255.0,1h");
  shell("netctl network create -d macvlan -o parent=lan0 --ipam-driver dhcp lan");
  const auto began = std::chrono::steady_clock::now();
  const std::string answers =
      shell("for n in $(seq " + std::to_string(count) +
            "); do curl -sS -w '%{http_code}\\n' -o /run/answer.$n --max-time 120 "
            "--unix-socket /run/netd/netd.sock -H 'Content-Type: application/json' "
            "-d '{\"Name\":\"box'$n'\",\"Networks\":[{\"Network\":\"lan\"}]}' "
            "http://netd/sandboxes & done; wait");
  const auto took = std::chrono::steady_clock::now() - began;
  std::string expected;
  for (int i = 0; i < count; ++i)
    expected += "201\n";
  EXPECT_EQ(answers, expected) << shell("cat /run/answer.* | grep message | sort | uniq -c");
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
  RecordProperty("milliseconds", static_cast<int>(milliseconds));
  EXPECT_EQ(shell("wc -l < /run/leases"), std::to_string(count) + "\n");
  EXPECT_EQ(api("/networks/lan").at("Containers").size(), static_cast<std::size_t>(count));
}

}  // namespace
}  // namespace lan
