#include "netd/api/event_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "netd/error.h"

namespace netd::api {
namespace {

using nlohmann::json;

Event connect_event() {
  return {.type = "network",
          .action = "connect",
          .id = "nnn111",
          .attributes = {{"name", "shop"}, {"type", "bridge"}, {"container", "ccc222"}},
          .time_nano = 1'500'000'000};
}

bool accepts(const std::string& filters) {
  return EventFilter(Filters::parse(filters)).accepts(connect_event());
}

TEST(EventJson, HasDockersShape) {
  EXPECT_EQ(event_json(connect_event(), {1, 41}), json::parse(R"({
    "Type":"network","Action":"connect","scope":"local","time":1,"timeNano":1500000000,
    "Actor":{"ID":"nnn111","Attributes":{"name":"shop","type":"bridge","container":"ccc222"}}})"));
}

TEST(EventJson, HasLegacyFieldsForContainersBefore152) {
  Event event = connect_event();
  event.type = "container";
  event.action = "start";
  EXPECT_EQ(event_json(event, {1, 51})["status"], "start");
  EXPECT_EQ(event_json(event, {1, 51})["id"], "nnn111");
  EXPECT_FALSE(event_json(event, {1, 52}).contains("status"));
}

TEST(EventFormat, FollowsVersionAndAccept) {
  EXPECT_EQ(content_type(event_format({1, 51}, "")), "application/json");
  EXPECT_EQ(content_type(event_format({1, 52}, "*/*")), "application/jsonl");
  EXPECT_EQ(content_type(event_format({1, 52}, "application/x-ndjson")), "application/x-ndjson");
  EXPECT_EQ(content_type(event_format({1, 41}, "application/json-seq")), "application/json-seq");
  EXPECT_EQ(to_line(EventFormat::json, {{"a", 1}}), "{\"a\":1}\n");
  EXPECT_EQ(to_line(EventFormat::json_sequence, {{"a", 1}}), "\x1e{\"a\":1}\n");
}

TEST(EventFilter, KnowsDockersKeys) {
  EXPECT_TRUE(accepts(""));
  EXPECT_TRUE(accepts(R"({"type":["network"]})"));
  EXPECT_FALSE(accepts(R"({"type":["container"]})"));
  EXPECT_TRUE(accepts(R"({"event":["connect","destroy"]})"));
  EXPECT_FALSE(accepts(R"({"event":["destroy"]})"));
  EXPECT_TRUE(accepts(R"({"network":["shop"]})"));
  EXPECT_TRUE(accepts(R"({"network":["nnn"]})"));
  EXPECT_FALSE(accepts(R"({"network":["sho"]})"));
  EXPECT_TRUE(accepts(R"({"container":["ccc222"]})"));
  EXPECT_FALSE(accepts(R"({"container":["other"]})"));
  EXPECT_FALSE(accepts(R"({"image":["x"]})"));
  EXPECT_TRUE(accepts(R"({"scope":["local"]})"));
  EXPECT_TRUE(accepts(R"({"label":["type=bridge"]})"));
  EXPECT_THROW(accepts(R"({"colour":["x"]})"), Error);
}

}  // namespace
}  // namespace netd::api
