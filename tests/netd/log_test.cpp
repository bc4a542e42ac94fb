#include "netd/log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace netd::log {
namespace {

TEST(Log, TextQuotesOnlyWhatCouldBeMisread) {
  EXPECT_EQ(
      to_text("network created", {{"network", "3f2a91c0d4e7"}, {"name", "my shop"}, {"note", ""}}),
      R"(msg="network created" network=3f2a91c0d4e7 name="my shop" note="")");
}

TEST(Log, TextStaysOneLineWhateverAValueHolds) {
  EXPECT_EQ(to_text("x", {{"name", "a\nlevel=error \"b\" \\"}}),
            R"(msg="x" name="a\u000alevel=error \"b\" \\")");
}

TEST(Log, JsonMembersMakeAnObject) {
  const auto json = nlohmann::json::parse(
      "{" + to_json_members("a \"b\"", {{"path", "C:\\\n\x01"}, {"name", "größe"}}) + "}");
  EXPECT_EQ(json["msg"], "a \"b\"");
  EXPECT_EQ(json["path"], "C:\\\n\x01");
  EXPECT_EQ(json["name"], "größe");
}

TEST(Log, WritesWhatTheHeaderShows) {
  testing::internal::CaptureStderr();
  set_up("info", "text");
  warn("careful", {{"id", "1"}});
  debug("not at this level");
  set_up("debug", "json");
  debug("now it is");
  const std::string output = testing::internal::GetCapturedStderr();
  set_up("info", "text");
  const auto second = output.find('\n') + 1;
  EXPECT_EQ(output.substr(0, 5), "time=");
  EXPECT_EQ(output.substr(34, second - 34), " level=warn msg=\"careful\" id=1\n") << output;
  const auto json = nlohmann::json::parse(output.substr(second));
  EXPECT_EQ(json["level"], "debug");
  EXPECT_EQ(json["msg"], "now it is");
}

TEST(Log, RefusesUnknownLevelsAndFormats) {
  EXPECT_THROW(set_up("loud", "text"), std::invalid_argument);
  EXPECT_THROW(set_up("info", "xml"), std::invalid_argument);
}

TEST(Log, ShortensIdsAsDockerDoes) {
  EXPECT_EQ(short_id("3f2a91c0d4e7aaaaaaaaaaaaaaaa"), "3f2a91c0d4e7");
  EXPECT_EQ(short_id("web"), "web");
}

}  // namespace
}  // namespace netd::log
