#include "netd/api/times.h"

#include <gtest/gtest.h>

namespace netd::api {
namespace {

constexpr std::int64_t second = 1'000'000'000;

TEST(Times, WritesRfc3339AsGoDoes) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(1787488496 * second + 1'200'000), "2026-08-23T12:34:56.0012Z");
  EXPECT_EQ(rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
}

TEST(Times, ReadsUnixTime) {
  EXPECT_EQ(parse_time("1700000000", 0), 1700000000 * second);
  EXPECT_EQ(parse_time("1700000000.000000001", 0), 1700000000 * second + 1);
  EXPECT_EQ(parse_time("1700000000.5", 0), 1700000000 * second + second / 2);
}

TEST(Times, ReadsRfc3339) {
  const std::int64_t expected = 1787488496 * second;
  EXPECT_EQ(parse_time("2026-08-23T12:34:56Z", 0), expected);
  EXPECT_EQ(parse_time("2026-08-23T12:34:56", 0), expected);
  EXPECT_EQ(parse_time("2026-08-23T14:34:56.25+02:00", 0), expected + second / 4);
  EXPECT_EQ(parse_time("2026-08-23T12:34", 0), expected - 56 * second);
  EXPECT_EQ(parse_time("2026-08-23", 0), 1787443200 * second);
}

TEST(Times, ReadsGoDurationsBeforeNow) {
  EXPECT_EQ(parse_time("24h", 100000 * second), 13600 * second);
  EXPECT_EQ(parse_time("1h30m", 10000 * second), 4600 * second);
  EXPECT_EQ(parse_time("1.5s", 10 * second), 8 * second + second / 2);
  EXPECT_EQ(parse_time("-10ms", second), second + 10'000'000);
}

TEST(Times, RefusesEverythingElse) {
  for (const char* text : {"",
                           "x",

                           "-",
                           "+",
                           "h",
                           "1x",
                           "2026-13-01",
                           "2026-02-",
                           "2026-08-23T25:00",
                           "1e5s",
                           "2026-08-23T12:34:56+2",
                           "1700000000.",
                           "1700000000.0000000001",
                           "infs",
                           "nanh",
                           "99999999999999999999",
                           "-9223372036854775808",
                           "99999999999",
                           "9999999999999h",
                           "1h 2m",
                           "--1h"})
    EXPECT_FALSE(parse_time(text, 0)) << text;
}

TEST(Times, WordsDurationsAsDockerDoes) {
  using namespace std::chrono_literals;
  EXPECT_EQ(human_duration(500ms), "Less than a second");
  EXPECT_EQ(human_duration(1s), "1 second");
  EXPECT_EQ(human_duration(59s), "59 seconds");
  EXPECT_EQ(human_duration(60s), "About a minute");
  EXPECT_EQ(human_duration(3min), "3 minutes");
  EXPECT_EQ(human_duration(61min), "About an hour");
  EXPECT_EQ(human_duration(5h), "5 hours");
  EXPECT_EQ(human_duration(5 * 24h), "5 days");
  EXPECT_EQ(human_duration(21 * 24h), "3 weeks");
  EXPECT_EQ(human_duration(100 * 24h), "3 months");
  EXPECT_EQ(human_duration(1000 * 24h), "2 years");
}

}  // namespace
}  // namespace netd::api
