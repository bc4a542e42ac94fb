#include "netd/events.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <thread>

namespace netd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto end_of_time = std::numeric_limits<std::int64_t>::max();

Event event(const std::string& id) {
  return {.type = "network", .action = "create", .id = id};
}

std::vector<std::string> ids(const std::vector<Event>& events) {
  std::vector<std::string> all;
  for (const Event& e : events)
    all.push_back(e.id);
  return all;
}

TEST(Events, SubscribersHearWhatIsPublishedWhileTheyHoldTheHandle) {
  Events events;
  std::vector<Event> heard;
  events.publish(event("before"));
  auto handle = events.subscribe([&](const Event& e) { heard.push_back(e); });
  events.publish(event("during"));
  handle.reset();
  events.publish(event("after"));
  EXPECT_THAT(ids(heard), ElementsAre("during"));
}

TEST(Events, TimesRiseWithEveryEvent) {
  Events events;
  for (int i = 0; i < 1000; ++i)
    events.publish(event("x"));
  const auto history = events.history(0, end_of_time);
  for (std::size_t i = 1; i < history.size(); ++i)
    ASSERT_GT(history[i].time_nano, history[i - 1].time_nano);
}

TEST(Events, HistoryHasBothEndsOfTheInterval) {
  Events events;
  for (const char* id : {"1", "2", "3", "4"})
    events.publish(event(id));
  const auto all = events.history(0, end_of_time);
  EXPECT_THAT(ids(events.history(all[1].time_nano, all[2].time_nano)), ElementsAre("2", "3"));
  EXPECT_THAT(events.history(all[3].time_nano + 1, end_of_time), IsEmpty());
}

TEST(Events, RemembersTheLast1024) {
  Events events;
  for (int i = 0; i < 1100; ++i)
    events.publish(event(std::to_string(i)));
  const auto history = events.history(0, end_of_time);
  EXPECT_EQ(history.size(), 1024u);
  EXPECT_EQ(history.front().id, "76");
}

TEST(Events, ASubscriberThatThrowsIsDroppedAndHurtsNobody) {
  Events events;
  int calls = 0;
  std::vector<Event> heard;
  const auto bad = events.subscribe([&](const Event&) {
    ++calls;
    throw std::runtime_error("no");
  });
  const auto good = events.subscribe([&](const Event& e) { heard.push_back(e); });
  events.publish(event("1"));
  events.publish(event("2"));
  EXPECT_EQ(calls, 1);
  EXPECT_THAT(ids(heard), ElementsAre("1", "2"));
}

TEST(Events, ACallbackMaySubscribeAndReadTheHistory) {
  Events events;
  std::vector<std::shared_ptr<void>> handles;
  std::size_t seen = 0;
  handles.push_back(events.subscribe([&](const Event&) {
    seen = events.history(0, end_of_time).size();
    handles.push_back(events.subscribe([](const Event&) {}));
  }));
  events.publish(event("1"));
  EXPECT_EQ(seen, 1u);
}

TEST(Events, SubscribersComeAndGoOnOtherThreads) {
  Events events;
  std::thread reader([&] {
    for (int i = 0; i < 2000; ++i) {
      const auto handle = events.subscribe([](const Event&) {});
      events.history(0, end_of_time);
    }
  });
  for (int i = 0; i < 2000; ++i)
    events.publish(event("x"));
  reader.join();
}

}  // namespace
}  // namespace netd
