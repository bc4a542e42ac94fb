// A host's keys and its encrypted link, on a kernel in memory.
#include "netd/encryption.h"

#include <gmock/gmock.h>

#include "netd/curve_keys.h"
#include "tests/support/fake_kernel.h"
#include "tests/support/local_shared_store.h"

namespace {

using namespace netd;
using sandbox::WireguardKey;
using sandbox::WireguardPeer;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

ipam::Address address(const std::string& text) {
  return *ipam::Address::parse(text);
}

std::string digits(const WireguardKey& key) {
  return key.to_string().substr(0, 4);
}

class EncryptionTest : public ::testing::Test {
 protected:
  static constexpr const char* host = "0123456789abcdef0123";

  void prepare() {
    encryption_.emplace(store_, kernel_, host);
    if (!encryption_->identity())
      encryption_->set_identity({.key = make_private_key(),
                                 .next = {},
                                 .inside = address("169.254.64.1"),
                                 .port = 51871,
                                 .up = false});
  }
  void bring_up() {
    prepare();
    encryption_->bring_up(1500, ipam::Family::v4, 4790);
  }
  /// As when netd is killed and started again; its firewall is replaced first.
  void restart() {
    encryption_.reset();
    kernel_.replace_firewall(encryption_elements(store_, kernel_));
    encryption_.emplace(store_, kernel_, host);
  }
  static cluster::HostInfo other(const WireguardKey& secret,
                                 const std::optional<WireguardKey>& next = {}) {
    cluster::HostInfo info{.id = "other", .name = "other", .vtep = address("192.0.2.2")};
    info.encryption = {.key = public_key_of(secret).to_string(),
                       .next = next ? public_key_of(*next).to_string() : "",
                       .inside = address("169.254.64.2"),
                       .port = 51871};
    return info;
  }
  sandbox::WireguardPeers& peers() {
    return kernel_.wireguard().links.at(encryption_->link_name()).peers;
  }
  std::vector<std::string> shut() const {
    std::vector<std::string> texts;
    for (const sandbox::Element& element : kernel_.elements())
      if (element.set.starts_with("enc_"))
        texts.push_back(element.set + " " + sandbox::to_text(element));
    return texts;
  }

  tests::LocalSharedStore store_;
  tests::FakeKernel kernel_;
  std::optional<Encryption> encryption_;
};

TEST(CurveKeys, ArePairsAsWireguardsToolsMakeThem) {
  // Made with wg(8).
  EXPECT_EQ(public_key_of(*WireguardKey::parse(
                              "f02a2bb5bc8dab9133d66c627ed34d98bb78c5faaa4e5a5dc3a11376afc99642"))
                .to_string(),
            "bef9dcbcfd977b0dd3a82bed35544506fc28dfa0aee4957fbf477cca5582f17a");
  EXPECT_NE(make_private_key(), make_private_key());
}

TEST_F(EncryptionTest, AKeyIsKeptAndNothingIsInTheKernelUntilItIsNeeded) {
  prepare();
  const auto published = encryption_->published();
  ASSERT_TRUE(published);
  EXPECT_EQ(published->key, public_key_of(encryption_->identity()->key).to_string());
  EXPECT_THAT(kernel_.wireguard().links, IsEmpty());
  EXPECT_THAT(shut(), IsEmpty());
  restart();
  EXPECT_EQ(encryption_->published(), published);
}

TEST_F(EncryptionTest, TheFirewallIsShutBeforeTheLinkIsThere) {
  prepare();
  kernel_.wireguard().why_not = "no WireGuard here";
  EXPECT_THROW(encryption_->bring_up(1500, ipam::Family::v4, 4790), std::runtime_error);
  EXPECT_THAT(shut(), SizeIs(1));
  EXPECT_THAT(shut().front(), HasSubstr("enc_ports 4790"));
  kernel_.wireguard().why_not.clear();
  encryption_->bring_up(1500, ipam::Family::v4, 4790);
  EXPECT_THAT(shut(), SizeIs(2));
  EXPECT_THAT(kernel_.wireguard().take_log(),
              HasSubstr("make 169.254.64.1/18 port 51871 mtu 1440"));
}

TEST_F(EncryptionTest, OnIpv6TheLinkIsSmaller) {
  prepare();
  encryption_->bring_up(1500, ipam::Family::v6, 4790);
  EXPECT_THAT(kernel_.wireguard().take_log(), HasSubstr("mtu 1420"));
}

TEST_F(EncryptionTest, ARestartTouchesNothingThatIsRight) {
  bring_up();
  const WireguardKey theirs = make_private_key();
  encryption_->assign({{"other", other(theirs)}});
  EXPECT_THAT(peers(), SizeIs(1));
  kernel_.wireguard().take_log();
  const auto before = shut();
  restart();
  EXPECT_EQ(shut(), before);
  encryption_->bring_up(1500, ipam::Family::v4, 4790);
  encryption_->assign({{"other", other(theirs)}});
  EXPECT_EQ(kernel_.wireguard().take_log(), "");
}

TEST_F(EncryptionTest, NothingStaysWhenItIsNotUsed) {
  bring_up();
  encryption_->bring_down();
  EXPECT_THAT(kernel_.wireguard().links, IsEmpty());
  EXPECT_THAT(shut(), IsEmpty());
  EXPECT_TRUE(encryption_->identity());
  restart();
  EXPECT_FALSE(encryption_->is_up());
  EXPECT_THAT(shut(), IsEmpty());
}

TEST_F(EncryptionTest, ANextKeyIsExpectedThenUsed) {
  bring_up();
  const WireguardKey old = make_private_key(), next = make_private_key();
  encryption_->assign({{"other", other(old, next)}});
  EXPECT_EQ(peers().at(public_key_of(old)).inside, address("169.254.64.2"));
  EXPECT_EQ(peers().at(public_key_of(next)).inside, std::nullopt);
  encryption_->assign({{"other", other(next)}});
  EXPECT_THAT(peers(), SizeIs(1));
  EXPECT_EQ(peers().at(public_key_of(next)).inside, address("169.254.64.2"));
}

TEST_F(EncryptionTest, AHostThatUsesItsNextKeyIsBelieved) {
  bring_up();
  const WireguardKey old = make_private_key(), next = make_private_key();
  encryption_->assign({{"other", other(old, next)}});
  encryption_->believe_keys_in_use();
  EXPECT_EQ(peers().at(public_key_of(next)).inside, std::nullopt);
  kernel_.wireguard().links.at(encryption_->link_name()).handshakes[public_key_of(next)] = 1000;
  encryption_->believe_keys_in_use();
  EXPECT_EQ(peers().at(public_key_of(next)).inside, address("169.254.64.2"));
  EXPECT_EQ(peers().at(public_key_of(old)).inside, std::nullopt);
}

TEST_F(EncryptionTest, TheOwnNextKeyIsUsedAtOnceWithAllPeers) {
  bring_up();
  const WireguardKey theirs = make_private_key();
  encryption_->assign({{"other", other(theirs)}});
  auto identity = *encryption_->identity();
  identity.next = make_private_key();
  encryption_->set_identity(identity);
  EXPECT_EQ(encryption_->published()->next, public_key_of(*identity.next).to_string());
  kernel_.wireguard().take_log();
  encryption_->use_next_key();
  EXPECT_EQ(encryption_->identity()->key, *identity.next);
  EXPECT_THAT(kernel_.wireguard().take_log(),
              AllOf(HasSubstr("make "), HasSubstr("put " + digits(public_key_of(theirs)))));
  restart();
  EXPECT_EQ(encryption_->identity()->key, *identity.next);
  EXPECT_EQ(encryption_->published()->next, "");
}

TEST_F(EncryptionTest, AnAuditPutsTheLinkAndItsPeersRight) {
  bring_up();
  const WireguardKey theirs = make_private_key();
  encryption_->assign({{"other", other(theirs)}});
  EXPECT_EQ(encryption_->audit(), 0u);
  peers().at(public_key_of(theirs)).host = address("192.0.2.77");  // it spoke from there
  EXPECT_EQ(encryption_->audit(), 0u);
  peers().clear();
  EXPECT_EQ(encryption_->audit(), 1u);
  EXPECT_THAT(peers(), SizeIs(1));
  kernel_.wireguard().links.clear();
  EXPECT_EQ(encryption_->audit(), 2u);
  EXPECT_THAT(peers(), SizeIs(1));
  EXPECT_THAT(shut(), SizeIs(2));
}

TEST_F(EncryptionTest, WhatFailsForOneHostIsDoneForTheOthersAndAgainLater) {
  bring_up();
  const WireguardKey a = make_private_key(), b = make_private_key();
  cluster::HostInfo second = other(b);
  second.encryption->inside = address("169.254.64.3");
  kernel_.wireguard().fail_on = "put " + digits(public_key_of(a));
  encryption_->assign({{"a", other(a)}, {"b", second}});
  EXPECT_THAT(peers(), SizeIs(1));
  kernel_.wireguard().fail_on.clear();
  EXPECT_EQ(encryption_->audit(), 1u);
  EXPECT_THAT(peers(), SizeIs(2));
}

TEST_F(EncryptionTest, WhatOthersPublishIsNotTrustedBlindly) {
  bring_up();
  cluster::HostInfo theirs = other(make_private_key());
  theirs.encryption->inside = address("10.0.0.1");
  encryption_->assign({{"other", theirs}});
  EXPECT_THAT(peers(), IsEmpty());
  theirs = other(make_private_key());
  theirs.encryption->key = "not a key";
  encryption_->assign({{"other", theirs}});
  EXPECT_THAT(peers(), IsEmpty());
}

TEST_F(EncryptionTest, AnUnreadableKeyIsNotReplaced) {
  store_.txn({}, {{"cluster/encryption", "{"}}, Durability::process);
  EXPECT_THROW(Encryption(store_, kernel_, host), std::runtime_error);
  EXPECT_THAT(encryption_elements(store_, kernel_), IsEmpty());
}

}  // namespace
