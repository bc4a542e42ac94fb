#include "tests/api/routes_fixture.h"

#include <filesystem>

namespace tests {

RoutesTest::RoutesTest() {
  config_.state_dir = "/run/netd/state";
  config_.run_dir = "/run/netd";
}

void RoutesTest::SetUp() {
  enter_fresh_namespaces();
  for (const char* folder : {"state", "sandboxes", "netns"})
    std::filesystem::create_directories(std::filesystem::path(config_.run_dir) / folder);
  store_ = std::make_unique<netd::SqliteStore>(config_.state_dir + "/netd.db");
  controller_ =
      std::make_unique<netd::Controller>(config_, *store_, kernel_, drivers_, listeners_, events_);
  controller_->start("boot:1");
}

}  // namespace tests
