// Keys and peers, and what wireguard-go says of them.
#include "sandbox/wireguard_text.h"

#include <gmock/gmock.h>

#include <stdexcept>
#include <system_error>

#include "tests/sandbox/example_plans.h"

namespace {

using namespace sandbox;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using tests::address;

const std::string hex = "bef9dcbcfd977b0dd3a82bed35544506fc28dfa0aee4957fbf477cca5582f17a";
const WireguardKey key = *WireguardKey::parse(hex);

std::string refusal(const std::string& answer) {
  try {
    wireguard_text::parse_facts(answer);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "it was read";
}

TEST(WireguardKey, IsReadFromHexDigits) {
  EXPECT_EQ(key.to_string(), hex);
  for (const std::string& text : {std::string(), hex.substr(1), hex + "0", "x" + hex.substr(1),
                                  "+" + hex.substr(1), std::string(64, ' ')})
    EXPECT_FALSE(WireguardKey::parse(text)) << text;
}

TEST(WireguardText, ReadsALinkAndItsPeers) {
  const auto facts = wireguard_text::parse_facts(
      "private_key=" + hex + "\nlisten_port=51871\npublic_key=" + hex +
      "\npreshared_key=00\nprotocol_version=1\nendpoint=192.0.2.2:51871\n"
      "last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=5\ntx_bytes=1\n"
      "allowed_ip=169.254.64.2/32\nerrno=0\n\n");
  EXPECT_EQ(facts.private_key, key);
  EXPECT_EQ(facts.port, 51871);
  EXPECT_EQ(facts.peers,
            (WireguardPeers{{key, {address("192.0.2.2"), 51871, address("169.254.64.2")}}}));
  EXPECT_EQ(facts.handshakes.at(key), 1700000000);
}

TEST(WireguardText, ReadsIpv6AndPeersThatNeverSpoke) {
  const auto facts = wireguard_text::parse_facts(
      "public_key=" + hex + "\nendpoint=[2001:db8::2]:7\nlast_handshake_time_sec=0\nerrno=0\n\n");
  EXPECT_EQ(facts.peers.at(key), (WireguardPeer{address("2001:db8::2"), 7, {}}));
  EXPECT_TRUE(facts.handshakes.empty());
}

TEST(WireguardText, WhatCantBeReadIsToldWithoutKeys) {
  EXPECT_THAT(refusal("listen_port=x\nerrno=0\n\n"), HasSubstr("listen_port=x"));
  EXPECT_THAT(refusal("listen_port=70000\nerrno=0\n\n"), HasSubstr("listen_port=70000"));
  EXPECT_THAT(refusal("nonsense\n"), HasSubstr("nonsense"));
  EXPECT_THAT(refusal("listen_port=1\n"), HasSubstr("without its end"));
  EXPECT_THAT(refusal("public_key=" + hex + "\nendpoint=192.0.2.2\nerrno=0\n\n"),
              HasSubstr("endpoint=192.0.2.2"));
  EXPECT_THAT(refusal("private_key=" + hex.substr(2) + "\nerrno=0\n\n"),
              testing::AllOf(HasSubstr("private_key"), Not(HasSubstr(hex.substr(2)))));
  EXPECT_THROW(wireguard_text::parse_facts("errno=-95\n\n"), std::system_error);
  EXPECT_THROW(wireguard_text::check_answer("errno=98\n\n", "set"), std::system_error);
  EXPECT_NO_THROW(wireguard_text::check_answer("errno=0\n\n", "set"));
}

TEST(WireguardText, AsksInItsWords) {
  EXPECT_EQ(wireguard_text::put_peer(key, {address("2001:db8::2"), 7, address("169.254.64.2")}),
            "set=1\npublic_key=" + hex +
                "\nendpoint=[2001:db8::2]:7\nreplace_allowed_ips=true\n"
                "allowed_ip=169.254.64.2/32\npersistent_keepalive_interval=0\n"
                "persistent_keepalive_interval=25\n\n");
  EXPECT_EQ(wireguard_text::erase_peer(key),
            "set=1\npublic_key=" + hex + "\nupdate_only=true\nremove=true\n\n");
}

TEST(WireguardDifference, OnlyWhatDiffers) {
  WireguardKey other = key;
  other.bytes[0] = 1;
  const WireguardPeer peer{address("192.0.2.2"), 7, address("169.254.64.2")};
  WireguardPeer expected = peer;
  expected.inside.reset();
  const WireguardPeers want{{key, peer}};
  EXPECT_EQ(difference(want, want), WireguardDifference{});
  EXPECT_EQ(difference({{key, expected}}, want), (WireguardDifference{want, {}}));
  WireguardPeer moved = peer;
  moved.host = address("192.0.2.3");
  EXPECT_EQ(difference({{key, moved}}, want), (WireguardDifference{want, {}}));
  EXPECT_THAT(difference({{key, peer}, {other, expected}}, want).erase, ElementsAre(other));
}

}  // namespace
