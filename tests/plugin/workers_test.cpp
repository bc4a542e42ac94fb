#include "netd/workers.h"

#include <gtest/gtest.h>

#include <future>
#include <vector>

#include "netd/error.h"

namespace {

using netd::Workers;

TEST(WorkersOfPlugins, AHangingPluginHoldsOnlyItsOwnPlaces) {
  Workers workers;
  std::vector<Workers::Place> places;
  for (std::size_t i = 0; i < Workers::most_per_plugin; ++i)
    places.push_back(workers.admit({"slow"}));
  EXPECT_THROW(workers.admit({"slow"}), netd::Error);
  EXPECT_THROW(workers.admit({"fast", "slow"}), netd::Error);
  EXPECT_NO_THROW(workers.admit({"fast"}));
  places.pop_back();
  EXPECT_NO_THROW(workers.admit({"slow"}));
}

TEST(WorkersOfPlugins, StopWaitsForAll) {
  Workers workers;
  std::promise<void> go;
  bool done = false;
  workers.start([&, future = std::make_shared<std::future<void>>(go.get_future())] {
    future->wait();
    done = true;
  });
  go.set_value();
  workers.stop();
  EXPECT_TRUE(done);
  EXPECT_TRUE(workers.is_stopping());
}

}  // namespace
