#include "netd/api/url.h"

#include <gtest/gtest.h>

namespace netd::api {
namespace {

TEST(Url, DecodesPercentEncodedPaths) {
  EXPECT_EQ(decode_path("/networks/a%2Fb%20c%C3%A9"), "/networks/a/b cé");
  EXPECT_EQ(decode_path("a+b"), "a+b");
  EXPECT_EQ(decode_path("%41"), "A");
}

TEST(Url, RefusesMalformedEncoding) {
  EXPECT_FALSE(decode_path("%"));
  EXPECT_FALSE(decode_path("%4"));
  EXPECT_FALSE(decode_path("a%zz"));
}

TEST(Url, ReadsQueries) {
  const auto query = parse_query("a=1&b=x+y%26z&flag&a=2&=none&bad=%zz&&c=");
  EXPECT_EQ(query.size(), 4u);
  EXPECT_EQ(query.at("a"), "1");
  EXPECT_EQ(query.at("b"), "x y&z");
  EXPECT_EQ(query.at("flag"), "");
  EXPECT_EQ(query.at("c"), "");
}

}  // namespace
}  // namespace netd::api
