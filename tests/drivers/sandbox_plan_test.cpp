#include "drivers/sandbox_plan.h"

#include <gtest/gtest.h>

namespace drivers {
namespace {

const Sandbox web{.id = "web", .netns = "/run/netd/netns/web"};

TEST(SandboxPlan, OfAFullSandbox) {
  const SandboxNeeds needs{.sandbox = web,
                           .dns_port = 30053,
                           .route4 = DefaultRoute{*ipam::Address::parse("10.5.0.1"), 0x10000002},
                           .route6 = DefaultRoute{*ipam::Address::parse("fd00:5::1"), 0x10000002}};
  EXPECT_EQ(sandbox::to_text(sandbox_plan(needs)), R"(namespace /run/netd/netns/web
link 1 up in /run/netd/netns/web
sysctl net/ipv6/conf/default/accept_dad = 0 in /run/netd/netns/web
sysctl net/ipv6/conf/default/accept_ra = 0 in /run/netd/netns/web
dns 127.0.0.11:53 to port 30053 in /run/netd/netns/web
route 0.0.0.0/0 via 10.5.0.1 link 268435458 in /run/netd/netns/web
route ::/0 via fd00:5::1 link 268435458 in /run/netd/netns/web
)");
}

TEST(SandboxPlan, WithoutIpv6OnTheHostSetsNoIpv6Sysctl) {
  EXPECT_EQ(sandbox::to_text(sandbox_plan({.sandbox = web, .ipv6 = false})),
            R"(namespace /run/netd/netns/web
link 1 up in /run/netd/netns/web
)");
}

TEST(SandboxPlan, OfAForeignStackOnlyPinsIt) {
  const SandboxNeeds needs{
      .sandbox = web, .source = "/proc/self/ns/net", .owns_stack = false, .dns_port = 30053};
  EXPECT_EQ(sandbox::to_text(sandbox_plan(needs)),
            R"(namespace /run/netd/netns/web from /proc/self/ns/net
)");
}

}  // namespace
}  // namespace drivers
