// The API on TCP: docker, netctl and curl with certificates, and who is kept out.
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

#include "tests/e2e/end_to_end.h"
#include "tests/support/certificates.h"

namespace e2e {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* certificates = "/run/pki";

std::string pki(const std::string& file) {
  return std::string(certificates) + "/" + file;
}

/// "DOCKER_CERT_PATH=…": docker and netctl read ca.pem, cert.pem and key.pem there.
std::string with_certificate(const std::string& name) {
  const std::string directory = pki("as-" + name);
  std::filesystem::create_directory(directory);
  std::filesystem::copy_file(pki("ca.pem"), directory + "/ca.pem");
  std::filesystem::copy_file(pki(name + ".pem"), directory + "/cert.pem");
  std::filesystem::copy_file(pki(name + "-key.pem"), directory + "/key.pem");
  return "DOCKER_CONFIG=/run/docker DOCKER_TLS_VERIFY=1 DOCKER_HOST=tcp://192.0.2.1:2376 "
         "NETD_TLS_VERIFY=1 NETD_HOST=tcp://192.0.2.1:2376 DOCKER_CERT_PATH=" +
         directory + " NETD_CERT_PATH=" + directory + " ";
}

std::string curl(const std::string& flags) {
  return "curl -sS --max-time 10 " + flags + " https://192.0.2.1:2376/_ping";
}

class ApiOverTcp : public EndToEnd {
 protected:
  void SetUp() override {
    EndToEnd::SetUp();
    std::filesystem::create_directory(certificates);
    const tests::Certificates authority(certificates);
    authority.issue("netd", "serverAuth", "IP:192.0.2.1,IP:2001:db8::1");
    authority.issue("alice", "clientAuth");
    authority.issue("late", "clientAuth", "", -1);
    stop_netd();
    start_netd({"-H", "unix:///run/netd/netd.sock", "-H", "tcp://192.0.2.1:2376", "-H",
                "tcp://[2001:db8::1]:2376", "--tlsverify", "--tlscacert", pki("ca.pem"),
                "--tlscert", pki("netd.pem"), "--tlskey", pki("netd-key.pem")});
  }
};

TEST_F(ApiOverTcp, DockerAndNetctlComeInFromOutside) {
  const std::string alice = with_certificate("alice");
  outside(alice + "docker network create --subnet 10.7.0.0/24 lab");
  EXPECT_THAT(outside(alice + "netctl network ls"), HasSubstr("lab"));
  EXPECT_THAT(outside(alice + "netctl -H 'tcp://[2001:db8::1]:2376' network ls"), HasSubstr("lab"));
  EXPECT_THAT(outside("netctl -H tcp://192.0.2.1:2376 --tlsverify --tlscacert /run/pki/ca.pem "
                      "--tlscert /run/pki/alice.pem --tlskey /run/pki/alice-key.pem network ls -q"),
              Not(HasSubstr("netctl:")));
  EXPECT_EQ(outside(alice + "docker network rm lab"), "lab\n");
  EXPECT_THAT(netd_log(), HasSubstr("operation=network_remove object=lab path=/networks/lab "
                                    "status=204 address=192.0.2.2:"));
  EXPECT_THAT(netd_log(), HasSubstr("certificate=alice"));
}

TEST_F(ApiOverTcp, TheLogNamesALocalCallersProcessAndUser) {
  shell("netctl network create lab");
  EXPECT_THAT(netd_log(), ContainsRegex("path=/networks/create status=201 pid=[1-9][0-9]* uid=0 "));
}

TEST_F(ApiOverTcp, NetctlReadsItsCertificatesWhereTheVariableSays) {
  const std::string host = "NETD_HOST=tcp://192.0.2.1:2376 ";
  const std::string alice = with_certificate("alice");
  std::filesystem::rename(pki("ca.pem"), "/run/ca.pem");  // what NETD_CERT_PATH has are copies
  EXPECT_EQ(
      outside(alice + "netctl network create lab >/dev/null && " + alice + "netctl network rm lab"),
      "lab\n");
  EXPECT_THAT(netd_log(), ContainsRegex("path=/networks/create status=201 address=192.0.2.2:[0-9]+ "
                                        "certificate=alice "));
  EXPECT_THAT(netd_log(), ContainsRegex("path=/networks/lab status=204 address=192.0.2.2:[0-9]+ "
                                        "certificate=alice "));
  const auto lost = attempt_outside(host + "NETD_TLS_VERIFY=1 netctl network ls");
  EXPECT_EQ(lost.status, 2);
  EXPECT_THAT(lost.output, HasSubstr("--tlsverify needs ca.pem: give --tlscacert"));
  const auto empty =
      attempt_outside(host + "NETD_TLS_VERIFY=1 NETD_CERT_PATH=/run/none netctl network ls");
  EXPECT_EQ(empty.status, 2);
  EXPECT_THAT(empty.output, HasSubstr("CA certificate /run/none/ca.pem: No such file"));
  const auto plain = attempt_outside(host + "netctl network ls");
  EXPECT_EQ(plain.status, 1);
  EXPECT_THAT(plain.output, HasSubstr("client sent an HTTP request to an HTTPS server"));
}

TEST_F(ApiOverTcp, NetctlTellsWhatToDoAboutCertificates) {
  const std::string late = with_certificate("late");
  const auto refused = attempt_outside(late + "netctl network ls");
  EXPECT_EQ(refused.status, 3);
  EXPECT_THAT(refused.output, HasSubstr("TLS: it does not accept our certificate"));
  EXPECT_THAT(refused.output, HasSubstr("--tlscert and --tlskey"));
  EXPECT_THAT(refused.output, Not(HasSubstr("systemctl start")));
}

TEST_F(ApiOverTcp, WhoHasNoGoodCertificateIsKeptOut) {
  const std::string ca = "--cacert /run/pki/ca.pem ";
  EXPECT_EQ(outside(curl(ca + "--cert /run/pki/alice.pem --key /run/pki/alice-key.pem")), "OK");
  EXPECT_THAT(attempt_outside(curl(ca)).output, HasSubstr("certificate required"));
  EXPECT_THAT(
      attempt_outside(curl(ca + "--cert /run/pki/late.pem --key /run/pki/late-key.pem")).output,
      HasSubstr("certificate expired"));
  EXPECT_NE(attempt_outside(curl(ca + "--tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0")).status, 0);
  std::filesystem::create_directory("/run/other");
  tests::Certificates("/run/other").issue("mallory", "clientAuth");
  EXPECT_THAT(
      attempt_outside(curl(ca + "--cert /run/other/mallory.pem --key /run/other/mallory-key.pem"))
          .output,
      HasSubstr("unknown ca"));
  EXPECT_EQ(attempt_outside(with_certificate("late") + "netctl network ls").status, 3);
}

TEST_F(ApiOverTcp, PlainHttpIsToldSo) {
  EXPECT_THAT(
      attempt_outside("DOCKER_CONFIG=/run/docker docker -H tcp://192.0.2.1:2376 network ls").output,
      HasSubstr("client sent an HTTP request to an HTTPS server"));
}

TEST_F(ApiOverTcp, PlainTcpNeedsAFlagAndWarns) {
  EXPECT_EQ(attempt("netd --config /run/netd.json -H tcp://192.0.2.1:2375 --check-config").status,
            2);
  stop_netd();
  start_netd({"-H", "unix:///run/netd/netd.sock", "-H", "tcp://192.0.2.1:2375", "--insecure-tcp"});
  EXPECT_THAT(netd_log(), HasSubstr("level=warn msg=\"INSECURE: the API listens on TCP"));
  EXPECT_EQ(outside("curl -sS --max-time 10 http://192.0.2.1:2375/_ping"), "OK");
}

}  // namespace
}  // namespace e2e
