// Plugins on TCP, plain and with TLS: what their files lead to, and what is said when TLS does not
// come about.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "netd/plugin/client.h"
#include "tests/plugin/scripted_plugin.h"
#include "tests/support/certificates.h"
#include "tests/support/namespace_test.h"

namespace {

using netd::plugin::PluginError;
using netd::plugin::Plugins;
using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class PluginOnTcp : public tests::NamespaceTest {
 protected:
  void SetUp() override {
    enter_fresh_namespaces();
    for (const char* directory : {"/run/plugins", "/run/pki", "/run/other"})
      std::filesystem::create_directory(directory);
  }

  void start(const tests::PluginTls* tls) {
    plugin_ = std::make_unique<tests::ScriptedPlugin>("127.0.0.1", tls);
    tests::be_good_network_driver(*plugin_);
    port_ = plugin_->port();
  }
  std::string at(const std::string& scheme, const std::string& host = "127.0.0.1") const {
    return scheme + "://" + host + ":" + std::to_string(port_);
  }
  static void write(const std::string& file, const std::string& text) {
    std::ofstream("/run/plugins/" + file) << text;
  }
  /// The handshake with "weave" goes well.
  void expect_welcome() {
    EXPECT_TRUE(plugins_.activate("weave").implements.network_driver);
    EXPECT_TRUE(plugin_->was_asked("NetworkDriver.GetCapabilities"));
  }
  /// What is said when it does not; nothing was asked then.
  std::string refusal() { return refusal(plugins_); }
  static std::string refusal(Plugins& plugins) {
    try {
      plugins.activate("weave");
    } catch (const PluginError& error) {
      EXPECT_EQ(error.kind(), PluginError::Kind::unreachable);
      return error.what();
    }
    ADD_FAILURE() << "it went well";
    return "";
  }

  static Plugins plugins_with(netd::plugin::Patience patience) {
    return {netd::plugin::Directories{{"/run/plugins"}, {"/run/plugins"}}, patience};
  }

  // Whoever tried again after a failed handshake would do so for an hour.
  Plugins plugins_ = plugins_with({.call = seconds(30), .connect = std::chrono::hours(1)});
  std::unique_ptr<tests::ScriptedPlugin> plugin_;
  std::uint16_t port_ = 0;
};

TEST_F(PluginOnTcp, SpecFilesLeadToTcp) {
  start(nullptr);
  write("weave.spec", at("tcp"));
  expect_welcome();
  EXPECT_THAT(plugin_->calls().at(0).head, HasSubstr("Host: 127.0.0.1:"));
}

TEST_F(PluginOnTcp, HttpIsTcpWhateverItsPath) {
  start(nullptr);
  write("weave.spec", at("http") + "/docker/plugin\n");
  expect_welcome();
  EXPECT_THAT(plugin_->calls().at(0).head, StartsWith("POST /Plugin.Activate HTTP/1.1"));
}

TEST_F(PluginOnTcp, HttpStaysPlainBesideATlsConfig) {
  start(nullptr);
  write("weave.json", json{{"Addr", at("http")}, {"TLSConfig", json::object()}}.dump());
  expect_welcome();
}

TEST_F(PluginOnTcp, AddressesWithoutPortAreToldSo) {
  write("weave.spec", "tcp://127.0.0.1");
  EXPECT_EQ(refusal(),
            "plugin weave: Plugin.Activate: /run/plugins/weave.spec: address "
            "\"tcp://127.0.0.1\": use unix:///path/to/socket or tcp://host:port");
}

/// The plugin's certificate is for localhost and 127.0.0.1, of the authority /run/pki/ca.pem.
class PluginOnTls : public PluginOnTcp {
 protected:
  void SetUp() override {
    PluginOnTcp::SetUp();
    ours_ = std::make_unique<tests::Certificates>("/run/pki");
    ours_->issue("plugin", "serverAuth", "DNS:localhost,IP:127.0.0.1");
  }

  static tests::PluginTls files(const std::string& name = "plugin") {
    return {.cert = "/run/pki/" + name + ".pem",
            .key = "/run/pki/" + name + "-key.pem",
            .client_ca = {}};
  }
  void start_with(const tests::PluginTls& tls) { start(&tls); }
  /// One that lets in only whom the authority knows.
  void start_strict(bool old = false) {
    tests::PluginTls tls = files();
    tls.client_ca = "/run/pki/ca.pem";
    tls.old = old;
    start(&tls);
  }
  void write_json(const std::string& address, json tls) {
    if (!tls.contains("CAFile")) tls["CAFile"] = "/run/pki/ca.pem";
    write("weave.json", json{{"Addr", address}, {"TLSConfig", std::move(tls)}}.dump());
  }
  /// CertFile and KeyFile of a client.
  static json as(const std::string& name, const std::string& authority = "/run/pki/") {
    return {{"CertFile", authority + name + ".pem"}, {"KeyFile", authority + name + "-key.pem"}};
  }

  std::unique_ptr<tests::Certificates> ours_;
};

TEST_F(PluginOnTls, TheRightAuthorityIsBelieved) {
  start_with(files());
  write_json(at("https"), json::object());
  expect_welcome();
  write_json(at("tcp", "localhost"), json::object());
  plugins_.call("weave", "NetworkDriver.GetCapabilities");
}

TEST_F(PluginOnTls, ShowsItsCertificateWhereOneIsWanted) {
  ours_->issue("netd", "clientAuth");
  start_strict();
  write_json(at("tcp"), as("netd"));
  expect_welcome();
}

TEST_F(PluginOnTls, AnotherAuthorityIsNotBelieved) {
  start_with(files());
  const tests::Certificates other("/run/other");
  write_json(at("https"), {{"CAFile", "/run/other/ca.pem"}});
  EXPECT_THAT(
      refusal(),
      AllOf(StartsWith("plugin weave: Plugin.Activate: https://127.0.0.1:"),
            HasSubstr(": TLS: its certificate is not valid: "),
            EndsWith(
                "; CAFile in /run/plugins/weave.json has to hold the certificate of the plugin's "
                "authority")));
  EXPECT_EQ(plugin_->methods(), "");
}

TEST_F(PluginOnTls, WithoutTlsConfigTheSystemsAuthoritiesCount) {
  start_with(files());
  write("weave.json", json{{"Addr", at("https")}}.dump());
  EXPECT_THAT(refusal(), HasSubstr("its certificate is not valid: "));
  std::filesystem::remove("/run/plugins/weave.json");
  write("weave.spec", at("https"));
  EXPECT_THAT(refusal(), EndsWith("; CAFile in a .json file in place of /run/plugins/weave.spec "
                                  "has to hold the certificate of the plugin's authority"));
}

TEST_F(PluginOnTls, AnExpiredCertificateIsRefused) {
  ours_->issue("late", "serverAuth", "IP:127.0.0.1", -1);
  start_with(files("late"));
  write_json(at("https"), json::object());
  EXPECT_THAT(refusal(), EndsWith(": TLS: its certificate is not valid: certificate has expired; "
                                  "the plugin needs a new certificate, or this host's clock is "
                                  "wrong"));
}

TEST_F(PluginOnTls, ACertificateForOthersIsRefused) {
  ours_->issue("elsewhere", "serverAuth", "DNS:elsewhere.test,IP:192.0.2.9");
  start_with(files("elsewhere"));
  constexpr const char* remedy =
      "; /run/plugins/weave.json has to say a name or IP address of the plugin's certificate";
  write_json(at("https"), json::object());
  EXPECT_THAT(refusal(), AllOf(HasSubstr("IP address mismatch"), EndsWith(remedy)));
  write_json(at("https", "localhost"), json::object());
  EXPECT_THAT(refusal(), AllOf(HasSubstr("hostname mismatch"), EndsWith(remedy)));
}

TEST_F(PluginOnTls, AClientsCertificateIsNoPlugins) {
  ours_->issue("netd", "clientAuth", "IP:127.0.0.1");
  start_with(files("netd"));
  write_json(at("https"), json::object());
  EXPECT_THAT(refusal(), EndsWith("; the plugin needs another certificate"));
}

TEST_F(PluginOnTls, AMissingClientsCertificateIsAskedFor) {
  constexpr const char* remedy =
      "; CertFile and KeyFile in /run/plugins/weave.json have to name one";
  for (const bool old : {false, true}) {
    start_strict(old);
    write_json(at("https"), json::object());
    EXPECT_THAT(refusal(),
                AllOf(HasSubstr(": TLS: it wants a certificate of ours: "), EndsWith(remedy)));
    EXPECT_EQ(plugin_->methods(), "");
  }
}

TEST_F(PluginOnTls, ARefusedClientsCertificateIsToldSo) {
  ours_->issue("late", "clientAuth", "", -1);
  tests::Certificates("/run/other").issue("mallory", "clientAuth");
  constexpr const char* remedy =
      "; CertFile in /run/plugins/weave.json has to be a client's, valid, and of an authority "
      "that the plugin knows";
  start_strict();
  write_json(at("https"), as("late"));
  EXPECT_THAT(refusal(), AllOf(HasSubstr("it does not accept our certificate: "),
                               HasSubstr("certificate expired"), EndsWith(remedy)));
  write_json(at("https"), as("mallory", "/run/other/"));
  EXPECT_THAT(refusal(),
              AllOf(HasSubstr("it does not accept our certificate: "), EndsWith(remedy)));
}

TEST_F(PluginOnTls, FilesThatCannotBeUsedAreNamed) {
  ours_->issue("netd", "clientAuth");
  const std::string began = "plugin weave: Plugin.Activate: /run/plugins/weave.json: ";
  start_with(files());
  write_json(at("https"), {{"CAFile", "/run/pki/none.pem"}});
  EXPECT_EQ(refusal(), began +
                           "CA certificate /run/pki/none.pem: No such file or directory; name "
                           "a file that is there");
  std::ofstream("/run/pki/empty.pem").flush();
  write_json(at("https"), {{"CAFile", "/run/pki/empty.pem"}});
  EXPECT_EQ(refusal(), began + "CA certificate /run/pki/empty.pem: holds no certificate in PEM");
  write_json(at("https"), {{"CertFile", "/run/pki/netd.pem"}});
  EXPECT_EQ(refusal(),
            began + "certificate /run/pki/netd.pem: its key is missing; name its file too");
  write_json(at("https"), {{"KeyFile", "/run/pki/netd-key.pem"}});
  EXPECT_EQ(refusal(),
            began + "key /run/pki/netd-key.pem: its certificate is missing; name its file too");
  json mixed = as("netd");
  mixed["KeyFile"] = "/run/pki/plugin-key.pem";
  write_json(at("https"), mixed);
  EXPECT_EQ(refusal(), began +
                           "key /run/pki/plugin-key.pem: is not the key of /run/pki/netd.pem; "
                           "name the two that were made together");
}

TEST_F(PluginOnTls, InsecureSkipVerifyBelievesAnybodyAndWarns) {
  ours_->issue("late", "serverAuth", "IP:192.0.2.9", -1);
  start_with(files("late"));
  write_json(at("https"), {{"InsecureSkipVerify", true}, {"CAFile", "/run/pki/none.pem"}});
  testing::internal::CaptureStderr();
  expect_welcome();
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("level=warn msg=\"a plugin's certificate is not verified"));
}

TEST_F(PluginOnTls, AnEmptyCaFileSkipsVerificationAsInDocker) {
  start_with(files());
  write_json(at("tcp", "127.0.0.1"), {{"CAFile", ""}});
  expect_welcome();
}

TEST_F(PluginOnTls, APluginWithoutTlsIsToldFromADeadOne) {
  start(nullptr);  // waits for the end of the "request"
  write_json(at("https"), json::object());
  constexpr const char* remedy =
      "; does the plugin speak TLS? If not, /run/plugins/weave.json has to say http://…";
  Plugins impatient = plugins_with({.call = milliseconds(100), .connect = std::chrono::hours(1)});
  EXPECT_THAT(refusal(impatient),
              AllOf(HasSubstr("the TLS handshake took too long"), EndsWith(remedy)));
  const int listening = tests::listen_at_loopback("127.0.0.1", port_);
  std::thread hasty([listening] {  // answers at once
    tests::PluginWire wire(accept(listening, nullptr, nullptr), nullptr);
    wire.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    wire.read(-1);
  });
  write_json(at("https"), json::object());
  EXPECT_THAT(refusal(), AllOf(HasSubstr("wrong version number"), EndsWith(remedy)));
  hasty.join();
  close(listening);
}

TEST_F(PluginOnTls, NobodyThereIsStillNobody) {
  start_with(files());
  write_json(at("https"), json::object());
  plugin_.reset();
  Plugins impatient = plugins_with({.call = seconds(30), .connect = milliseconds(50)});
  EXPECT_THAT(refusal(impatient), AllOf(HasSubstr("nobody answers at https://127.0.0.1:"),
                                        EndsWith(" (Connection refused); is the plugin running?")));
}

}  // namespace
