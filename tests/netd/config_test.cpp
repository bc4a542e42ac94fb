#include "netd/config.h"
#include "tests/support/certificates.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace netd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string refusal_of_text(const std::string& json) {
  Config config;
  try {
    apply_config_text(json, config);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

std::vector<std::string> warnings_of(const std::string& json) {
  Config config;
  return apply_config_text(json, config);
}

TEST(ConfigText, ReadsDockersNetworkingKeys) {
  Config config;
  const auto warnings = apply_config_text(R"({
    "bip": "10.200.0.1/24", "bip6": "fd00:200::1/64", "fixed-cidr": "10.200.0.128/25",
    "fixed-cidr-v6": "fd00:200::/80", "default-gateway": "10.200.0.254",
    "default-gateway-v6": "fd00:200::fe", "mtu": 1400, "icc": false, "ip-masq": false,
    "ip": "127.0.0.1", "ipv6": true, "ip-forward": false, "userland-proxy": false,
    "dns": ["9.9.9.9", "2620:fe::fe"], "dns-search": ["example.org"], "dns-opts": ["ndots:2"],
    "default-address-pools": [{"base": "10.10.0.0/16", "size": 24}, {"base": "fd00::/48", "size": 64}],
    "default-network-opts": {"bridge": {"com.docker.network.driver.mtu": "1300"}}})",
                                          config);
  EXPECT_THAT(warnings, IsEmpty());
  EXPECT_EQ(config.bip->to_string(), "10.200.0.1/24");
  EXPECT_EQ(config.bip6->to_string(), "fd00:200::1/64");
  EXPECT_EQ(config.fixed_cidr->to_string(), "10.200.0.128/25");
  EXPECT_EQ(config.fixed_cidr_v6->to_string(), "fd00:200::/80");
  EXPECT_EQ(config.default_gateway->to_string(), "10.200.0.254");
  EXPECT_EQ(config.default_gateway_v6->to_string(), "fd00:200::fe");
  EXPECT_EQ(config.mtu, 1400);
  EXPECT_FALSE(config.icc);
  EXPECT_FALSE(config.ip_masq);
  EXPECT_EQ(config.ip->to_string(), "127.0.0.1");
  EXPECT_TRUE(config.bridge_ipv6);
  EXPECT_FALSE(config.ip_forward);
  EXPECT_FALSE(config.userland_proxy);
  EXPECT_EQ(config.dns.at(1).to_string(), "2620:fe::fe");
  EXPECT_THAT(config.dns_search, ElementsAre("example.org"));
  EXPECT_THAT(config.dns_options, ElementsAre("ndots:2"));
  ASSERT_EQ(config.default_address_pools.size(), 2u);
  EXPECT_EQ(config.default_address_pools[0].base.to_string(), "10.10.0.0/16");
  EXPECT_EQ(config.default_address_pools[1].size, 64);
  EXPECT_EQ(config.default_network_options["bridge"]["com.docker.network.driver.mtu"], "1300");
}

TEST(ConfigText, ReadsNetdsOwnKeys) {
  Config config;
  apply_config_text(
      R"({"state-dir": "/s", "run-dir": "/r", "hosts": ["unix:///a"], "log-level": "warn",
                        "log-format": "json"})",
      config);
  EXPECT_EQ(config.state_dir, "/s");
  EXPECT_EQ(config.run_dir, "/r");
  EXPECT_THAT(config.hosts, ElementsAre("unix:///a"));
  EXPECT_EQ(config.log_level, "warn");
  EXPECT_EQ(config.log_format, "json");
}

TEST(ConfigText, AnEmptyFileSaysNothing) {
  EXPECT_THAT(warnings_of(" \n"), IsEmpty());
}

TEST(ConfigText, UnknownKeysAreWarnedAboutWithTheNearestKnownOne) {
  EXPECT_THAT(
      warnings_of(R"({"fixed_cidr": "10.0.0.0/24"})"),
      ElementsAre("fixed_cidr: netd has no such key, it is ignored; the nearest is fixed-cidr"));
  EXPECT_THAT(warnings_of(R"({"storage-driver": "overlay2"})"),
              ElementsAre("storage-driver: netd has no such key, it is ignored"));
}

TEST(ConfigText, DockersKeysWithoutMeaningHereAreWarnedAbout) {
  EXPECT_THAT(
      warnings_of(R"({"iptables": false})"),
      ElementsAre("iptables: has no effect, netd always filters with its own nftables table"));
}

TEST(ConfigText, KeysOfLaterVersionsAreRefused) {
  EXPECT_EQ(refusal_of_text(R"({"tls": true})"),
            "tls: true asks no client for a certificate; use tlsverify");
  EXPECT_EQ(refusal_of_text(R"({"host-gateway-ip": "10.0.0.1"})"),
            "host-gateway-ip: not in this version of netd (" NETD_VERSION "); take it out");
}

struct Refused {
  const char* json;
  const char* text;
};

TEST(ConfigText, RefusalsNameKeyValueAndRemedy) {
  for (
      const auto& [json, text] : std::initializer_list<Refused>{
          {R"({"bip": "10.0.0.1"})",
           R"(bip: "10.0.0.1" is not an IPv4 address with a prefix length; write it like 10.200.0.1/24)"},
          {R"({"bip": "fd00::1/64"})",
           R"(bip: "fd00::1/64" is not an IPv4 address with a prefix length; write it like 10.200.0.1/24)"},
          {R"({"mtu": "1400"})",
           R"(mtu: "1400" is not a whole number from 0 to 65535; write one, without quotes)"},
          {R"({"mtu": -1})",
           "mtu: -1 is not a whole number from 0 to 65535; write one, without quotes"},
          {R"({"mtu": 18446744073709551615})",
           "mtu: 18446744073709551615 is not a whole number from 0 to 65535; write one, without "
           "quotes"},
          {R"({"icc": "no"})", R"(icc: "no" is neither true nor false; write one, without quotes)"},
          {R"({"dns": "9.9.9.9"})",
           R"(dns: "9.9.9.9" is not a list; write it like ["10.200.0.1"])"},
          {R"({"dns": ["localhost"]})",
           R"(dns: "localhost" is not an IP address; write it like 10.200.0.1 or fd00:200::1)"},
          {R"({"log-level": "loud"})",
           R"(log-level: "loud" is unknown; choose one of trace, debug, info, warn, error)"},
          {R"({"default-address-pools": [{"base": "10.0.0.0/16", "size": 8}]})",
           R"(default-address-pools: {"base":"10.0.0.0/16","size":8} asks for subnets (/8) larger than their base (/16); give a size from 16 to 32)"},
          {R"({"default-address-pools": [{"base": "10.0.0.0/16"}]})",
           R"(default-address-pools: {"base":"10.0.0.0/16"} is not a pool; write it like [{"base": "10.10.0.0/16", "size": 24}])"},
          {R"({"default-network-opts": {"bridge": {"com.docker.network.driver.mtu": 1300}}})",
           "default-network-opts: bridge: com.docker.network.driver.mtu: 1300 is not a string; put "
           "it in "
           "double quotes"},
          {"[]", R"(the file has to hold one JSON object, like {"mtu": 1400})"},
          {"{\n\"mtu\": 1,\n}",
           "line 3: this is not JSON (look for a missing or superfluous comma, quote or brace "
           "there)"}})
    EXPECT_EQ(refusal_of_text(json), text);
}

class ConfigFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "netd-config-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    file_ = directory_ / "netd.json";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& json) { std::ofstream(file_) << json; }
  /// As main would, with --config and these.
  ParsedConfig parse(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), {"netd", "--config", file_.string()});
    std::vector<const char*> argv;
    for (const std::string& argument : arguments)
      argv.push_back(argument.c_str());
    return parse_config(static_cast<int>(argv.size()), argv.data());
  }
  /// The refusal, without the file's name.
  std::string refusal(const std::vector<std::string>& arguments = {}) {
    try {
      parse(arguments);
    } catch (const std::invalid_argument& error) {
      const std::string text = error.what();
      const std::string prefix = file_.string() + ": ";
      return text.starts_with(prefix) ? "FILE: " + text.substr(prefix.size()) : text;
    }
    return "accepted";
  }

  std::filesystem::path directory_;
  std::filesystem::path file_;
};

TEST_F(ConfigFile, FlagsOverrideTheFile) {
  write(
      R"({"state-dir": "/file", "run-dir": "/file", "hosts": ["unix:///file"], "log-level": "warn"})");
  const auto parsed = parse({"--state-dir", "/flag", "-H", "unix:///flag1", "--host",
                             "unix:///flag2", "--log-level=debug"});
  EXPECT_EQ(parsed.config.state_dir, "/flag");
  EXPECT_EQ(parsed.config.run_dir, "/file");
  EXPECT_THAT(parsed.config.hosts, ElementsAre("unix:///flag1", "unix:///flag2"));
  EXPECT_EQ(parsed.config.log_level, "debug");
  EXPECT_FALSE(parsed.check_only);
}

TEST_F(ConfigFile, CheckConfigIsToldAndWarningsNameTheFile) {
  write(R"({"mtuu": 1})");
  const auto parsed = parse({"--check-config"});
  EXPECT_TRUE(parsed.check_only);
  EXPECT_THAT(parsed.warnings,
              ElementsAre(file_.string() + ": mtuu: netd has no such key, it is ignored; "
                                           "the nearest is mtu"));
}

TEST_F(ConfigFile, AFileThatIsNamedHasToBeThere) {
  EXPECT_EQ(refusal(), "FILE: no such file; write it, or leave --config out");
}

TEST_F(ConfigFile, ErrorsInTheFileNameIt) {
  write(R"({"mtu": true})");
  EXPECT_EQ(refusal(),
            "FILE: mtu: true is not a whole number from 0 to 65535; write one, without quotes");
}

TEST_F(ConfigFile, DockersRulesOfTheDefaultNetwork) {
  for (
      const auto& [json, text] : std::initializer_list<Refused>{
          {R"({"bridge": "br0", "bip": "10.0.0.1/24"})",
           "You specified -b & --bip, mutually exclusive options. Please specify only one"},
          {R"({"bridge": "br0", "bip6": "fd00::1/64"})",
           "You specified -b & --bip6, mutually exclusive options. Please specify only one"},
          {R"({"bip": "10.0.0.0/24"})",
           "bip: 10.0.0.0/24 is the network's own address; give the bridge's, like 10.0.0.1/24"},
          {R"({"bip": "10.0.0.255/24"})",
           "bip: 10.0.0.255/24 is the network's broadcast address; give the bridge another"},
          {R"({"bip": "10.0.0.1/24", "fixed-cidr": "10.0.1.0/25"})",
           "fixed-cidr: 10.0.1.0/25 is not within bip's network 10.0.0.0/24; choose a part of it"},
          {R"({"bip": "10.0.0.1/24", "default-gateway": "10.0.1.1"})",
           "default-gateway: 10.0.1.1 is not within bip's network 10.0.0.0/24; choose an address "
           "there"},
          {R"({"bridge": "a-name-with-20-chars"})",
           "bridge: \"a-name-with-20-chars\" can't be an interface's name; give at most 15 "
           "characters "
           "without space, / or :"},
          {R"({"mtu": 60})",
           "mtu: 60 is less than IPv4 allows; give 68 or more, or 0 for the default"},
          {R"({"mtu": 1000, "ipv6": true})",
           "mtu: 1000 is less than IPv6 allows; give 1280 or more, or leave ipv6 out"},
          {R"({"bip": "10.0.0.0/31"})", "accepted"},
          {R"({"bip": "10.0.0.1/24", "fixed-cidr": "10.0.0.128/25", "default-gateway": "10.0.0.254"})",
           "accepted"},
          {R"({"bridge": "none"})", "accepted"}}) {
    write(json);
    EXPECT_EQ(refusal(), text) << json;
  }
}

TEST_F(ConfigFile, FlagsAreCheckedToo) {
  write("{}");
  EXPECT_EQ(refusal({"--state-dir", "here"}),
            "state-dir: \"here\" is not an absolute path; begin it with /");
  EXPECT_EQ(refusal({"-H", "http://x"}),
            "host: \"http://x\" is not an API address; write it like unix:///run/netd/netd.sock");
  EXPECT_EQ(refusal({"-H", "tcp://0.0.0.0:2375"}),
            "host: tcp://0.0.0.0:2375: whoever reaches it would rule this host's network; give "
            "tlsverify with tlscacert, tlscert and tlskey, or insecure-tcp if the network before "
            "it is trusted");
  EXPECT_EQ(refusal({"-H", "tcp://localhost:2376"}),
            "host: tcp://localhost:2376: give IP address and port, like tcp://192.0.2.1:2376 or "
            "tcp://[::]:2376");
  EXPECT_EQ(refusal({"--log-format", "xml"}),
            "log-format: \"xml\" is unknown; choose text or json");
}

TEST_F(ConfigFile, TlsNamesWhatIsMissing) {
  write("{}");
  EXPECT_EQ(refusal({"--tlsverify"}),
            "tlscacert: missing; tlsverify needs tlscacert, tlscert and tlskey, "
            "docs/api-over-tcp.md tells how to make it");
  EXPECT_EQ(refusal({"--tlsverify", "--tlscacert", "ca.pem"}),
            "tlscacert: ca.pem: is not an absolute path; begin it with /");
  EXPECT_EQ(refusal({"--tlsverify", "--tlscacert", "/nonexistent/ca.pem"}),
            "tlscacert: /nonexistent/ca.pem: No such file or directory; name the PEM file that is "
            "there, docs/api-over-tcp.md tells how to make it");
  EXPECT_EQ(refusal({"--tlscert", "/x"}),
            "tlscacert, tlscert, tlskey: have no effect without tlsverify; give it, too");
  EXPECT_EQ(refusal({"--tlsverify", "--insecure-tcp"}),
            "tlsverify, insecure-tcp: they contradict each other; leave one out");
}

TEST(Config, ReadsTcpHosts) {
  const auto v6 = parse_tcp_host("tcp://[::1]:2376");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->address, "::1");
  EXPECT_EQ(v6->port, 2376);
  EXPECT_TRUE(parse_tcp_host("tcp://192.0.2.1:1"));
  for (const char* bad : {"tcp://192.0.2.1", "tcp://::1:2376", "tcp://[192.0.2.1]:1", "tcp://:2376",
                          "tcp://192.0.2.1:0", "tcp://192.0.2.1:65536", "tcp://192.0.2.1:2x"})
    EXPECT_FALSE(parse_tcp_host(bad)) << bad;
}

TEST_F(ConfigFile, AClusterIsToldByFlagsOrFile) {
  write(
      R"({"cluster": "etcd://127.0.0.1:2379", "cluster-prefix": "/c", "vtep": "eth0", "vxlan-port": 8472, "dead-after": 0})");
  const ClusterConfig file = parse({}).config.cluster;
  EXPECT_TRUE(file.is_member());
  EXPECT_EQ(file.prefix, "/c");
  EXPECT_EQ(file.vtep, "eth0");
  EXPECT_EQ(file.vxlan_port, 8472);
  EXPECT_EQ(file.dead_after.count(), 0);
  const ClusterConfig flags =
      parse({"--cluster", "etcd://localhost:1", "--vtep", "eth1", "--dead-after", "7"})
          .config.cluster;
  EXPECT_EQ(flags.store, "etcd://localhost:1");
  EXPECT_EQ(flags.vtep, "eth1");
  EXPECT_EQ(flags.dead_after.count(), 7);
}

TEST_F(ConfigFile, AClusterThatMakesNoSenseIsRefused) {
  write("{}");
  EXPECT_THAT(refusal({"--vtep", "eth0"}), HasSubstr("have no effect without cluster"));
  EXPECT_THAT(refusal({"--cluster", "192.0.2.1:2379"}), HasSubstr("write it like etcd://"));
  EXPECT_THAT(refusal({"--cluster", "etcd://"}), HasSubstr("has no host"));
  EXPECT_THAT(refusal({"--cluster", "etcd://192.0.2.1:x"}), HasSubstr("the port is not a number"));
  EXPECT_THAT(refusal({"--cluster", "etcd://2001:db8::1"}), HasSubstr("[2001:db8::1]:2379"));
  EXPECT_THAT(refusal({"--cluster", "etcd://192.0.2.1:2379"}),
              HasSubstr("or insecure-store if the network before it is trusted"));
  EXPECT_THAT(refusal({"--cluster", "etcd://127.0.0.1:1", "--cluster-cert", "x"}),
              HasSubstr("give both"));
  EXPECT_THAT(refusal({"--cluster", "etcd://127.0.0.1:1", "--cluster-prefix", "x"}),
              HasSubstr("has to begin with /"));
  EXPECT_THAT(
      refusal({"--cluster", "etcd://127.0.0.1:1", "--cluster-cacert", "x", "--insecure-store"}),
      HasSubstr("contradict each other"));
}

TEST(ClusterConfig, FilesThatCantWorkAreRefused) {
  char directory[] = "/tmp/netd-config-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const tests::Certificates certificates(directory);
  certificates.issue("one", "clientAuth");
  certificates.issue("two", "clientAuth");
  std::ofstream(certificates.path("junk.pem")) << "junk";
  ClusterConfig config;
  config.store = "etcd://192.0.2.1";
  config.ca = certificates.path("ca.pem");
  config.cert = certificates.path("one.pem");
  config.key = certificates.path("one-key.pem");
  check_cluster(config);
  const auto refusal_of = [](const ClusterConfig& wrong) -> std::string {
    try {
      check_cluster(wrong);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "nothing is refused";
  };
  ClusterConfig wrong = config;
  wrong.key = certificates.path("two-key.pem");
  EXPECT_THAT(refusal_of(wrong), HasSubstr("is not the key of"));
  wrong = config;
  wrong.ca = certificates.path("junk.pem");
  EXPECT_THAT(refusal_of(wrong), HasSubstr("junk.pem: holds no certificate"));
  wrong.ca = directory;
  EXPECT_THAT(refusal_of(wrong), HasSubstr("holds no certificate"));
  wrong = config;
  wrong.cert = certificates.path("absent.pem");
  EXPECT_THAT(refusal_of(wrong), HasSubstr("absent.pem: holds no certificate, or can't be read"));
  std::filesystem::remove_all(directory);
}

TEST(ClusterConfig, HasTheEndpointsOfItsStore) {
  ClusterConfig config;
  config.store = "etcd://a,192.0.2.1:1,[2001:db8::1],etcd://[::1]:7";
  EXPECT_THAT(store_endpoints(config),
              ElementsAre("a:2379", "192.0.2.1:1", "[2001:db8::1]:2379", "[::1]:7"));
}

TEST_F(ConfigFile, AnUnknownFlagEndsWithStatus2) {
  write("{}");
  EXPECT_EXIT(parse({"--nonsense"}), ::testing::ExitedWithCode(2), "--nonsense");
}

TEST_F(ConfigFile, HelpEndsWithStatus0) {
  EXPECT_EXIT(parse({"--help"}), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace netd
