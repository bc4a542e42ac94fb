#include "netd/cluster/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "netd/error.h"
#include "tests/support/local_shared_store.h"

namespace {

using namespace netd;
using namespace netd::cluster;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using tests::LocalSharedStore;

ipam::Prefix prefix(const char* text) {
  return *ipam::Prefix::parse(text);
}

ipam::Address address(const char* text) {
  return *ipam::Address::parse(text);
}

template <class Act>
std::string refusal(const Act& act) {
  try {
    act();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing was refused";
}

class LedgerTest : public ::testing::Test {
 protected:
  /// The books as one host writes in them.
  struct Host {
    Host(LocalSharedStore& store, const Keys& keys, const std::string& name)
        : live(store.txn({}, {{keys.host_live(name), "live"}}, Durability::power).revision),
          ledger(
              store, keys, name,
              [this, key = keys.host_live(name)] {
                return Compare{key, live};
              },
              std::chrono::milliseconds(300)) {}
    Revision live;
    Ledger ledger;
  };

  Network network(const std::string& name, const char* subnet = "10.0.0.0/24") {
    Network wanted{.id = name + "-id", .name = name};
    return one_.ledger.add_network(wanted, [&](const std::vector<Ledger::TakenPool>& taken) {
      if (std::ranges::find(taken, prefix(subnet), &Ledger::TakenPool::subnet) != taken.end())
        throw Error(ErrorKind::conflict, std::string(subnet) + " is taken");
      return std::vector<drivers::Pool>{{.subnet = prefix(subnet),
                                         .gateway = prefix(subnet).network(),
                                         .range = {},
                                         .auxiliary = {}}};
    });
  }

  Endpoint wanted(const Network& on, const std::string& id) {
    return {.id = id, .network = on.id, .names = {id}, .token = "token of " + id};
  }

  std::vector<std::string> keys_in_store() {
    std::vector<std::string> all;
    for (const Entry& entry : store_.list("/c/"))
      if (entry.key != keys_.pool_generation() && !keys_.parse_host(entry.key))
        all.push_back(entry.key);
    return all;
  }

  LocalSharedStore store_;
  Keys keys_{"/c"};
  Host one_{store_, keys_, "one"};
  Host two_{store_, keys_, "two"};
};

TEST_F(LedgerTest, ANetworkHasItsNameNumberAndSubnets) {
  const Network shop = network("shop");
  EXPECT_GE(shop.vni, 4096u);
  EXPECT_EQ(keys_in_store(),
            (std::vector<std::string>{"/c/net/shop-id", "/c/netname/shop", "/c/pool/10.0.0.0/24",
                                      keys_.vni(shop.vni)}));
  one_.ledger.remove_network(shop.id);
  EXPECT_THAT(keys_in_store(), IsEmpty());
  one_.ledger.remove_network(shop.id);
}

TEST_F(LedgerTest, WhatANetworkAskedForAndOthersHaveIsRefused) {
  const Network shop = network("shop");
  EXPECT_EQ(refusal([&] { network("shop", "10.0.1.0/24"); }),
            "network with name shop already exists in the cluster");
  EXPECT_EQ(refusal([&] { network("other"); }), "10.0.0.0/24 is taken");
  Network same_number{.id = "x", .name = "x", .vni = shop.vni};
  EXPECT_THAT(refusal([&] {
                one_.ledger.add_network(same_number,
                                        [](const auto&) { return std::vector<drivers::Pool>(); });
              }),
              HasSubstr("is network shop's"));
}

TEST_F(LedgerTest, SubnetsThatAreTakenMeanwhileAreSeen) {
  int meanwhile = 0;
  store_.before_txn = [&] {
    if (std::exchange(meanwhile, 0) == 0) return;
    store_.txn({}, {{keys_.pool(prefix("10.0.0.0/24")), "x"}, {keys_.pool_generation(), "x"}},
               Durability::power);
  };
  meanwhile = 1;
  EXPECT_EQ(refusal([&] { network("shop"); }), "10.0.0.0/24 is taken");
}

TEST_F(LedgerTest, ANetworkThatWasMadeAnewInABurstIsSeen) {
  Network shop = network("shop");
  one_.ledger.add_endpoint(wanted(shop, "web"), {}, {});
  one_.ledger.remove_endpoint(shop.id, "web", "token of web");
  two_.ledger.remove_network(shop.id);
  EXPECT_THAT(refusal([&] { one_.ledger.add_endpoint(wanted(shop, "web"), {}, {}); }),
              HasSubstr("is not in the cluster any more"));
  shop = network("shop", "10.9.0.0/24");
  const Endpoint web = one_.ledger.add_endpoint(wanted(shop, "web"), {}, {});
  EXPECT_TRUE(prefix("10.9.0.0/24").contains(web.ipv4->address)) << web.ipv4->to_string();
}

TEST_F(LedgerTest, AnEndpointHasAddressAndMacForItself) {
  const Network shop = network("shop");
  const Endpoint web = one_.ledger.add_endpoint(
      wanted(shop, "web"), {.ipv4 = address("10.0.0.7"), .ipv6 = {}, .mac = {}}, {});
  EXPECT_EQ(web.ipv4, prefix("10.0.0.7/24"));
  EXPECT_EQ(web.mac.to_string(), "02:42:0a:00:00:07");
  EXPECT_EQ(web.host, "one");
  EXPECT_EQ(refusal([&] {
              two_.ledger.add_endpoint(wanted(shop, "db"),
                                       {.ipv4 = address("10.0.0.7"), .ipv6 = {}, .mac = {}}, {});
            }),
            "Address already in use: 10.0.0.7 is that of web on host one");
  EXPECT_EQ(
      refusal([&] {
        two_.ledger.add_endpoint(wanted(shop, "db"), {.ipv4 = {}, .ipv6 = {}, .mac = web.mac}, {});
      }),
      "MAC address 02:42:0a:00:00:07 is in use on this network: it is that of web on host one");
  EXPECT_THAT(refusal([&] {
                two_.ledger.add_endpoint(wanted(shop, "db"),
                                         {.ipv4 = address("10.0.0.0"), .ipv6 = {}, .mac = {}}, {});
              }),
              HasSubstr("Address already in use: 10.0.0.0 is kept free on network shop"));
  EXPECT_THAT(refusal([&] {
                two_.ledger.add_endpoint(wanted(shop, "db"),
                                         {.ipv4 = address("10.1.0.1"), .ipv6 = {}, .mac = {}}, {});
              }),
              HasSubstr("is in no subnet of network shop"));
  one_.ledger.remove_endpoint(shop.id, "web", "another token");
  EXPECT_TRUE(store_.get(keys_.endpoint(shop.id, "one", "web")));
  one_.ledger.remove_endpoint(shop.id, "web", web.token);
  EXPECT_THAT(store_.list("/c/ip/"), IsEmpty());
  EXPECT_THAT(store_.list("/c/ep/"), IsEmpty());
  EXPECT_THAT(store_.list("/c/mac/"), IsEmpty());
}

TEST_F(LedgerTest, AFullSubnetIsSaid) {
  const Network tiny = network("tiny", "10.0.0.0/29");
  // .0 network, also the gateway here; .7 broadcast: six are left.
  std::set<std::string> given;
  for (const char* id : {"a", "b", "c", "d", "e", "f"})
    given.insert(two_.ledger.add_endpoint(wanted(tiny, id), {}, {}).ipv4->to_string());
  EXPECT_EQ(given.size(), 6u);
  EXPECT_EQ(refusal([&] { one_.ledger.add_endpoint(wanted(tiny, "g"), {}, {}); }),
            "network tiny has no free IPv4 address left");
}

TEST_F(LedgerTest, HostsThatChooseAtTheSameTimeGetDifferentAddresses) {
  const Network shop = network("shop");
  constexpr int each = 40;
  const auto fill = [&](Host& host, const std::string& name) {
    for (int i = 0; i < each; ++i)
      host.ledger.add_endpoint(wanted(shop, name + std::to_string(i)), {}, {});
  };
  std::thread other([&] { fill(two_, "two"); });
  fill(one_, "one");
  other.join();
  EXPECT_EQ(store_.list(keys_.addresses(shop.id)).size(), 2u * each);
  EXPECT_EQ(store_.list(keys_.endpoints(shop.id)).size(), 2u * each);
}

TEST_F(LedgerTest, EntriesAreExchangedForOneThatHasWhatTheyHad) {
  Network wanted_network{.id = "dual-id", .name = "dual", .ipv6 = true};
  const Network dual = one_.ledger.add_network(wanted_network, [](const auto&) {
    return std::vector<drivers::Pool>{
        {.subnet = prefix("10.0.0.0/24"), .gateway = {}, .range = {}, .auxiliary = {}},
        {.subnet = prefix("fd00::/64"), .gateway = {}, .range = {}, .auxiliary = {}}};
  });
  Ledger::EndpointRequest request;
  request.only = ipam::Family::v4;
  const Endpoint four = one_.ledger.add_endpoint(wanted(dual, "four"), request, {});
  EXPECT_FALSE(four.ipv6);
  request.only = ipam::Family::v6;
  const Endpoint six = one_.ledger.add_endpoint(wanted(dual, "six"), request, {});
  EXPECT_FALSE(six.ipv4);
  Endpoint web = wanted(dual, "web");
  web.ipv4 = four.ipv4;
  web.ipv6 = six.ipv6;
  web.mac = four.mac;
  one_.ledger.exchange(web, {four, six});
  web.host = "one";
  const std::vector<std::string> entered = keys_of(keys_, web);
  EXPECT_EQ(
      store_.list("/c/ep/").size() + store_.list("/c/ip/").size() + store_.list("/c/mac/").size(),
      entered.size());
  for (const std::string& key : entered) {
    const auto entry = store_.get(key);
    ASSERT_TRUE(entry) << key;
    EXPECT_EQ(token_of(entry->value), web.token) << key;
  }
  one_.ledger.exchange(web, {four, six});  // said again
  one_.ledger.remove_endpoint(dual.id, "web", web.token);
  EXPECT_THAT(store_.list("/c/ip/"), IsEmpty());
  EXPECT_THAT(store_.list("/c/mac/"), IsEmpty());
}

TEST_F(LedgerTest, AnExchangeTakesWhatIsFreeAndNothingOfOthers) {
  const Network shop = network("shop");
  const Endpoint claim = one_.ledger.add_endpoint(wanted(shop, "claim"), {}, {});
  one_.ledger.remove_endpoint(shop.id, claim.id, claim.token);
  Endpoint web = wanted(shop, "web");
  web.ipv4 = claim.ipv4;
  web.mac = *ipam::Mac::parse("02:00:00:00:00:01");
  one_.ledger.exchange(web, {claim});
  EXPECT_TRUE(store_.get(keys_.address(shop.id, claim.ipv4->address)));
  Endpoint other = wanted(shop, "other");
  other.ipv4 = claim.ipv4;
  other.mac = claim.mac;
  EXPECT_EQ(refusal([&] { two_.ledger.exchange(other, {claim}); }),
            "Address already in use: " + claim.ipv4->address.to_string());
  other.ipv4 = prefix("10.0.0.99/24");
  other.mac = web.mac;
  EXPECT_EQ(refusal([&] { two_.ledger.exchange(other, {}); }),
            "MAC address 02:00:00:00:00:01 is in use on this network");
  // Somebody has by now what the claim had besides: that stays.
  const Endpoint taker = two_.ledger.add_endpoint(wanted(shop, "taker"),
                                                  {.ipv4 = {}, .ipv6 = {}, .mac = claim.mac}, {});
  Endpoint late = wanted(shop, "late");
  late.ipv4 = prefix("10.0.0.98/24");
  late.mac = *ipam::Mac::parse("02:00:00:00:00:02");
  one_.ledger.exchange(late, {claim});
  EXPECT_TRUE(store_.get(keys_.mac(shop.id, taker.mac)));
  EXPECT_TRUE(store_.get(keys_.endpoint(shop.id, "one", "late")));
}

TEST_F(LedgerTest, AnExchangeWhoseAnswerIsLostIsFoundOut) {
  const Network shop = network("shop");
  const Endpoint claim = one_.ledger.add_endpoint(wanted(shop, "claim"), {}, {});
  Endpoint web = wanted(shop, "web");
  web.ipv4 = claim.ipv4;
  web.mac = claim.mac;
  store_.lose_answers(2, LocalSharedStore::Lost::made);
  one_.ledger.exchange(web, {claim});
  EXPECT_EQ(store_.list("/c/ep/").size(), 1u);
  EXPECT_TRUE(store_.get(keys_.endpoint(shop.id, "one", "web")));
}

TEST_F(LedgerTest, ANetworkWithEndpointsStays) {
  const Network shop = network("shop");
  const Endpoint web = two_.ledger.add_endpoint(wanted(shop, "web"), {}, {});
  EXPECT_EQ(refusal([&] { one_.ledger.remove_network(shop.id); }),
            "error while removing network: network shop has active endpoints in the cluster: web "
            "on host two");
  two_.ledger.remove_endpoint(shop.id, "web", web.token);
  one_.ledger.remove_network(shop.id);
  EXPECT_EQ(refusal([&] { one_.ledger.add_endpoint(wanted(shop, "web"), {}, {}); }),
            "network shop-id is not in the cluster any more");
}

TEST_F(LedgerTest, ALostAnswerIsFoundOut) {
  const Network shop = network("shop");
  store_.lose_answers(1, LocalSharedStore::Lost::made);
  const Endpoint web = one_.ledger.add_endpoint(wanted(shop, "web"), {}, {});
  EXPECT_EQ(store_.list(keys_.addresses(shop.id)).size(), 1u);
  EXPECT_TRUE(store_.get(keys_.address(shop.id, web.ipv4->address)));
  store_.lose_answers(1, LocalSharedStore::Lost::not_made);
  const Endpoint db = one_.ledger.add_endpoint(wanted(shop, "db"), {}, {});
  EXPECT_TRUE(store_.get(keys_.address(shop.id, db.ipv4->address)));
  store_.lose_answers(1, LocalSharedStore::Lost::made);
  EXPECT_EQ(network("lost", "10.0.1.0/24").name, "lost");
}

TEST_F(LedgerTest, WhatCantBeFoundOutInTimeIsUnknown) {
  const Network shop = network("shop");
  store_.lose_answers(1000, LocalSharedStore::Lost::made);
  try {
    one_.ledger.add_endpoint(wanted(shop, "web"), {}, {});
    FAIL() << "it was taken for made";
  } catch (const StoreError& error) {
    EXPECT_EQ(error.kind, StoreError::Kind::unknown);
  }
  store_.lose_answers(0, LocalSharedStore::Lost::made);
  one_.ledger.remove_endpoint(shop.id, "web", "token of web");
  EXPECT_THAT(store_.list("/c/ip/"), IsEmpty());
}

TEST_F(LedgerTest, WhoIsNotLiveWritesNothing) {
  const Network shop = network("shop");
  store_.txn({}, {{keys_.host_live("one"), std::nullopt}}, Durability::power);
  EXPECT_THAT(refusal([&] { one_.ledger.add_endpoint(wanted(shop, "web"), {}, {}); }),
              HasSubstr("no live member"));
  EXPECT_THAT(store_.list("/c/ip/"), IsEmpty());
}

TEST_F(LedgerTest, WhatWasHadIsClaimedAgainWhereNobodyElseHasIt) {
  const Network shop = network("shop");
  const Endpoint web = one_.ledger.add_endpoint(wanted(shop, "web"), {}, {});
  one_.ledger.add_again(web);  // it has it still
  one_.ledger.remove_endpoint(shop.id, "web", web.token);
  one_.ledger.add_again(web);
  EXPECT_EQ(parse_value<Endpoint>(store_.get(keys_.endpoint(shop.id, "one", "web"))->value), web);
  one_.ledger.remove_endpoint(shop.id, "web", web.token);
  two_.ledger.add_endpoint(wanted(shop, "db"), {.ipv4 = web.ipv4->address, .ipv6 = {}, .mac = {}},
                           {});
  EXPECT_EQ(refusal([&] { one_.ledger.add_again(web); }),
            "the addresses of web on network shop were given to others");
}

TEST_F(LedgerTest, AnEndpointIsRenamed) {
  const Network shop = network("shop");
  Endpoint web = one_.ledger.add_endpoint(wanted(shop, "web"), {}, {});
  web.names = {"www"};
  EXPECT_TRUE(one_.ledger.rename_endpoint(web));
  EXPECT_EQ(parse_value<Endpoint>(store_.get(keys_.endpoint(shop.id, "one", "web"))->value).names,
            std::vector<std::string>{"www"});
  one_.ledger.remove_endpoint(shop.id, "web", web.token);
  EXPECT_FALSE(one_.ledger.rename_endpoint(web));
}

}  // namespace
