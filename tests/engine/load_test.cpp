// Many at once.
#include <gmock/gmock.h>

#include "tests/engine/engine.h"

namespace engine {
namespace {

using ::testing::Not;

class Load : public Engine {
 protected:
  static nlohmann::json addresses_in_use() { return api("/networks/shop").at("Status"); }
};

TEST_F(Load, FiftyContainersComeAndGo) {
  create_network("shop", "--subnet 10.5.0.0/24");
  const std::string before = all_traces();
  const auto used_before = addresses_in_use();
  shell(
      "for i in $(seq 50); do"
      " docker run -d --name c$i --network shop -p $((8000 + i)):80 box sleep 1000 >/run/c$i.log "
      "2>&1 & done; wait; cat /run/c*.log | grep -v '^[0-9a-f]\\{64\\}$' || true");
  EXPECT_EQ(docker("ps -q | wc -l"), "50");
  EXPECT_EQ(shell("netctl topology | grep -c 10.5.0."), "51\n");  // and the gateway
  EXPECT_EQ(docker("ps -aq | xargs docker rm -f | wc -l"), "50");
  EXPECT_TRUE(soon([&] { return all_traces() == before; })) << before << all_traces();
  EXPECT_EQ(addresses_in_use(), used_before);
  EXPECT_THAT(shell("ip link"), Not(::testing::ContainsRegex("n[vp][0-9a-f]{8}")));
  // Docker's own count of a network's endpoints may be wrong after so many at once (its store says
  // "Unable to complete atomic operation, key modified"); it corrects that when it starts.
  stop_engine();
  start_engine();
  expect_no_trace();
}

}  // namespace
}  // namespace engine
