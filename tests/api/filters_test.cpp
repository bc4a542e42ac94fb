#include "netd/api/filters.h"

#include <gtest/gtest.h>

#include "netd/error.h"

namespace netd::api {
namespace {

template <class Act>
std::string refusal(Act act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
    return error.what();
  }
  return "accepted";
}

NetworkRecord custom_network() {
  NetworkRecord record;
  record.network.id = "3f2a91c0d4e7aaaa";
  record.network.name = "mybridge";
  record.network.driver = "bridge";
  record.created_nano = 1'000;
  record.labels = {{"tier", "web"}, {"empty", ""}};
  return record;
}

bool accepts(const std::string& filters, const NetworkRecord& record, bool in_use = false) {
  return NetworkFilter(Filters::parse(filters)).accepts(record, in_use);
}

std::string network_refusal(const std::string& filters) {
  return refusal([&] { NetworkFilter filter(Filters::parse(filters)); });
}

TEST(Filters, ReadsBothForms) {
  const auto old_form = Filters::parse(R"({"name":["a","b"]})");
  EXPECT_EQ(old_form.values("name"), (std::set<std::string>{"a", "b"}));
  const auto new_form = Filters::parse(R"({"name":{"a":true,"b":false}})");
  EXPECT_EQ(new_form.values("name"), (std::set<std::string>{"a"}));
  EXPECT_TRUE(Filters::parse("").all().empty());
  EXPECT_TRUE(Filters::parse("{}").all().empty());
  EXPECT_TRUE(Filters::parse("null").all().empty());
}

TEST(Filters, RefusesMalformedJson) {
  for (const char* text : {"{", "[]", "5", "\"a\"", R"({"name":5})", R"({"name":[5]})",
                           R"({"name":{"a":1}})", "{} {}"})
    EXPECT_TRUE(refusal([&] { Filters::parse(text); }).starts_with("invalid filter")) << text;
}

TEST(Filters, RefusesUnknownKeys) {
  EXPECT_EQ(network_refusal(R"({"colour":["red"]})"), "invalid filter 'colour'");
}

TEST(NetworkFilter, MatchesNameAndIdAsUnanchoredPatterns) {
  const auto record = custom_network();
  EXPECT_TRUE(accepts(R"({"name":["bridge"]})", record));
  EXPECT_FALSE(accepts(R"({"name":["^bridge"]})", record));
  EXPECT_TRUE(accepts(R"({"name":["nothing","^my.*e$"]})", record));
  EXPECT_TRUE(accepts(R"({"id":["91c0"]})", record));
  EXPECT_FALSE(accepts(R"({"id":["ffff"]})", record));
}

TEST(NetworkFilter, MatchesAnInvalidPatternOnlyExactly) {
  auto record = custom_network();
  EXPECT_FALSE(accepts(R"({"name":["*bridge"]})", record));
  record.network.name = "*bridge";
  EXPECT_TRUE(accepts(R"({"name":["*bridge"]})", record));
}

TEST(NetworkFilter, MatchesDriverScopeAndTypeExactly) {
  auto record = custom_network();
  EXPECT_TRUE(accepts(R"({"driver":["bridge"]})", record));
  EXPECT_FALSE(accepts(R"({"driver":["bri"]})", record));
  EXPECT_TRUE(accepts(R"({"scope":["local"]})", record));
  EXPECT_FALSE(accepts(R"({"scope":["swarm"]})", record));
  EXPECT_TRUE(accepts(R"({"type":["custom"]})", record));
  EXPECT_FALSE(accepts(R"({"type":["builtin"]})", record));
  record.predefined = true;
  EXPECT_TRUE(accepts(R"({"type":["builtin"]})", record));
  EXPECT_EQ(network_refusal(R"({"type":["x"]})"), "invalid filter: 'type'='x'");
}

TEST(NetworkFilter, WantsAllLabels) {
  const auto record = custom_network();
  EXPECT_TRUE(accepts(R"({"label":["tier"]})", record));
  EXPECT_TRUE(accepts(R"({"label":["tier=web","empty"]})", record));
  EXPECT_TRUE(accepts(R"({"label":["empty="]})", record));
  EXPECT_FALSE(accepts(R"({"label":["tier=db"]})", record));
  EXPECT_FALSE(accepts(R"({"label":["tier","other"]})", record));
}

TEST(NetworkFilter, KnowsDangling) {
  auto record = custom_network();
  EXPECT_TRUE(accepts(R"({"dangling":["true"]})", record, false));
  EXPECT_FALSE(accepts(R"({"dangling":["1"]})", record, true));
  EXPECT_TRUE(accepts(R"({"dangling":["false"]})", record, true));
  EXPECT_FALSE(accepts(R"({"dangling":["0"]})", record, false));
  record.predefined = true;
  EXPECT_FALSE(accepts(R"({"dangling":["true"]})", record, false));
  EXPECT_TRUE(accepts(R"({"dangling":["false"]})", record, false));
  EXPECT_EQ(network_refusal(R"({"dangling":["true","false"]})"),
            "got more than one value for filter key \"dangling\"");
  EXPECT_EQ(network_refusal(R"({"dangling":["maybe"]})"),
            "invalid value for filter 'dangling', must be \"true\" (or \"1\"), or \"false\" (or "
            "\"0\")");
}

TEST(PruneFilter, KnowsUntilAndLabels) {
  const std::int64_t now = 100'000'000'000'000;
  auto record = custom_network();
  record.created_nano = now - 7200'000'000'000;
  const auto takes = [&](const std::string& text) {
    return PruneFilter(Filters::parse(text), now).accepts(record);
  };
  EXPECT_TRUE(takes(""));
  EXPECT_TRUE(takes(R"({"until":["1h"]})"));
  EXPECT_FALSE(takes(R"({"until":["3h"]})"));
  EXPECT_TRUE(takes(R"({"label":["tier=web"]})"));
  EXPECT_FALSE(takes(R"({"label!":["tier=web"]})"));
  EXPECT_TRUE(takes(R"({"label!":["tier=db"]})"));
  EXPECT_EQ(refusal([&] { takes(R"({"until":["1h","2h"]})"); }),
            "more than one until filter specified");
  EXPECT_EQ(refusal([&] { takes(R"({"name":["x"]})"); }), "invalid filter 'name'");
  EXPECT_TRUE(refusal([&] {
                takes(R"({"until":["soon"]})");
              }).starts_with("invalid filter 'until': \"soon\""));
}

}  // namespace
}  // namespace netd::api
