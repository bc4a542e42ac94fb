#include "ipam/address.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace ipam {
namespace {

std::string round_trip(std::string_view text) {
  const auto address = Address::parse(text);
  return address ? address->to_string() : "absent";
}

Prefix prefix(std::string_view text) {
  return Prefix::parse(text).value();
}
Address address(std::string_view text) {
  return Address::parse(text).value();
}

TEST(Address, PrintsDottedQuad) {
  EXPECT_EQ(Address::v4(0x7f000001).to_string(), "127.0.0.1");
  EXPECT_EQ(round_trip("255.255.255.255"), "255.255.255.255");
  EXPECT_EQ(Address().to_string(), "0.0.0.0");
}

TEST(Address, PrintsIpv6AsRfc5952) {
  EXPECT_EQ(round_trip("2001:0DB8:0:0:1:0:0:1"), "2001:db8::1:0:0:1");    // the first of equal runs
  EXPECT_EQ(round_trip("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1");  // never a single group
  EXPECT_EQ(round_trip("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1");           // the longest run
  EXPECT_EQ(round_trip("::"), "::");
  EXPECT_EQ(round_trip("::1"), "::1");
  EXPECT_EQ(round_trip("fe80::"), "fe80::");
  EXPECT_EQ(round_trip("1:2:3:4:5:6:7::"), "1:2:3:4:5:6:7:0");
  EXPECT_EQ(round_trip("::2:3:4:5:6:7:8"), "0:2:3:4:5:6:7:8");
  EXPECT_EQ(round_trip("::ffff:10.1.2.3"), "::ffff:10.1.2.3");
  EXPECT_EQ(round_trip("64:ff9b::10.1.2.3"), "64:ff9b::a01:203");
}

TEST(Address, RefusesWhatIsNoAddress) {
  for (const char* text : {"",
                           "1.2.3",
                           "1.2.3.4.5",
                           "1.2.3.256",
                           "1.2.3.04",
                           "1.2.3.",
                           ".1.2.3",
                           "1.2.3.4 ",
                           "+1.2.3.4",
                           "a.b.c.d",
                           ":",
                           ":::",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "1:2:3:4:5:6:7:8::",
                           "::1::2",
                           "12345::",
                           "fe80::1%eth0",
                           "::1/64",
                           "1::2:",
                           ":1::2",
                           "::1.2.3",
                           "1.2.3.4::",
                           "::1.2.3.4:5",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "g::",
                           "::-1",
                           "::0x1"}) {
    EXPECT_EQ(round_trip(text), "absent") << text;
  }
}

TEST(Address, ComesFromFourOrSixteenBytesOnly) {
  EXPECT_EQ(Address::from_bytes(std::array<std::uint8_t, 4>{10, 0, 0, 1})->to_string(), "10.0.0.1");
  std::array<std::uint8_t, 16> bytes{0xfd};
  EXPECT_EQ(Address::from_bytes(bytes)->to_string(), "fd00::");
  EXPECT_FALSE(Address::from_bytes(std::array<std::uint8_t, 5>{}));
  EXPECT_FALSE(Address::from_bytes({}));
}

TEST(Address, IsANumber) {
  EXPECT_EQ(address("10.0.0.1").value(), Offset{0x0a000001});
  EXPECT_EQ(address("::1:0:0:0:5").value(), (Offset{1} << 64) + 5);
  EXPECT_EQ(Address::from_value(Family::v4, (Offset{1} << 32) + 7).to_string(), "0.0.0.7");
  EXPECT_EQ(Address::from_value(Family::v6, ~Offset{0}).to_string(),
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

TEST(Address, OrdersIpv4BeforeIpv6ThenByValue) {
  EXPECT_LT(address("9.255.0.0"), address("10.0.0.0"));
  EXPECT_LT(address("255.255.255.255"), address("::"));
  EXPECT_LT(address("::ffff"), address("1::"));
  EXPECT_NE(Address::any(Family::v4), Address::any(Family::v6));
}

TEST(Address, KnowsItsKind) {
  EXPECT_TRUE(address("127.8.0.1").is_loopback());
  EXPECT_TRUE(address("::1").is_loopback());
  EXPECT_FALSE(address("128.0.0.1").is_loopback());
  EXPECT_TRUE(address("169.254.1.1").is_link_local());
  EXPECT_TRUE(address("febf::1").is_link_local());
  EXPECT_FALSE(address("fec0::1").is_link_local());
  EXPECT_TRUE(address("224.0.0.251").is_multicast());
  EXPECT_TRUE(address("ff02::1").is_multicast());
  EXPECT_FALSE(address("240.0.0.1").is_multicast());
  EXPECT_TRUE(address("::").is_any());
  EXPECT_FALSE(address("0.0.0.1").is_any());
}

TEST(Prefix, KeepsHostBitsUntilMasked) {
  EXPECT_EQ(prefix("10.1.2.3/16").to_string(), "10.1.2.3/16");
  EXPECT_EQ(prefix("10.1.2.3/16").masked().to_string(), "10.1.0.0/16");
  EXPECT_EQ(prefix("10.1.2.3/16").last().to_string(), "10.1.255.255");
  EXPECT_EQ(prefix("fd00::1:2/64").network().to_string(), "fd00::");
  EXPECT_EQ(prefix("fd00::1:2/112").last().to_string(), "fd00::1:ffff");
  EXPECT_TRUE(prefix("10.0.0.0/8").is_masked());
  EXPECT_FALSE(prefix("10.0.0.1/8").is_masked());
}

TEST(Prefix, RefusesMalformedText) {
  for (const char* text : {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/08", "/8",
                           "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/8 ", "::/1000"}) {
    EXPECT_FALSE(Prefix::parse(text)) << text;
  }
}

TEST(Prefix, HandlesTheExtremeLengths) {
  EXPECT_EQ(prefix("1.2.3.4/0").masked().to_string(), "0.0.0.0/0");
  EXPECT_EQ(prefix("1.2.3.4/0").last().to_string(), "255.255.255.255");
  EXPECT_EQ(prefix("1.2.3.4/0").size(), Offset{1} << 32);
  EXPECT_EQ(prefix("1.2.3.4/32").size(), Offset{1});
  EXPECT_EQ(prefix("::/0").size(), ~Offset{0});
  EXPECT_EQ(prefix("::/1").size(), Offset{1} << 127);
  EXPECT_EQ(prefix("::5/128").last().to_string(), "::5");
}

TEST(Prefix, ContainsOnlyItsFamily) {
  EXPECT_TRUE(prefix("10.1.0.0/16").contains(address("10.1.255.255")));
  EXPECT_FALSE(prefix("10.1.0.0/16").contains(address("10.2.0.0")));
  EXPECT_FALSE(prefix("0.0.0.0/0").contains(address("::")));
  EXPECT_FALSE(prefix("::/0").contains(address("10.0.0.1")));
  EXPECT_TRUE(prefix("10.0.0.0/8").contains(prefix("10.1.0.0/16")));
  EXPECT_FALSE(prefix("10.1.0.0/16").contains(prefix("10.0.0.0/8")));
}

TEST(Prefix, OverlapIsSymmetric) {
  EXPECT_TRUE(prefix("10.0.0.0/8").overlaps(prefix("10.1.0.0/16")));
  EXPECT_TRUE(prefix("10.1.0.0/16").overlaps(prefix("10.0.0.0/8")));
  EXPECT_FALSE(prefix("10.0.0.0/16").overlaps(prefix("10.1.0.0/16")));
  EXPECT_FALSE(prefix("::/0").overlaps(prefix("0.0.0.0/0")));
}

TEST(Mac, ParsesAndPrints) {
  EXPECT_EQ(Mac::parse("02:42:AC:11:00:02")->to_string(), "02:42:ac:11:00:02");
  EXPECT_EQ(Mac::parse("02-42-ac-11-00-02")->to_string(), "02:42:ac:11:00:02");
  for (const char* text : {"", "02:42:ac:11:00", "02:42:ac:11:00:02:03", "02:42:ac:11:00:0g",
                           "02:42-ac:11:00:02", "0242.ac11.0002", "2:42:ac:11:00:002"}) {
    EXPECT_FALSE(Mac::parse(text)) << text;
  }
}

TEST(Mac, LocalOnesAreUnicastAndLocallyAdministered) {
  EXPECT_EQ(Mac::local(~std::uint64_t{0}).to_string(), "fe:ff:ff:ff:ff:ff");
  EXPECT_EQ(Mac::local(0).to_string(), "02:00:00:00:00:00");
  EXPECT_FALSE(Mac::local(1).is_multicast());
  EXPECT_TRUE(Mac::parse("01:00:5e:00:00:01")->is_multicast());
}

}  // namespace
}  // namespace ipam
