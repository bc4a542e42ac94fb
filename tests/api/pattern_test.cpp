#include "netd/api/pattern.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace netd::api {
namespace {

bool found(std::string_view pattern, std::string_view text) {
  const auto compiled = Pattern::compile(pattern);
  EXPECT_TRUE(compiled) << pattern;
  return compiled && compiled->is_found_in(text);
}

TEST(Pattern, FindsLiteralsAnywhere) {
  EXPECT_TRUE(found("bridge", "mybridge2"));
  EXPECT_FALSE(found("bridge", "mybrid"));
  EXPECT_TRUE(found("", ""));
  EXPECT_TRUE(found("", "x"));
}

TEST(Pattern, KnowsAnchors) {
  EXPECT_TRUE(found("^web$", "web"));
  EXPECT_FALSE(found("^web$", "web1"));
  EXPECT_FALSE(found("^web$", "aweb"));
  EXPECT_TRUE(found("^$", ""));
  EXPECT_FALSE(found("a^b", "ab"));
}

TEST(Pattern, KnowsRepetitions) {
  EXPECT_TRUE(found("^ab*c$", "ac"));
  EXPECT_TRUE(found("^ab*c$", "abbbc"));
  EXPECT_FALSE(found("^ab+c$", "ac"));
  EXPECT_TRUE(found("^ab?c$", "abc"));
  EXPECT_FALSE(found("^ab?c$", "abbc"));
  EXPECT_TRUE(found("^a{2,3}$", "aaa"));
  EXPECT_FALSE(found("^a{2,3}$", "a"));
  EXPECT_FALSE(found("^a{2,3}$", "aaaa"));
  EXPECT_TRUE(found("^a{2,}$", "aaaaa"));
  EXPECT_FALSE(found("^a{2}$", "aaa"));
  EXPECT_TRUE(found("^a{0}b$", "b"));
  EXPECT_TRUE(found("a{x}", "a{x}"));
  EXPECT_TRUE(found("^(ab)+?$", "abab"));
}

TEST(Pattern, KnowsChoicesGroupsAndClasses) {
  EXPECT_TRUE(found("^(web|db)-[0-9]+$", "db-12"));
  EXPECT_FALSE(found("^(web|db)-[0-9]+$", "dc-12"));
  EXPECT_TRUE(found("^(?:a|b|c){3}$", "cab"));
  EXPECT_TRUE(found("^[^a-c]$", "d"));
  EXPECT_FALSE(found("^[^a-c]$", "b"));
  EXPECT_TRUE(found("^[]a]+$", "]a"));
  EXPECT_TRUE(found("^[a-]+$", "a-"));
  EXPECT_TRUE(found("^\\w+\\.\\d\\s?$", "web.1"));
  EXPECT_TRUE(found("^.$", "\xff"));
}

TEST(Pattern, RefusesWhatIsMalformedOrUnknown) {
  for (const char* text : {"*a", "a**", "(", ")", "(a", "[a", "[", "a{3,2}", "a{2000}", "\\",
                           "[b-a]", "\\1", "\\p", "(?i)a", "(?=a)", "[[:alpha:]]", "+"})
    EXPECT_FALSE(Pattern::compile(text)) << text;
}

TEST(Pattern, IsBounded) {
  EXPECT_FALSE(Pattern::compile(std::string(257, 'a')));
  EXPECT_FALSE(Pattern::compile("((a{100}){100}){100}"));
  EXPECT_FALSE(Pattern::compile("((){1000}){1000}"));
  EXPECT_FALSE(Pattern::compile(std::string(100, '(') + std::string(100, ')')));
}

TEST(Pattern, TakesLinearTimeOnHostilePatterns) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_FALSE(found("(a*)*b", std::string(1000, 'a')));
  EXPECT_FALSE(found("(a|a|a)*b", std::string(1000, 'a')));
  EXPECT_FALSE(found("(a?){100}a{100}b", std::string(100, 'a')));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
}

}  // namespace
}  // namespace netd::api
