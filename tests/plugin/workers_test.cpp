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

TEST(WorkersOfPlugins, AllContainersOfALanMayComeAtOnce) {
  Workers workers;
  const std::string lan = Workers::lan_of("office");
  std::vector<Workers::Place> places;
  for (std::size_t i = 0; i < 254; ++i)  // what a /24 has
    places.push_back(workers.admit({lan}));
  while (places.size() < Workers::most_per_lan)
    places.push_back(workers.admit({lan}));
  try {
    workers.admit({lan});
    FAIL() << "admitted";
  } catch (const netd::Error& error) {
    EXPECT_STREQ(error.what(),
                 "256 requests wait for the LAN of network office already: is it hanging? Try "
                 "again later");
  }
  EXPECT_NO_THROW(workers.admit({"fast", Workers::lan_of("home")}));
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
