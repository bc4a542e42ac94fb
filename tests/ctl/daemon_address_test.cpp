// Where netctl finds its daemon and its certificates: flags, then NETD_CERT_PATH.
#include <gmock/gmock.h>

#include <cstdlib>

#include "netd/ctl/context.h"

namespace netd::ctl {
namespace {

using ::testing::HasSubstr;

class DaemonAddressTest : public ::testing::Test {
 protected:
  void SetUp() override { unsetenv("NETD_CERT_PATH"); }
  std::string complaint() const {
    try {
      address_.options();
    } catch (const UsageError& error) {
      return error.what();
    }
    return "none";
  }

  DaemonAddress address_{.host = "tcp://192.0.2.1:2376", .tls_verify = true};
};

TEST_F(DaemonAddressTest, IsPlainUnlessVerificationIsAskedFor) {
  setenv("NETD_CERT_PATH", "/certificates", 1);
  address_.tls_verify = false;
  EXPECT_FALSE(address_.options().tls);
}

TEST_F(DaemonAddressTest, FindsDockersFileNamesInTheDirectory) {
  setenv("NETD_CERT_PATH", "/certificates", 1);
  const auto options = address_.options();
  EXPECT_EQ(options.host, "tcp://192.0.2.1:2376");
  EXPECT_EQ(options.tls->ca_file, "/certificates/ca.pem");
  EXPECT_EQ(options.tls->cert_file, "/certificates/cert.pem");
  EXPECT_EQ(options.tls->key_file, "/certificates/key.pem");
  EXPECT_TRUE(options.tls->verify);
}

TEST_F(DaemonAddressTest, FlagsWinOverTheDirectory) {
  setenv("NETD_CERT_PATH", "/certificates", 1);
  address_.ca_file = "/other/authority.pem";
  const auto options = address_.options();
  EXPECT_EQ(options.tls->ca_file, "/other/authority.pem");
  EXPECT_EQ(options.tls->cert_file, "/certificates/cert.pem");
}

TEST_F(DaemonAddressTest, SaysWhichFileIsMissing) {
  EXPECT_THAT(complaint(), HasSubstr("--tlsverify needs ca.pem: "));
  setenv("NETD_CERT_PATH", "", 1);
  address_.ca_file = "/ca.pem";
  EXPECT_THAT(complaint(), HasSubstr("--tlsverify needs cert.pem: "));
  EXPECT_THAT(complaint(), HasSubstr("or the directory of ca.pem, cert.pem and key.pem in "
                                     "NETD_CERT_PATH"));
}

}  // namespace
}  // namespace netd::ctl
