#include "netd/plugin/discovery.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>

#include "tests/plugin/scripted_plugin.h"

namespace {

using netd::plugin::Directories;
using netd::plugin::find_plugin;
using netd::plugin::parse_json;
using netd::plugin::parse_spec;

class PluginDiscovery : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/netd-plugins-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    directories_ = {.sockets = {root_ + "/run"}, .files = {root_ + "/etc", root_ + "/lib"}};
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  std::string url_of(const std::string& name) {
    const auto found = find_plugin(directories_, name);
    return found ? found->url : "none";
  }

  std::string root_;
  Directories directories_;
};

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

TEST_F(PluginDiscovery, FindsASocketByName) {
  const tests::ScriptedPlugin plugin(root_ + "/run/weave.sock");
  EXPECT_EQ(url_of("weave"), "unix://" + root_ + "/run/weave.sock");
  EXPECT_EQ(url_of("other"), "none");
}

TEST_F(PluginDiscovery, FindsASocketInADirectoryOfTheName) {
  const tests::ScriptedPlugin plugin(root_ + "/run/weave/weave.sock");
  EXPECT_EQ(url_of("weave"), "unix://" + root_ + "/run/weave/weave.sock");
}

TEST_F(PluginDiscovery, PrefersSocketsToFilesAndEarlierDirectories) {
  write("/etc/weave.spec", "tcp://192.0.2.9:1\n");
  write("/lib/weave.spec", "tcp://192.0.2.9:2\n");
  EXPECT_EQ(url_of("weave"), "tcp://192.0.2.9:1");
  const tests::ScriptedPlugin plugin(root_ + "/run/weave.sock");
  EXPECT_EQ(url_of("weave"), "unix://" + root_ + "/run/weave.sock");
}

TEST_F(PluginDiscovery, ReadsJson) {
  write("/lib/kuryr/kuryr.json",
        R"({"Name":"x","Addr":"https://192.0.2.9:443","TLSConfig":{"CAFile":"/ca.pem"}})");
  const auto found = find_plugin(directories_, "kuryr");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->url, "https://192.0.2.9:443");
  ASSERT_TRUE(found->tls);
  EXPECT_EQ(found->tls->ca_file, "/ca.pem");
  EXPECT_FALSE(found->tls->insecure_skip_verify);
}

TEST_F(PluginDiscovery, NeverTakesANameAsAPath) {
  write("/etc/secret.spec", "tcp://192.0.2.9:1\n");
  EXPECT_EQ(url_of("../etc/secret"), "none");
  EXPECT_EQ(url_of(".secret"), "none");
  EXPECT_EQ(url_of(""), "none");
}

TEST_F(PluginDiscovery, NeverLooksForNamesOfOwnDrivers) {
  write("/etc/macvlan.spec", "tcp://192.0.2.9:1\n");
  EXPECT_EQ(url_of("macvlan"), "none");
}

TEST(PluginFiles, ATlsConfigWithoutCaVerifiesNothing) {
  EXPECT_TRUE(parse_json(R"({"Addr":"https://h:1","TLSConfig":{"CertFile":"/c"}})", "f")
                  .tls->insecure_skip_verify);
  EXPECT_FALSE(parse_json(R"({"Addr":"https://h:1"})", "f").tls);
}

TEST(PluginFiles, SayWhatIsWrongAndWhere) {
  EXPECT_EQ(refusal([] { parse_spec(" \n", "/etc/x.spec"); }),
            "plugin file /etc/x.spec: is empty: one line with an URL is expected");
  EXPECT_EQ(refusal([] { parse_spec("192.0.2.1:80", "/etc/x.spec"); }),
            "plugin file /etc/x.spec: \"192.0.2.1:80\" has no scheme: write it like "
            "unix:///run/x.sock or tcp://192.0.2.1:8080");
  EXPECT_EQ(refusal([] { parse_spec("ftp://h", "f"); }),
            "plugin file f: scheme \"ftp\" is unknown: use unix, tcp, http or https");
  EXPECT_EQ(refusal([] { parse_json("{", "f"); }), "plugin file f: is not JSON");
  EXPECT_EQ(refusal([] { parse_json("{}", "f"); }), "plugin file f: \"Addr\" is missing");
  EXPECT_EQ(refusal([] { parse_json(R"({"Addr":5})", "f"); }),
            "plugin file f: invalid JSON: Addr: expected a string, found 5");
}

}  // namespace
