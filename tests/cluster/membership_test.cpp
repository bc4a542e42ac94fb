#include "netd/cluster/membership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netd/cluster/ledger.h"
#include "tests/support/local_shared_store.h"

namespace {

using namespace netd;
using namespace netd::cluster;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using tests::LocalSharedStore;

class MembershipTest : public ::testing::Test {
 protected:
  HostInfo host(const std::string& id, const std::string& boot = "boot") {
    return {.id = id,
            .name = "name of " + id,
            .vtep = *ipam::Address::parse(id == "one" ? "192.0.2.1" : "192.0.2.2"),
            .mtu = 1500,
            .boot = boot,
            .version = "1"};
  }
  Membership member(const HostInfo& info, const std::string& cluster = "",
                    std::optional<std::uint16_t> port = {}) {
    return Membership(store_, keys_, {.host = info, .known_cluster = cluster, .vxlan_port = port});
  }
  std::string refusal(Membership& membership) {
    try {
      membership.join();
    } catch (const NotAMember& error) {
      return error.what();
    }
    return "it was let in";
  }
  bool is_live(const std::string& id) { return store_.get(keys_.host_live(id)).has_value(); }

  LocalSharedStore store_;
  Keys keys_{"/c"};
};

TEST_F(MembershipTest, TheFirstHostSaysWhatAllHaveInCommon) {
  Membership one = member(host("one"), "", 8472);
  const Meta meta = one.join().meta;
  EXPECT_EQ(meta.vxlan_port, 8472);
  EXPECT_EQ(meta.underlay, ipam::Family::v4);
  Membership two = member(host("two"), meta.cluster);
  EXPECT_EQ(two.join().meta.cluster, meta.cluster);
  EXPECT_EQ(two.join().meta.vxlan_port, 8472);
  EXPECT_EQ(parse_value<HostInfo>(store_.get(keys_.host_info("two"))->value), host("two"));
}

TEST_F(MembershipTest, ATunnelAddressIsOneLiveHosts) {
  Membership one = member(host("one"));
  EXPECT_TRUE(one.join().founded);
  HostInfo same = host("two");
  same.vtep = host("one").vtep;
  Membership two = member(same);
  EXPECT_THAT(refusal(two), HasSubstr("is the tunnel address of host name of one"));
  one.leave();  // the machine was set up anew, with another id
  EXPECT_FALSE(two.join().founded);
}

TEST_F(MembershipTest, WhoDiffersFromTheClusterStaysOut) {
  Membership one = member(host("one"));
  one.join();
  Membership port = member(host("two"), "", 8472);
  EXPECT_EQ(refusal(port), "--vxlan-port 8472: this cluster uses 4789");
  HostInfo six = host("six");
  six.vtep = *ipam::Address::parse("2001:db8::1");
  Membership family = member(six);
  EXPECT_THAT(refusal(family), HasSubstr("this cluster's tunnels run over IPv4"));
  Membership elsewhere = member(host("two"), "another");
  EXPECT_THAT(refusal(elsewhere), HasSubstr("this host is a member of another"));
  EXPECT_FALSE(is_live("two"));
}

TEST_F(MembershipTest, AnEmptiedStoreIsNotTakenForANewCluster) {
  Membership one = member(host("one"), "the cluster that was");
  EXPECT_THAT(refusal(one), HasSubstr("the store was emptied"));
  EXPECT_THAT(store_.list("/c/"), IsEmpty());
}

TEST_F(MembershipTest, AClusterThatIsDeletedUnderItIsNotMadeAnew) {
  Membership one = member(host("one"));
  one.join();
  for (const Entry& entry : store_.list("/c/"))
    store_.txn({}, {{entry.key, std::nullopt}}, Durability::power);
  EXPECT_THROW(one.keep(), StoreError);
  EXPECT_THAT(refusal(one), HasSubstr("the store was emptied"));
  EXPECT_THAT(store_.list("/c/"), IsEmpty());
}

TEST_F(MembershipTest, ACopyOfALiveHostStaysOut) {
  Membership one = member(host("one", "boot of one"));
  one.join();
  Membership copy = member(host("one", "boot of the copy"));
  EXPECT_THAT(refusal(copy), HasSubstr("another host with the id one is live"));
  Membership restarted = member(host("one", "boot of one"));  // its netd was killed
  restarted.join();
  EXPECT_TRUE(restarted.is_live());
}

TEST_F(MembershipTest, IsLiveWhileTheLeaseIsKept) {
  Membership one = member(host("one"));
  EXPECT_THROW(one.fence(), StoreError);
  one.join();
  one.keep();
  EXPECT_TRUE(is_live("one"));
  EXPECT_TRUE(store_.txn({one.fence()}, {{"/c/x", "1"}}, Durability::power));
  one.leave();
  EXPECT_FALSE(is_live("one"));
  EXPECT_TRUE(store_.get(keys_.host_info("one")));
  EXPECT_THROW(one.fence(), StoreError);
  try {
    one.keep();
    FAIL() << "a lease was kept that is not there";
  } catch (const StoreError& error) {
    EXPECT_EQ(error.kind, StoreError::Kind::no_lease);
  }
}

TEST_F(MembershipTest, AnOldRunOfNetdIsFencedOffByItsSuccessor) {
  Membership old = member(host("one"));
  old.join();
  const Compare fence = old.fence();
  Membership successor = member(host("one"));
  successor.join();
  EXPECT_FALSE(store_.txn({fence}, {{"/c/x", "1"}}, Durability::power));
}

class InsideTest : public MembershipTest {
 protected:
  static HostInfo with_inside(HostInfo info, const ipam::Address& inside) {
    info.encryption = {.key = "k", .next = "", .inside = inside, .port = 51871};
    return info;
  }
  std::string holder(const ipam::Address& inside) {
    const auto entry = store_.get(keys_.inside(inside));
    return entry ? entry->value : "nobody";
  }
  const ipam::Prefix prefix_ = *ipam::Prefix::parse("169.254.64.0/18");
};

TEST_F(InsideTest, AnAddressIsOneHosts) {
  Membership one = member(host("one")), two = member(host("two"));
  one.join();
  two.join();
  const auto ones = one.claim_inside(prefix_, {});
  EXPECT_TRUE(prefix_.contains(ones));
  EXPECT_EQ(holder(ones), "one");
  EXPECT_EQ(one.claim_inside(prefix_, ones), ones);
  EXPECT_NE(two.claim_inside(prefix_, ones), ones);
}

TEST_F(InsideTest, ANetdThatStartsAgainKeepsItAndShowsItAtOnce) {
  Membership one = member(host("one"));
  one.join();
  const auto inside = one.claim_inside(prefix_, {});
  Membership again = member(with_inside(host("one"), inside));
  EXPECT_FALSE(again.join().lost_inside);
  EXPECT_EQ(parse_value<HostInfo>(store_.get(keys_.host_info("one"))->value).encryption->inside,
            inside);
}

TEST_F(InsideTest, OneThatWasGivenUpLosesItToWhoCameMeanwhile) {
  Membership one = member(host("one")), two = member(host("two"));
  one.join();
  two.join();
  const auto inside = one.claim_inside(prefix_, {});
  one.describe(with_inside(host("one"), inside));
  one.leave();
  EXPECT_TRUE(give_up_host(store_, keys_, "one"));
  EXPECT_EQ(holder(inside), "nobody");
  EXPECT_EQ(two.claim_inside(prefix_, inside), inside);
  Membership back = member(with_inside(host("one"), inside));
  EXPECT_TRUE(back.join().lost_inside);
  EXPECT_EQ(holder(inside), "two");
  EXPECT_FALSE(parse_value<HostInfo>(store_.get(keys_.host_info("one"))->value).encryption);
}

class GivingUpTest : public MembershipTest {
 protected:
  void SetUp() override {
    one_.join();
    two_.join();
    Ledger ledger(store_, keys_, "two", [this] { return two_.fence(); });
    Network shop{.id = "shop", .name = "shop"};
    ledger.add_network(shop, [](const auto&) {
      return std::vector<drivers::Pool>{{.subnet = *ipam::Prefix::parse("10.0.0.0/16"),
                                         .gateway = {},
                                         .range = {},
                                         .auxiliary = {}}};
    });
    for (int i = 0; i < 70; ++i)
      endpoints_.push_back(ledger.add_endpoint(
          {.id = "e" + std::to_string(i), .network = "shop", .names = {"x"}, .token = "t"}, {},
          {}));
  }
  Membership one_ = member(host("one"));
  Membership two_ = member(host("two"));
  std::vector<Endpoint> endpoints_;
};

TEST_F(GivingUpTest, ALiveHostIsNotGivenUp) {
  EXPECT_FALSE(give_up_host(store_, keys_, "two"));
  EXPECT_EQ(store_.list(keys_.endpoints("shop")).size(), endpoints_.size());
}

TEST_F(GivingUpTest, WhatItHadIsStruckOut) {
  two_.leave();
  EXPECT_TRUE(give_up_host(store_, keys_, "two"));
  EXPECT_THAT(store_.list("/c/ep/"), IsEmpty());
  EXPECT_THAT(store_.list("/c/mac/"), IsEmpty());
  EXPECT_FALSE(store_.get(keys_.host_info("two")));
  // Nobody gets an address of it for a minute, but who had it.
  Ledger others(store_, keys_, "one", [this] { return one_.fence(); });
  EXPECT_THROW(
      others.add_endpoint({.id = "x", .network = "shop", .names = {"x"}, .token = "x"},
                          {.ipv4 = endpoints_[0].ipv4->address, .ipv6 = {}, .mac = {}}, {}),
      drivers::Refused);
  two_.join();
  Ledger own(store_, keys_, "two", [this] { return two_.fence(); });
  own.add_again(endpoints_[0]);
  EXPECT_TRUE(store_.get(keys_.endpoint("shop", "two", endpoints_[0].id)));
  two_.leave();
  EXPECT_TRUE(give_up_host(store_, keys_, "two")) << "once more does no harm";
  EXPECT_TRUE(store_.get(keys_.network("shop")));
}

TEST_F(GivingUpTest, AHostThatReturnsSeesItAndIsLiveAgain) {
  two_.leave();
  give_up_host(store_, keys_, "two");
  EXPECT_TRUE(two_.join().was_given_up);
  EXPECT_FALSE(store_.get(keys_.host_dead("two")));
  EXPECT_FALSE(two_.join().was_given_up);
}

TEST_F(GivingUpTest, AHostThatReturnsMeanwhileKeepsTheRest) {
  two_.leave();
  // One for the marker; then it comes back before the second piece is struck out.
  store_.before_txn = [this, calls = 0]() mutable {
    if (++calls != 3) return;
    store_.before_txn = {};
    two_.join();
  };
  EXPECT_FALSE(give_up_host(store_, keys_, "two"));
  EXPECT_TRUE(is_live("two"));
  EXPECT_FALSE(store_.list(keys_.endpoints("shop")).empty());
  EXPECT_EQ(store_.list(keys_.addresses("shop")).size(), endpoints_.size())
      << "what is not an endpoint's is kept from others";
}

}  // namespace
