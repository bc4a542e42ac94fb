// netd starts while the cluster's store is away: what it heard last holds until the store answers.
#include <gmock/gmock.h>

#include "tests/overlay/pair.h"

namespace overlay {
namespace {

using ::testing::HasSubstr;

class Starts : public Pair {
 protected:
  static bool knows_it_is_stale(int host) { return api(host, "/cluster").value("Stale", false); }
  static std::string tables(int host) {
    return on(host,
              "for link in $(ip -o link | grep -o 'n[xb][0-9a-f]\\{6\\}' | sort -u); do bridge fdb "
              "show dev $link; ip "
              "neigh show dev $link nud permanent; done | sort");
  }
  /// What was heard is on disk some seconds later.
  static bool has_saved(int host, const std::string& name) {
    const std::string file = "/run/host" + std::to_string(host) + "/state/netd.db";
    return within(15, [&] {
      return shell("cat " + file + "* | grep -c -a '\"names\":\\[\"" + name + "\"' || true") !=
             "0\n";
    });
  }
};

TEST_F(Starts, AfterACrashWithoutTheStoreNamesAndPacketsGoOn) {
  const std::string address = address_of(2, "db");
  ASSERT_TRUE(has_saved(1, "db"));
  Pings stream = pings();
  const std::string before = tables(1);
  cut_store(1);
  crash_netd(1);
  start_netd(1);
  EXPECT_THAT(in(1, "web", "getent hosts db"), HasSubstr(address));
  EXPECT_THAT(in(1, "web", "getent hosts " + address), HasSubstr("db.shop"))
      << "the other way round (PTR)";
  EXPECT_TRUE(
      within(10, [] { return !api(1, "/cluster").at("Problem").get<std::string>().empty(); }));
  const auto status = attempt_on(1, "netctl cluster status");
  EXPECT_EQ(status.status, 1);
  EXPECT_THAT(status.output, HasSubstr("This host: joining"));
  EXPECT_THAT(status.output, HasSubstr("s ago, revision"));
  EXPECT_THAT(status.output, HasSubstr("as they were known then"));
  EXPECT_TRUE(sees(1, 2, "unknown"));
  const auto refused = attempt_on(1, "netctl sandbox create --network shop late");
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.output, HasSubstr("cluster store unreachable since netd began"));
  EXPECT_THAT(refused.output, HasSubstr("local networks still work"));
  on(1, "netctl network create local && netctl sandbox create --network local alone");
  EXPECT_EQ(tables(1), before) << "old knowledge touches no table";
  ASSERT_TRUE(creates(2, "more"));
  EXPECT_NE(attempt_in(1, "web", "getent hosts more").status, 0);
  mend_store(1);
  EXPECT_TRUE(within(30, [] { return attempt_in(1, "web", "getent hosts more").status == 0; }));
  EXPECT_TRUE(within(10, [] { return !knows_it_is_stale(1) && sees(1, 2, "live"); }));
  EXPECT_TRUE(creates(1, "late"));
  EXPECT_EQ(stream.lost(), 0);
}

TEST_F(Starts, WhatWentMeanwhileIsForgottenWhenTheStoreAnswers) {
  const std::string address = address_of(2, "db");
  stop_netd(1);  // an orderly stop writes what was heard at once
  cut_store(1);
  on(2, "netctl sandbox rm db");
  start_netd(1);
  in(1, "web", "getent hosts db");
  EXPECT_TRUE(knows_it_is_stale(1));
  mend_store(1);
  EXPECT_TRUE(within(30, [] { return attempt_in(1, "web", "getent hosts db").status != 0; }));
  EXPECT_TRUE(within(5, [] { return tables(1).find("192.0.2.2") == std::string::npos; }));
  // … also by the next start.
  EXPECT_TRUE(within(10, [] { return !knows_it_is_stale(1); }));
  stop_netd(1);
  cut_store(1);
  start_netd(1);
  EXPECT_NE(attempt_in(1, "web", "getent hosts db").status, 0);
  mend_store(1);
}

}  // namespace
}  // namespace overlay
