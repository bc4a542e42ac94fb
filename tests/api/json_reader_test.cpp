#include "netd/api/json_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace netd::api {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

template <class Act>
std::string refusal(Act act) {
  try {
    act();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

TEST(JsonObject, TreatsAbsentAndNullAlike) {
  const json body = json::parse(R"({"Name":null,"Labels":null,"Aliases":null,"Flag":null})");
  const JsonObject object(body, "");
  EXPECT_EQ(object.text("Name"), "");
  EXPECT_TRUE(object.text_map("Labels").empty());
  EXPECT_TRUE(object.texts("Aliases").empty());
  EXPECT_FALSE(object.flag("Flag"));
  EXPECT_FALSE(object.number("Number"));
  EXPECT_TRUE(object.objects("Config").empty());
  EXPECT_EQ(object.object("IPAM").text("Driver"), "");
}

TEST(JsonObject, MatchesKeysWithoutRegardToCaseWhenNoneFitsExactly) {
  const json body = json::parse(R"({"name":"a","DRIVER":"x","Driver":"y"})");
  const JsonObject object(body, "");
  EXPECT_EQ(object.text("Name"), "a");
  EXPECT_EQ(object.text("Driver"), "y");
}

TEST(JsonObject, NamesFieldAndExpectation) {
  const json body = json::parse(R"({"Name":5,"Internal":"yes","Aliases":["a",1],"Labels":{"a":2},
                                    "Number":1.5,"Huge":4294967296,"IPAM":{"Config":[{"Subnet":5}]}})");
  const JsonObject object(body, "");
  EXPECT_EQ(refusal([&] { object.text("Name"); }),
            "invalid JSON: Name: expected a string, found 5");
  EXPECT_EQ(refusal([&] { object.flag("Internal"); }),
            "invalid JSON: Internal: expected true or false, found \"yes\"");
  EXPECT_EQ(refusal([&] { object.texts("Aliases"); }),
            "invalid JSON: Aliases[1]: expected a string, found 1");
  EXPECT_EQ(refusal([&] { object.text_map("Labels"); }),
            "invalid JSON: Labels.a: expected a string, found 2");
  EXPECT_EQ(refusal([&] { object.number("Number"); }),
            "invalid JSON: Number: expected a whole number, found 1.5");
  EXPECT_EQ(refusal([&] { object.number("Huge"); }),
            "invalid JSON: Huge: expected a whole number, found 4294967296");
  EXPECT_EQ(refusal([&] { object.object("IPAM").objects("Config")[0].text("Subnet"); }),
            "invalid JSON: IPAM.Config[0].Subnet: expected a string, found 5");
  EXPECT_EQ(refusal([&] { object.objects("Labels"); }),
            "invalid JSON: Labels: expected a list of objects, found an object");
}

TEST(JsonObject, RefusesABodyThatIsNoObject) {
  const json body = json::parse("[1]");
  EXPECT_EQ(refusal([&] { JsonObject(body, ""); }),
            "invalid JSON: request body: expected an object, found a list");
}

}  // namespace
}  // namespace netd::api
