// Certificates: what is refused says why, and new files are used without a restart.
#include <gmock/gmock.h>

#include <filesystem>
#include <thread>

#include "tests/etcd/etcd_fixture.h"
#include "tests/support/certificates.h"

namespace tests {
namespace {

namespace fs = std::filesystem;
using netd::StoreError;
using ::testing::HasSubstr;
using Kind = StoreError::Kind;

class EtcdIdentity : public EtcdTest {
 protected:
  void SetUp() override {
    EtcdTest::SetUp();
    fs::create_directories("/run/tls");
    fs::create_directories("/run/strangers");
    const Certificates ours("/run/tls");
    ours.issue("server", "serverAuth,clientAuth", "IP:127.0.0.1");
    ours.issue("client", "clientAuth");
    const Certificates strangers("/run/strangers");
    strangers.issue("client", "clientAuth");
    shell("chmod -R a+rX /run/tls; chmod a+r /run/tls/*.pem");
    cluster_ = std::make_unique<EtcdCluster>(EtcdCluster::Options{.certificates = "/run/tls"});
  }
  netd::EtcdOptions options(const std::string& ca, const std::string& client) const {
    auto options = options_for(*cluster_);
    options.ca_file = ca;
    if (!client.empty()) {
      options.certificate_file = client + ".pem";
      options.key_file = client + "-key.pem";
    }
    return options;
  }

  std::unique_ptr<EtcdCluster> cluster_;
};

TEST_F(EtcdIdentity, BothSidesShowTheirCertificates) {
  const auto store = netd::open_etcd(options("/run/tls/ca.pem", "/run/tls/client"));
  EXPECT_TRUE(put(*store, "a", "1"));
  EXPECT_EQ(store->get("a")->value, "1");
}

TEST_F(EtcdIdentity, AServerOfAnotherAuthorityIsDenied) {
  const auto store = netd::open_etcd(options("/run/strangers/ca.pem", "/run/tls/client"));
  const StoreError error = refusal([&] { put(*store, "a", "1"); });
  EXPECT_EQ(error.kind, Kind::denied) << error.what();
  EXPECT_THAT(error.what(), HasSubstr("its certificate is not signed by the authority"));
}

TEST_F(EtcdIdentity, WithoutAClientsCertificateItIsDenied) {
  const auto store = netd::open_etcd(options("/run/tls/ca.pem", ""));
  const StoreError error = refusal([&] { put(*store, "a", "1"); });
  EXPECT_EQ(error.kind, Kind::denied) << error.what();
  EXPECT_THAT(error.what(), HasSubstr("client certificate"));
}

TEST_F(EtcdIdentity, FilesThatAreNotThereAreNamed) {
  const StoreError error =
      refusal([&] { netd::open_etcd(options("/run/tls/nothing.pem", "/run/tls/client")); });
  EXPECT_EQ(error.kind, Kind::denied);
  EXPECT_THAT(error.what(), HasSubstr("read /run/tls/nothing.pem"));
}

TEST_F(EtcdIdentity, NewCertificatesAreUsedWhenTheFilesChange) {
  for (const char* end : {".pem", "-key.pem"})
    fs::copy(std::string("/run/strangers/client") + end, std::string("/run/client") + end);
  const auto store = netd::open_etcd(options("/run/tls/ca.pem", "/run/client"));
  EXPECT_EQ(refusal([&] { put(*store, "a", "1"); }).kind, Kind::denied);
  for (const char* end : {".pem", "-key.pem"})
    fs::copy_file(std::string("/run/tls/client") + end, std::string("/run/client") + end,
                  fs::copy_options::overwrite_existing);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(8);
  bool made = false;
  while (!made && std::chrono::steady_clock::now() < until)
    try {
      made = static_cast<bool>(put(*store, "a", "1"));
    } catch (const StoreError&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  EXPECT_TRUE(made);
}

}  // namespace
}  // namespace tests
