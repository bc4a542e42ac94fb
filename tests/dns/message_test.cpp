#include "dns/message.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/dns/packets.h"

namespace dns {
namespace {

using tests::bytes;
using tests::hex;
using tests::opt;
using tests::query;

std::optional<Rcode> parse(const tests::Bytes& packet) {
  Query result;
  return parse_query(packet, result);
}

std::string refusal(const tests::Bytes& packet) {
  Query parsed;
  const auto verdict = parse_query(packet, parsed);
  if (!verdict) return "dropped";
  std::array<std::uint8_t, 512> buffer;
  Response response(parsed, buffer);
  response.set_rcode(*verdict);
  return hex(std::span(buffer).first(response.finish()));
}

TEST(ParseQuery, ReadsWhatAnAnswerNeeds) {
  // Outlives `parsed`, which points into it.
  const auto packet = query("Web.Shop", 28, {opt(4096, 0x8000)});
  Query parsed;
  ASSERT_EQ(parse_query(packet, parsed), Rcode::no_error);
  EXPECT_EQ(parsed.id, 0x1234);
  EXPECT_EQ(parsed.name(), "web.shop");
  EXPECT_EQ(parsed.type, 28);
  EXPECT_EQ(parsed.class_code, 1);
  EXPECT_TRUE(parsed.recursion_desired);
  EXPECT_TRUE(parsed.has_edns);
  EXPECT_TRUE(parsed.dnssec_ok);
  EXPECT_EQ(parsed.udp_size, 4096);
  EXPECT_EQ(hex(parsed.question), "0357 6562 0453 686f 7000 001c 0001");
}

TEST(ParseQuery, DropsWhatIsTooShortToAnswerAndResponses) {
  EXPECT_EQ(parse({}), std::nullopt);
  EXPECT_EQ(parse(bytes("1234 0100 0001 0000 0000 00")), std::nullopt);
  EXPECT_EQ(parse(bytes("1234 8180 0001 0000 0000 0000 03'web'00 0001 0001")), std::nullopt);
}

TEST(ParseQuery, NeedsExactlyOneQuestion) {
  EXPECT_EQ(refusal(bytes("1234 0100 0000 0000 0000 0000")), "1234 8181 0000 0000 0000 0000");
  EXPECT_EQ(parse(bytes("1234 0100 0002 0000 0000 0000 00 0001 0001 00 0001 0001")),
            Rcode::format_error);
}

TEST(ParseQuery, DoesNotImplementOtherOpcodes) {
  // NOTIFY
  EXPECT_EQ(refusal(bytes("1234 2000 0001 0000 0000 0000 00 0006 0001")),
            "1234 a084 0000 0000 0000 0000");
}

TEST(ParseQuery, RefusesOtherClassesAndZoneTransfers) {
  EXPECT_EQ(parse(bytes("1234 0100 0001 0000 0000 0000 07'version'04'bind'00 0010 0003")),
            Rcode::refused);
  EXPECT_EQ(parse(query("shop", type::axfr)), Rcode::refused);
  EXPECT_EQ(parse(query("shop", type::ixfr)), Rcode::refused);
  EXPECT_EQ(parse(bytes("1234 0100 0001 0000 0000 0000 03'web'00 0001 00ff")), Rcode::no_error);
}

TEST(ParseQuery, RefusesACompressedQuestion) {
  EXPECT_EQ(parse(bytes("1234 0100 0001 0000 0000 0000 c00c 0001 0001")), Rcode::format_error);
  EXPECT_EQ(parse(bytes("1234 0100 0001 0000 0000 0000 03'web'c00c 0001 0001")),
            Rcode::format_error);
}

TEST(ParseQuery, RefusesAQuestionThatEndsEarly) {
  const auto whole = query("web", 1);
  for (std::size_t size = 12; size < whole.size(); ++size)
    EXPECT_EQ(parse(tests::Bytes(whole.begin(), whole.begin() + static_cast<int>(size))),
              Rcode::format_error)
        << size;
}

TEST(ParseQuery, TakesANameOf255OctetsAndNoMore) {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
  EXPECT_EQ(parse(query(longest, 1)), Rcode::no_error);
  EXPECT_EQ(parse(query(longest + "b", 1)), Rcode::format_error);
}

TEST(ParseQuery, TakesAnyOctetInALabel) {
  const auto packet = bytes("1234 0100 0001 0000 0000 0000 04'a'00'_ '03'a.b'00 0001 0001");
  Query parsed;
  ASSERT_EQ(parse_query(packet, parsed), Rcode::no_error);
  EXPECT_EQ(parsed.name(), std::string_view("a\0_ .a.b", 8));
  EXPECT_TRUE(parsed.has_odd_label);
}

TEST(ParseQuery, RefusesASecondOptAndAMalformedOne) {
  EXPECT_EQ(parse(query("web", 1, {opt(), opt()})), Rcode::format_error);
  EXPECT_EQ(parse(query("web", 1, {opt(1232, 0, bytes("000a 0008 01"))})), Rcode::format_error);
  EXPECT_EQ(parse(query("web", 1, {bytes("01'x'00 0029 04d0 0000 0000 0000")})),
            Rcode::format_error);
}

TEST(ParseQuery, IgnoresOptionsThatItDoesNotKnow) {
  // A cookie.
  EXPECT_EQ(parse(query("web", 1, {opt(1232, 0, bytes("000a 0008 0102030405060708"))})),
            Rcode::no_error);
}

TEST(ParseQuery, AnswersBadVersionWithAnOpt) {
  // The code 16 is 1 in the OPT's upper bits and 0 in the header.
  EXPECT_EQ(refusal(query("web", 1, {opt(1232, 0x00010000)})),
            "1234 8180 0001 0000 0000 0001 0377 6562 0000 0100 0100 0029 04d0 0100 0000 0000");
}

TEST(ParseQuery, DoesNotImplementSignatures) {
  EXPECT_EQ(parse(query("web", 1, {bytes("00 00fa 00ff 00000000 0000")})), Rcode::not_implemented);
}

TEST(ParseQuery, IgnoresAnswersInAQueryButNotBrokenOnes) {
  EXPECT_EQ(parse(bytes("1234 0100 0001 0001 0000 0000 00 0001 0001"
                        "00 0001 0001 00000000 0004 01020304")),
            Rcode::no_error);
  EXPECT_EQ(parse(bytes("1234 0100 0001 0001 0000 0000 00 0001 0001"
                        "00 0001 0001 00000000 0004 010203")),
            Rcode::format_error);
}

TEST(ParseQuery, CountsASmallUdpSizeAs512) {
  const auto packet = query("web", 1, {opt(100)});
  Query parsed;
  ASSERT_EQ(parse_query(packet, parsed), Rcode::no_error);
  EXPECT_EQ(udp_response_limit(parsed), 512u);
}

TEST(ParseQuery, ClampsALargeUdpSizeTo4096) {
  const auto packet = query("web", 1, {opt(65535)});
  Query parsed;
  ASSERT_EQ(parse_query(packet, parsed), Rcode::no_error);
  EXPECT_EQ(udp_response_limit(parsed), 4096u);
}

}  // namespace
}  // namespace dns
