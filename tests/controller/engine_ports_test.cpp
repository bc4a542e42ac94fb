// Published ports of an engine's container whose endpoints share them.
#include <gmock/gmock.h>

#include <utility>

#include "tests/controller/engine_fixture.h"

namespace tests {
namespace {

using testing::ElementsAre;

/// Two networks of one family each: the engine makes each the gateway of its own.
class TwoFamilies : public EngineTest {
 protected:
  const std::string network6_ = id_of('b');

  void SetUp() override {
    EngineTest::SetUp();
    pool4_ = create_engine_network();
    netd::PoolAsk ask{.ipv6 = true, .process = alive_};
    ask.pool.subnet = ipam::Prefix::parse("fd00:5::/64");
    pool6_ = engine().request_pool(ask).id;
    netd::EngineNetworkSpec spec = network_spec();
    spec.id = network6_;
    spec.options = {{"io.netd.name", "six"}};
    spec.ipv4 = false;
    spec.ipv6 = true;
    spec.pools = {
        {.ours = true, .pool = {.subnet = *ask.pool.subnet, .gateway = address("fd00:5::1")}}};
    engine().create_network(spec);
    engine().create_endpoint(endpoint_spec('1', request_address(pool4_)));
    netd::EngineEndpointSpec second = endpoint_spec('2', request_address(pool6_));
    second.network_id = network6_;
    second.ipv6 = std::exchange(second.ipv4, std::nullopt);
    engine().create_endpoint(second);
    for (const auto& [network, digit] : {std::pair(network_, '1'), std::pair(network6_, '2')})
      engine().join(
          {.network_id = network, .id = id_of(digit), .sandbox_key = "/var/run/docker/netns/1"});
  }
  /// Host addresses and ports that an endpoint is on record with.
  std::vector<std::string> ports_of(char digit) {
    std::vector<std::string> ports;
    const std::string network = digit == '1' ? network_ : network6_;
    for (const drivers::Port& port : engine().endpoint(network, id_of(digit)).endpoint.ports)
      ports.push_back(port.host_address.to_string() + " " + std::to_string(port.host_port));
    return ports;
  }

  std::string pool4_, pool6_;
};

TEST_F(TwoFamilies, PublishAPortOnceEach) {
  engine().program(network_, id_of('1'), {});
  EXPECT_THAT(ports_of('1'), ElementsAre("0.0.0.0 8080", ":: 8080")) << "by the relay";
  engine().program(network6_, id_of('2'), {});
  EXPECT_THAT(ports_of('1'), ElementsAre("0.0.0.0 8080"));
  EXPECT_THAT(ports_of('2'), ElementsAre(":: 8080"));
  EXPECT_TRUE(kernel_has("tcp . 8080 : 10.5.0.2 . 80"));
  EXPECT_TRUE(kernel_has("tcp . 8080 : fd00:5::2 . 80"));
  const std::string both = everything();
  restart();
  EXPECT_EQ(everything(), both);
  EXPECT_THAT(ports_of('2'), ElementsAre(":: 8080"));

  engine().revoke(network6_, id_of('2'));
  EXPECT_THAT(ports_of('1'), ElementsAre("0.0.0.0 8080", ":: 8080")) << "nobody tells netd to";
  EXPECT_FALSE(kernel_has("fd00:5::2 . 80"));
  engine().program(network6_, id_of('2'), {});
  engine().leave(network_, id_of('1'));
  EXPECT_FALSE(kernel_has("10.5.0.2 . 80"));
  EXPECT_TRUE(kernel_has("tcp . 8080 : fd00:5::2 . 80"));
  engine().leave(network6_, id_of('2'));
  EXPECT_FALSE(kernel_has("8080"));
  stop(pool4_, address("10.5.0.2"));
  run(pool4_, '3');  // the port is free
}

}  // namespace
}  // namespace tests
