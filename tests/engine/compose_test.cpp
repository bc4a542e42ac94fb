// docker-compose with networks of netd's.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/engine/engine.h"

namespace engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* services = R"(version: "2.4"
services:
  web:
    image: box
    environment: {NAME: web}
    ports: ["8080:80"]
    networks: {shop: {aliases: [fe]}}
  client:
    image: box
    environment: {NAME: client}
    networks: [shop]
)";
constexpr const char* own_network = R"(networks:
  shop:
    driver: netd
    ipam: {driver: netd, config: [{subnet: 10.5.0.0/24}]}
)";
constexpr const char* external_network = R"(networks:
  shop: {external: true, name: market}
)";

class Compose : public Engine {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(Engine::SetUp());
    ASSERT_EQ(attempt("command -v docker-compose").status, 0) << "no docker-compose";
  }
  static void write_file(const char* networks) {
    std::ofstream("/run/docker-compose.yml") << services << networks;
  }
  static std::string compose(const std::string& arguments) {
    return shell("docker-compose -f /run/docker-compose.yml -p lab " + arguments);
  }
  static void expect_services_reach_each_other() {
    EXPECT_TRUE(is_published("web"));
    // lab_client_1 of the first docker-compose, lab-client-1 of the second.
    const std::string client = docker("ps -q --filter label=com.docker.compose.service=client");
    for (const char* name : {"web", "fe"})
      EXPECT_EQ(in_container(client, fetch_with_busybox(std::string("http://") + name)), "web");
  }
};

TEST_F(Compose, BringsServicesUpAndDown) {
  write_file(own_network);
  compose("up -d");
  expect_services_reach_each_other();
  EXPECT_THAT(shell("netctl topology"), HasSubstr("10.5.0.1/24"));
  compose("up -d --force-recreate -t 0");
  expect_services_reach_each_other();
  compose("down -t 0");
  EXPECT_THAT(shell("netctl topology"), Not(HasSubstr("10.5.0.1/24")));

  create_network("market", "--subnet 10.6.0.0/24");
  write_file(external_network);
  compose("up -d");
  expect_services_reach_each_other();
  compose("down -t 0");
  EXPECT_THAT(shell("netctl network ls"), HasSubstr("market"));
  expect_no_trace();
}

}  // namespace
}  // namespace engine
