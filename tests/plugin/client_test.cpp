#include "netd/plugin/client.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "netd/error.h"
#include "tests/plugin/scripted_plugin.h"

namespace {

using netd::plugin::PluginError;
using netd::plugin::Plugins;
using std::chrono::milliseconds;
using Kind = PluginError::Kind;

class PluginClient : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/netd-plugins-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    plugin_ = std::make_unique<tests::ScriptedPlugin>(root_ + "/weave.sock");
    plugins_ = std::make_unique<Plugins>(
        netd::plugin::Directories{{root_}, {root_}},
        netd::plugin::Patience{.call = milliseconds(300), .connect = milliseconds(100)});
  }
  void TearDown() override {
    plugin_.reset();
    std::filesystem::remove_all(root_);
  }

  /// What goes wrong with NetworkDriver.Join.
  PluginError failure() {
    try {
      plugins_->ask("weave", "NetworkDriver.Join", nullptr, netd::plugin::read_join);
    } catch (const PluginError& error) {
      return error;
    }
    ADD_FAILURE() << "it went well";
    return {Kind::refused, "", "", ""};
  }

  std::string root_;
  std::unique_ptr<tests::ScriptedPlugin> plugin_;
  std::unique_ptr<Plugins> plugins_;
};

TEST_F(PluginClient, ShakesHandsOnce) {
  tests::be_good_network_driver(*plugin_);
  tests::be_good_ipam_driver(*plugin_);
  plugins_->activate("weave");
  const auto capabilities = plugins_->activate("weave");
  EXPECT_TRUE(capabilities.implements.network_driver && capabilities.implements.ipam_driver);
  EXPECT_EQ(plugin_->methods(),
            "Plugin.Activate\nNetworkDriver.GetCapabilities\nIpamDriver.GetCapabilities\n");
}

TEST_F(PluginClient, IpamWithoutCapabilitiesIsAccepted) {
  tests::be_good_network_driver(*plugin_);
  EXPECT_TRUE(plugins_->activate("weave").implements.ipam_driver);
}

TEST_F(PluginClient, SpeaksAsDockerDoes) {
  plugin_->answer("NetworkDriver.Leave", nlohmann::json::object());
  plugins_->call("weave", "NetworkDriver.Leave");
  const std::string head = plugin_->calls().at(0).head;
  EXPECT_TRUE(head.starts_with("POST /NetworkDriver.Leave HTTP/1.1")) << head;
  EXPECT_NE(head.find("Accept: application/vnd.docker.plugins.v1.2+json"), std::string::npos);
  EXPECT_NE(head.find("Host: plugin.moby.localhost"), std::string::npos);
  EXPECT_EQ(head.find("Content-Type"), std::string::npos);
}

TEST_F(PluginClient, UnknownPluginIsNotFound) {
  try {
    plugins_->activate("nobody");
    FAIL();
  } catch (const netd::Error& error) {
    EXPECT_EQ(error.kind(), netd::ErrorKind::not_found);
    EXPECT_STREQ(error.what(),
                 "could not find plugin nobody in v1 plugin registry: plugin not found");
  }
}

TEST_F(PluginClient, WhatThePluginSaysIsSaid) {
  plugin_->answer("NetworkDriver.Join", {{"Err", "no more room"}});
  EXPECT_STREQ(failure().what(), "plugin weave: NetworkDriver.Join: remote: no more room");
  plugin_->say("NetworkDriver.Join", 500, R"({"Err":"broken"})");
  EXPECT_STREQ(failure().what(), "plugin weave: NetworkDriver.Join: remote: broken");
  plugin_->say("NetworkDriver.Join", 500, "plain words");
  EXPECT_STREQ(failure().what(), "plugin weave: NetworkDriver.Join: remote: plain words");
  EXPECT_EQ(failure().kind(), Kind::refused);
}

TEST_F(PluginClient, AMissingMethodIsTold) {
  EXPECT_EQ(failure().kind(), Kind::not_implemented);
}

TEST_F(PluginClient, WrongTypesNameTheField) {
  plugin_->answer("NetworkDriver.Join", {{"InterfaceName", {{"SrcName", 5}}}});
  EXPECT_STREQ(
      failure().what(),
      "plugin weave: NetworkDriver.Join: InterfaceName.SrcName: expected a string, found 5");
  plugin_->say("NetworkDriver.Join", 200, "[]");
  EXPECT_STREQ(failure().what(),
               "plugin weave: NetworkDriver.Join: the answer is not a JSON object");
  plugin_->say("NetworkDriver.Join", 200, "<html>");
  EXPECT_EQ(failure().kind(), Kind::malformed);
}

TEST_F(PluginClient, HalfAnAnswerIsSilence) {
  plugin_->answer_half("NetworkDriver.Join");
  EXPECT_EQ(failure().kind(), Kind::silent);
}

TEST_F(PluginClient, AHugeAnswerIsRefused) {
  plugin_->say("NetworkDriver.Join", 200, std::string(4 * 1024 * 1024, ' '));
  EXPECT_EQ(failure().kind(), Kind::silent);
}

TEST_F(PluginClient, AHangingPluginCostsOneDeadline) {
  plugin_->hang("NetworkDriver.Join");
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(failure().kind(), Kind::silent);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(3));
  EXPECT_EQ(plugin_->calls().size(), 1u);  // what was asked is never asked twice
}

TEST_F(PluginClient, ADeadPluginIsUnreachable) {
  std::ofstream(root_ + "/dead.spec") << "unix://" << root_ << "/nobody.sock";
  try {
    plugins_->call("dead", "NetworkDriver.Join");
    FAIL();
  } catch (const PluginError& error) {
    EXPECT_EQ(error.kind(), Kind::unreachable);
    EXPECT_EQ(std::string(error.what()),
              "plugin dead: NetworkDriver.Join: nobody answers at unix://" + root_ +
                  "/nobody.sock (No such file or directory); is the plugin running?");
  }
}

}  // namespace
