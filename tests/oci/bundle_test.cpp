// netctl oci add-hooks on a real bundle.
#include <gmock/gmock.h>

#include "tests/oci/machine.h"

namespace oci {
namespace {

using ::testing::HasSubstr;

class Bundle : public OciTest {};
INSTANTIATE_TEST_SUITE_P(Of, Bundle, ::testing::Values("runc"),
                         [](const auto& one) { return std::string(one.param); });

TEST_P(Bundle, IsByteForByteWhatItWasAfterRemoving) {
  shell("mkdir -p /run/b && runc spec -b /run/b && cp /run/b/config.json /run/before");
  shell("netctl oci add-hooks /run/b && cp /run/b/config.json /run/once");
  shell("netctl oci add-hooks /run/b && cmp /run/b/config.json /run/once");
  EXPECT_THAT(shell("jq -r .hooks.createRuntime[0].path /run/once"), HasSubstr("/netd-hook\n"));
  EXPECT_EQ(shell("ls /run/b/netd"), "hostname\nhosts\nresolv.conf\n");
  shell("netctl oci add-hooks --remove /run/b && cmp /run/b/config.json /run/before");
  EXPECT_EQ(shell("ls /run/b"), "config.json\n");
}

TEST_P(Bundle, NamesTheDaemonThatNetctlWasToldOf) {
  shell("mkdir -p /run/b && runc spec -b /run/b");
  shell("netctl -H unix:///run/netd/../netd/netd.sock oci add-hooks /run/b");
  EXPECT_EQ(shell("jq -c .hooks.poststop[0].args /run/b/config.json"),
            "[\"netd-hook\",\"-H\",\"unix:///run/netd/../netd/netd.sock\",\"poststop\"]\n");
}

TEST_P(Bundle, IsNotTouchedWhenItIsNone) {
  shell("mkdir -p /run/b && echo '{' > /run/b/config.json");
  const e2e::Result broken = attempt("netctl oci add-hooks /run/b");
  EXPECT_EQ(broken.status, 1);
  EXPECT_THAT(broken.output, HasSubstr("/run/b/config.json: "));
  EXPECT_EQ(shell("ls /run/b"), "config.json\n");
  EXPECT_EQ(attempt("netctl oci add-hooks /run/nothing").status, 1);
  EXPECT_EQ(attempt("netctl oci add-hooks").status, 2);
  shell("runc spec -b /run && netctl oci add-hooks --hook /bin/true /run");
  EXPECT_EQ(attempt("netctl oci add-hooks --hook /bin/nothing /run").status, 1);
}

}  // namespace
}  // namespace oci
