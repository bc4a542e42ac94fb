#include "netd/ctl/sandbox_view.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "netd/ctl/arguments.h"
#include "netd/ctl/context.h"

namespace netd::ctl {
namespace {

using nlohmann::json;

const json web = json::parse(R"({
  "Id": "9c31b7aa0f12", "Name": "web", "Labels": {"tier": "front", "team": ""},
  "Networks": {"lan": {"NetworkID": "aaaa", "IPAddress": "", "GlobalIPv6Address": "fd00::2"},
               "none": {"NetworkID": "cccc"},
               "shop": {"NetworkID": "bbbb", "IPAddress": "10.5.0.2"}},
  "Ports": {"443/tcp": null, "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"},
                                        {"HostIp": "::", "HostPort": "8080"}],
            "9/udp": [{"HostIp": "127.0.0.1", "HostPort": "9"}]}})");

bool matches(const std::vector<std::string>& filters) {
  return matches_filters(web, parse_filters(filters));
}

TEST(SandboxView, NamesNetworksWithAnAddress) {
  EXPECT_EQ(describe_networks(web), "lan fd00::2, none, shop 10.5.0.2");
  EXPECT_EQ(describe_networks(json::object()), "");
}

TEST(SandboxView, ListsPublishedPortsByNumber) {
  EXPECT_EQ(describe_ports(web), "127.0.0.1:9->9/udp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp");
  EXPECT_EQ(describe_ports(json::parse(R"({"Ports":null})")), "");
}

TEST(SandboxFilters, MatchAnyValueOfAKeyAndEveryKey) {
  EXPECT_TRUE(matches({}));
  EXPECT_TRUE(matches({"name=we", "network=shop"}));
  EXPECT_TRUE(matches({"network=other", "network=bbbb"}));
  EXPECT_FALSE(matches({"name=we", "network=other"}));
  EXPECT_TRUE(matches({"id=9c31"}));
  EXPECT_FALSE(matches({"id=c31"}));
}

TEST(SandboxFilters, WantAllLabels) {
  EXPECT_TRUE(matches({"label=tier", "label=tier=front", "label=team="}));
  EXPECT_FALSE(matches({"label=tier=front", "label=absent"}));
  EXPECT_FALSE(matches({"label=tier=back"}));
}

TEST(SandboxFilters, RefuseUnknownKeys) {
  EXPECT_THROW(check_sandbox_filters(parse_filters({"color=red"})), UsageError);
}

}  // namespace
}  // namespace netd::ctl
