#include "netd/ctl/arguments.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "netd/ctl/context.h"

namespace netd::ctl {
namespace {

/// The text of the UsageError that `act` throws.
template <typename Act>
std::string usage_error(Act act) {
  try {
    act();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

std::string attachment(std::string_view text) {
  return parse_attachment(text).dump();
}

TEST(Attachment, IsANameAlone) {
  EXPECT_EQ(attachment("shop"), R"({"Network":"shop"})");
}

TEST(Attachment, ReadsAllKeys) {
  EXPECT_EQ(attachment("shop:ip=10.5.0.9,alias=db,alias=sql,mac=02:42:ac:11:00:02,ifname=lan0,"
                       "gw-priority=-3,opt=a=b"),
            R"({"Aliases":["db","sql"],"DriverOpts":{"a":"b",)"
            R"("com.docker.network.endpoint.ifname":"lan0"},"GwPriority":-3,)"
            R"("IPAMConfig":{"IPv4Address":"10.5.0.9"},"MacAddress":"02:42:ac:11:00:02",)"
            R"("Network":"shop"})");
}

TEST(Attachment, KeepsTheColonsOfIpv6) {
  EXPECT_EQ(
      attachment("shop:ip6=fd00::5,ip=10.5.0.9"),
      R"({"IPAMConfig":{"IPv4Address":"10.5.0.9","IPv6Address":"fd00::5"},"Network":"shop"})");
}

TEST(Attachment, ANameMayHoldColons) {
  EXPECT_EQ(attachment("a:b"), R"({"Network":"a:b"})");
  EXPECT_EQ(attachment("a:b:ip=10.0.0.1"),
            R"({"IPAMConfig":{"IPv4Address":"10.0.0.1"},"Network":"a:b"})");
}

TEST(Attachment, AnOptionsValueMayBeAListOfSysctls) {
  EXPECT_EQ(attachment("shop:opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log=1,"
                       "net.ipv4.conf.IFNAME.arp=0,alias=db"),
            R"({"Aliases":["db"],"DriverOpts":{"com.docker.network.endpoint.sysctls":)"
            R"("net.ipv4.conf.IFNAME.log=1,net.ipv4.conf.IFNAME.arp=0"},"Network":"shop"})");
}

TEST(Attachment, SaysWhatIsWrong) {
  EXPECT_EQ(usage_error([] { parse_attachment("shop:pi=10.5.0.9"); }),
            "--network shop:pi=10.5.0.9: unknown key 'pi'; known are ip, ip6, alias, mac, ifname, "
            "gw-priority, opt");
  EXPECT_EQ(usage_error([] { parse_attachment(":ip=10.5.0.9"); }),
            "--network :ip=10.5.0.9: expects NETWORK[:key=value,…]");
  EXPECT_EQ(usage_error([] { parse_attachment("shop:ip="); }),
            "--network shop:ip=: ip needs a value");
  EXPECT_EQ(usage_error([] { parse_attachment("shop:gw-priority=high"); }),
            "--network shop:gw-priority=high: gw-priority 'high' is not a whole number");
}

TEST(KeyValues, MaySayNothingAfterTheKey) {
  EXPECT_EQ(parse_key_values("--label", {"a=b=c", "d", "e="}).dump(),
            R"({"a":"b=c","d":"","e":""})");
  EXPECT_EQ(usage_error([] { parse_key_values("--label", {"=x"}); }),
            "--label =x: expects KEY=VALUE");
}

TEST(Filters, GatherTheValuesOfAKey) {
  EXPECT_EQ(parse_filters({"driver=bridge", "label=a=b", "driver=host"}).dump(),
            R"({"driver":{"bridge":true,"host":true},"label":{"a=b":true}})");
  EXPECT_EQ(filters_query({"name=x"}), "?filters=%7B%22name%22%3A%7B%22x%22%3Atrue%7D%7D");
  EXPECT_EQ(filters_query({}), "");
  EXPECT_EQ(usage_error([] { parse_filters({"driver"}); }),
            "--filter driver: expects KEY=VALUE, such as driver=bridge");
}

TEST(Ports, BecomePortBindings) {
  EXPECT_EQ(parse_ports({"8080:80", "127.0.0.1:5353:53/udp", "80"}).dump(),
            R"({"53/udp":[{"HostIp":"127.0.0.1","HostPort":"5353"}],)"
            R"("80/tcp":[{"HostIp":"","HostPort":"8080"},{"HostIp":"","HostPort":""}]})");
}

TEST(Ports, KeepAHostRangeForOneContainerPort) {
  EXPECT_EQ(parse_ports({"8000-8010:80"}).dump(),
            R"({"80/tcp":[{"HostIp":"","HostPort":"8000-8010"}]})");
}

TEST(Ports, PairTwoRanges) {
  EXPECT_EQ(parse_ports({"[::1]:8000-8001:80-81"}).dump(),
            R"({"80/tcp":[{"HostIp":"::1","HostPort":"8000"}],)"
            R"("81/tcp":[{"HostIp":"::1","HostPort":"8001"}]})");
}

TEST(Ports, RefuseNonsenseAsUsage) {
  EXPECT_THROW(parse_ports({"80:http"}), UsageError);
  EXPECT_THROW(parse_ports({"8080:80/quic"}), UsageError);
}

TEST(Pools, GoWithTheSubnetThatHoldsThem) {
  EXPECT_EQ(pair_pools({.subnets = {"10.5.0.0/24", "fd00:5::/64", "10.6.0.0/24"},
                        .ranges = {"10.6.0.128/25"},
                        .gateways = {"fd00:5::1", "10.6.0.254"},
                        .auxiliary = {"printer=10.5.0.9", "nas=10.5.0.10"}})
                .dump(),
            R"([{"AuxiliaryAddresses":{"nas":"10.5.0.10","printer":"10.5.0.9"},)"
            R"("Subnet":"10.5.0.0/24"},{"Gateway":"fd00:5::1","Subnet":"fd00:5::/64"},)"
            R"({"Gateway":"10.6.0.254","IPRange":"10.6.0.128/25","Subnet":"10.6.0.0/24"}])");
}

TEST(Pools, MayBeLeftToTheDaemon) {
  EXPECT_EQ(pair_pools({}).dump(), "[]");
}

TEST(Pools, SayWhatIsWrong) {
  EXPECT_EQ(usage_error([] { pair_pools({.gateways = {"10.5.0.1"}}); }),
            "--gateway 10.5.0.1: no --subnet holds it; give one with --subnet");
  EXPECT_EQ(
      usage_error([] { pair_pools({.subnets = {"10.5.0.0/24"}, .ranges = {"10.6.0.0/25"}}); }),
      "--ip-range 10.6.0.0/25: no --subnet holds it");
  EXPECT_EQ(usage_error([] {
              pair_pools({.subnets = {"10.5.0.0/24"}, .gateways = {"10.5.0.1", "10.5.0.2"}});
            }),
            "--gateway given twice for subnet 10.5.0.0/24: 10.5.0.1 and 10.5.0.2");
  EXPECT_EQ(usage_error([] {
              pair_pools({.subnets = {"10.5.0.0/24", "10.5.0.0/16"}});
            }),
            "--subnet 10.5.0.0/16 overlaps --subnet 10.5.0.0/24");
  EXPECT_EQ(usage_error([] { pair_pools({.subnets = {"10.5.0.0"}}); }),
            "--subnet 10.5.0.0: not a prefix like 10.5.0.0/24 or fd00:5::/64");
  EXPECT_EQ(
      usage_error([] { pair_pools({.subnets = {"10.5.0.0/24"}, .auxiliary = {"10.5.0.9"}}); }),
      "--aux-address 10.5.0.9: expects NAME=IP");
}

}  // namespace
}  // namespace netd::ctl
