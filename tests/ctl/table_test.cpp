#include "netd/ctl/table.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "netd/ctl/event_line.h"

namespace netd::ctl {
namespace {

TEST(Table, AlignsColumnsAsDockerDoes) {
  EXPECT_EQ(format_table({"NETWORK ID", "NAME", "DRIVER", "SCOPE"},
                         {{"3f2a91c0d4e7", "shop", "bridge", "local"},
                          {"9c31b7aa0f12", "a-much-longer-name", "macvlan", "local"}}),
            "NETWORK ID     NAME                 DRIVER    SCOPE\n"
            "3f2a91c0d4e7   shop                 bridge    local\n"
            "9c31b7aa0f12   a-much-longer-name   macvlan   local\n");
}

TEST(Table, HasHeadingsWithoutRows) {
  EXPECT_EQ(format_table({"NETWORK ID", "NAME"}, {}), "NETWORK ID   NAME\n");
}

TEST(Table, CountsCodePointsNotBytes) {
  EXPECT_EQ(format_table({"NAME", "X"}, {{"żółć-network", "1"}, {"net", "2"}}),
            "NAME           X\n"
            "żółć-network   1\n"
            "net            2\n");
}

TEST(Table, ShowsControlCharactersAsQuestionMarks) {
  EXPECT_EQ(format_table({"NAME"}, {{"evil\033[2Jname\n"}}), "NAME\nevil?[2Jname?\n");
}

TEST(Styled, WritesEscapesOnlyInColour) {
  EXPECT_EQ(styled("web", Style::bold, false), "web");
  EXPECT_EQ(styled("web", Style::bold, true), "\033[1mweb\033[0m");
}

TEST(Time, IsUtcWithNanoseconds) {
  EXPECT_EQ(format_time(1'787'500'800'000'000'001), "2026-08-23T16:00:00.000000001Z");
  EXPECT_EQ(format_time(0), "1970-01-01T00:00:00.000000000Z");
}

TEST(Event, IsOneLine) {
  const auto event = nlohmann::json::parse(
      R"({"Type":"network","Action":"connect","Actor":{"ID":"3f2a","Attributes":)"
      R"({"name":"shop","type":"bridge","container":"9c31"}},"timeNano":0})");
  EXPECT_EQ(format_event(event, false),
            "1970-01-01T00:00:00.000000000Z network connect 3f2a "
            "(container=9c31, name=shop, type=bridge)");
}

}  // namespace
}  // namespace netd::ctl
