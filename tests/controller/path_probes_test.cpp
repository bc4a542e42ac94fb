#include "netd/path_probes.h"

#include <gmock/gmock.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace {

using namespace netd;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Path = PathProbes::Path;
using State = PathProbes::State;

ipam::Address host(int number) {
  return *ipam::Address::parse("192.0.2." + std::to_string(number));
}

class PathProbesTest : public ::testing::Test {
 protected:
  /// Looks; comes back with what was sent: "192.0.2.1 84".
  std::vector<std::string> look(const std::vector<Path>& paths, std::chrono::seconds at) {
    sent_.clear();
    probes_.look(paths, PathProbes::Clock::time_point(at));
    return sent_;
  }
  std::set<int> looked_at(const std::vector<Path>& paths, std::chrono::seconds at) {
    std::set<int> numbers;
    for (const std::string& one : look(paths, at))
      numbers.insert(std::stoi(one.substr(one.rfind('.') + 1)));
    return numbers;
  }
  State state(int number) const {
    for (const PathProbes::Result& result : probes_.results())
      if (result.path.to == host(number)) return result.state;
    ADD_FAILURE() << "nothing is known of host " << number;
    return State::silent;
  }

  std::map<int, std::size_t> takes_;  // bytes; other hosts answer nothing
  std::vector<std::string> sent_;
  bool stopping_ = false;
  PathProbes probes_{{.start = [](const std::function<void()>& act) { act(); },
                      .goes_on = [this] { return !stopping_; },
                      .echo =
                          [this](const ipam::Address& to, std::size_t bytes) {
                            sent_.push_back(to.to_string() + " " + std::to_string(bytes));
                            for (const auto& [number, most] : takes_)
                              if (host(number) == to && bytes <= most)
                                return sandbox::EchoOutcome{.answered = true};
                            return sandbox::EchoOutcome{.problem = "no answer"};
                          }},
                     1};
};

TEST_F(PathProbesTest, TheFirstContactTellsWhatPasses) {
  takes_ = {{1, 1500}, {2, 1400}};
  EXPECT_THAT(look({{host(1), 1500}, {host(2), 1500}, {host(3), 1500}}, 0s),
              ElementsAre("192.0.2.1 84", "192.0.2.1 1500", "192.0.2.2 84", "192.0.2.2 1500",
                          "192.0.2.2 1500", "192.0.2.2 1500", "192.0.2.2 84", "192.0.2.3 84"));
  EXPECT_EQ(state(1), State::whole);
  EXPECT_EQ(state(2), State::broken);
  EXPECT_EQ(state(3), State::silent) << "who answers no ping at all proves nothing";
}

TEST_F(PathProbesTest, OnceAMinuteSomeAreLookedAtAgainAndAllThatAreBroken) {
  std::vector<Path> paths;
  for (int i = 1; i <= 20; ++i) {
    paths.push_back({host(i), 1500});
    takes_[i] = i > 2 ? 1500 : 1400;
  }
  EXPECT_THAT(looked_at(paths, 0s), SizeIs(8)) << "so many at a time";
  EXPECT_THAT(looked_at(paths, 5s), SizeIs(8));
  EXPECT_THAT(looked_at(paths, 10s), SizeIs(4));
  EXPECT_THAT(look(paths, 15s), IsEmpty());
  const auto again = looked_at(paths, 60s);
  EXPECT_THAT(again, SizeIs(5));
  EXPECT_TRUE(again.contains(1) && again.contains(2));
  EXPECT_THAT(look(paths, 90s), IsEmpty());
  takes_[1] = 1500;
  EXPECT_THAT(looked_at(paths, 120s), SizeIs(5));
  EXPECT_EQ(state(1), State::whole);
  EXPECT_EQ(state(2), State::broken);
}

TEST_F(PathProbesTest, WhoFallsSilentStaysBroken) {
  takes_ = {{1, 1400}};
  look({{host(1), 1500}}, 0s);
  takes_.clear();
  EXPECT_THAT(look({{host(1), 1500}}, 60s), ElementsAre("192.0.2.1 84"));
  EXPECT_EQ(state(1), State::broken);
}

TEST_F(PathProbesTest, LargerPacketsAreAQuestionAnew) {
  takes_ = {{1, 1500}};
  look({{host(1), 1500}}, 0s);
  EXPECT_THAT(look({{host(1), 1500}}, 1s), IsEmpty());
  EXPECT_THAT(look({{host(1), 9000}}, 2s), SizeIs(5));
  EXPECT_EQ(state(1), State::broken);
}

TEST_F(PathProbesTest, AHostWithoutEndpointsHereIsForgotten) {
  takes_ = {{1, 1400}};
  look({{host(1), 1500}}, 0s);
  look({}, 1s);
  EXPECT_THAT(probes_.results(), SizeIs(0));
}

TEST_F(PathProbesTest, NothingIsSentWhileNetdStops) {
  stopping_ = true;
  EXPECT_THAT(look({{host(1), 1500}}, 0s), IsEmpty());
}

}  // namespace
