#include "drivers/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace drivers {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(BoolOption, TakesGosSpellings) {
  for (const char* yes : {"1", "t", "T", "true", "TRUE", "True"})
    EXPECT_TRUE(bool_option({{"k", yes}}, "k", false)) << yes;
  for (const char* no : {"0", "f", "F", "false", "FALSE", "False"})
    EXPECT_FALSE(bool_option({{"k", no}}, "k", true)) << no;
  EXPECT_TRUE(bool_option({}, "k", true));
}

TEST(BoolOption, NamesKeyAndValue) {
  try {
    bool_option({{"com.docker.network.bridge.enable_icc", "yes"}}, option_icc, true);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(
        error.what(),
        "failed to parse com.docker.network.bridge.enable_icc value: yes (expected true or "
        "false)");
  }
}

TEST(IntOption, RefusesJunkAndWhatIsOutOfRange) {
  EXPECT_EQ(int_option({{"k", "1400"}}, "k", 0, 0, 65535), 1400);
  EXPECT_THROW(int_option({{"k", "14x"}}, "k", 0, 0, 65535), std::invalid_argument);
  EXPECT_THROW(int_option({{"k", ""}}, "k", 0, 0, 65535), std::invalid_argument);
  EXPECT_THROW(int_option({{"k", "70000"}}, "k", 0, 0, 65535), std::invalid_argument);
}

TEST(EndpointSysctls, PutTheInterfaceInPlace) {
  EXPECT_THAT(
      endpoint_sysctls({{std::string(option_endpoint_sysctls),
                         "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.ifname.mtu=1400"}},
                       "eth1"),
      ElementsAre(Pair("net/ipv4/conf/eth1/log_martians", "1"),
                  Pair("net/ipv6/conf/eth1/mtu", "1400")));
}

TEST(EndpointSysctls, RefuseOtherForms) {
  for (const char* bad :
       {"net.ipv4.conf.eth0.log_martians=1", "kernel.conf.IFNAME.x=1", "net.ipv4.conf.IFNAME.x",
        "net.ipv4.conf.IFNAME.../../x=1", "=", "net.ipv4.con/../f.IFNAME.x=1"})
    EXPECT_THROW(endpoint_sysctls({{std::string(option_endpoint_sysctls), bad}}, "eth0"),
                 std::invalid_argument)
        << bad;
}

TEST(WarnUnknown, NamesTheNearestKnownKey) {
  static constexpr std::array<std::string_view, 2> known{option_icc, option_mtu};
  EXPECT_THAT(
      warn_unknown({{"com.docker.network.bridge.enable_ic", "false"}}, known, "bridge"),
      ElementsAre("option com.docker.network.bridge.enable_ic is not known to driver bridge "
                  "and has no effect; did you mean com.docker.network.bridge.enable_icc?"));
  EXPECT_THAT(warn_unknown({{"x", "1"}}, known, "bridge"),
              ElementsAre("option x is not known to driver bridge and has no effect"));
  EXPECT_THAT(warn_unknown({{std::string(option_mtu), "1400"}}, known, "bridge"), IsEmpty());
}

}  // namespace
}  // namespace drivers
