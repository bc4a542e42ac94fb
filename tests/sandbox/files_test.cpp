#include "sandbox/files.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "tests/sandbox/example_plans.h"

namespace sandbox {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using tests::address;

TEST(Hosts, HoldsLocalhostExtraAndOwnNames) {
  const Hosts hosts{.ipv6 = true,
                    .extra = {{address("192.0.2.1"), {"db"}}},
                    .own = {{address("10.5.0.2"), {"web.example.com", "web"}},
                            {address("fd00::2"), {"web.example.com", "web"}}}};
  EXPECT_EQ(hosts_text(hosts),
            "127.0.0.1\tlocalhost\n"
            "::1\tlocalhost ip6-localhost ip6-loopback\n"
            "fe00::\tip6-localnet\n"
            "ff00::\tip6-mcastprefix\n"
            "ff02::1\tip6-allnodes\n"
            "ff02::2\tip6-allrouters\n"
            "192.0.2.1\tdb\n"
            "10.5.0.2\tweb.example.com web\n"
            "fd00::2\tweb.example.com web\n");
}

TEST(Hosts, WithoutIpv6HoldsNoIpv6Localhost) {
  EXPECT_EQ(hosts_text({}), "127.0.0.1\tlocalhost\n");
}

TEST(Hosts, RefusesNamesThatWouldBecomeEntries) {
  const Hosts hosts{
      .ipv6 = false, .extra = {}, .own = {{address("10.5.0.2"), {"a\n6.6.6.6 bank"}}}};
  EXPECT_THROW(hosts_text(hosts), std::invalid_argument);
}

TEST(OwnNames, AreTheFullAndTheShortOne) {
  EXPECT_THAT(own_names("web", "example.com"), ElementsAre("web.example.com", "web"));
  EXPECT_THAT(own_names("web.example.com", ""), ElementsAre("web.example.com", "web"));
  EXPECT_THAT(own_names("web", ""), ElementsAre("web"));
  EXPECT_THAT(own_names("", "example.com"), IsEmpty());
}

TEST(ExtraHost, IsReadInDockersForms) {
  const HostsEntry v4{address("192.0.2.1"), {"db"}};
  const HostsEntry v6{address("2001:db8::1"), {"db"}};
  EXPECT_THAT(parse_extra_host("db:192.0.2.1", {}), ElementsAre(v4));
  EXPECT_THAT(parse_extra_host("db=192.0.2.1", {}), ElementsAre(v4));
  EXPECT_THAT(parse_extra_host("db:2001:db8::1", {}), ElementsAre(v6));
  EXPECT_THAT(parse_extra_host("db:[2001:db8::1]", {}), ElementsAre(v6));
  EXPECT_THAT(parse_extra_host("db:host-gateway", {v4.address, v6.address}), ElementsAre(v4, v6));
}

void expect_refused(const char* text, const char* message) {
  try {
    parse_extra_host(text, {});
    FAIL() << "accepted " << text;
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), message);
  }
}

TEST(ExtraHost, IsRefusedWithTheReason) {
  expect_refused("db", "bad format for add-host: \"db\"");
  expect_refused(":192.0.2.1", "bad format for add-host: \":192.0.2.1\"");
  expect_refused("db:here", "invalid IP address in add-host: \"here\"");
  expect_refused("db:host-gateway",
                 "unable to derive the IP value for host-gateway: no network has a gateway");
}

class Files : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(parent_.data()), nullptr);
    directory_ = parent_ + "/web";
  }
  void TearDown() override { std::filesystem::remove_all(parent_); }

  std::string content(const char* name) {
    std::ifstream file(directory_ + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  struct stat status(const char* name) {
    struct stat result {};
    EXPECT_EQ(stat((directory_ + "/" + name).c_str(), &result), 0) << name;
    return result;
  }

  std::string parent_ = "/tmp/netd-files-XXXXXX";
  std::string directory_;
  const SandboxFiles files_{
      .hostname = "web", .hosts = "127.0.0.1\tlocalhost\n", .resolv_conf = "nameserver 1.1.1.1\n"};
};

TEST_F(Files, AreReadableByAll) {
  EXPECT_TRUE(write_sandbox_files(directory_, files_));
  EXPECT_EQ(content("hostname"), "web\n");
  EXPECT_EQ(content("hosts"), "127.0.0.1\tlocalhost\n");
  EXPECT_EQ(content("resolv.conf"), "nameserver 1.1.1.1\n");
  EXPECT_EQ(status("").st_mode & 07777, 0755u);
  EXPECT_EQ(status("hosts").st_mode & 07777, 0644u);
  EXPECT_EQ(status("resolv.conf").st_mode & 07777, 0644u);
}

TEST_F(Files, AreRewrittenInPlace) {
  write_sandbox_files(directory_, files_);
  const ino_t hosts = status("hosts").st_ino;
  const ino_t resolv_conf = status("resolv.conf").st_ino;
  write_hosts(directory_, "short\n");
  EXPECT_TRUE(write_resolv_conf(directory_, "short\n"));
  EXPECT_EQ(content("hosts"), "short\n");
  EXPECT_EQ(content("resolv.conf"), "short\n");
  EXPECT_EQ(status("hosts").st_ino, hosts);
  EXPECT_EQ(status("resolv.conf").st_ino, resolv_conf);
}

TEST_F(Files, LeaveAnEditedResolvConfToTheUser) {
  write_sandbox_files(directory_, files_);
  std::ofstream(directory_ + "/resolv.conf") << "nameserver 9.9.9.9\n";
  EXPECT_FALSE(write_resolv_conf(directory_, "nameserver 1.0.0.1\n"));
  EXPECT_FALSE(write_sandbox_files(directory_, files_));
  EXPECT_EQ(content("resolv.conf"), "nameserver 9.9.9.9\n");
}

TEST_F(Files, KnowTheirOwnAfterAKillBetweenHashAndText) {
  write_sandbox_files(directory_, files_);
  write_resolv_conf(directory_, "nameserver 1.0.0.1\n");
  // The hash is of the new text and the text still the old one.
  std::ofstream(directory_ + "/resolv.conf") << files_.resolv_conf;
  EXPECT_TRUE(write_resolv_conf(directory_, "nameserver 1.0.0.2\n"));
  EXPECT_EQ(content("resolv.conf"), "nameserver 1.0.0.2\n");
}

TEST_F(Files, AreNotWrittenThroughASymbolicLink) {
  write_sandbox_files(directory_, files_);
  std::filesystem::remove(directory_ + "/hosts");
  std::filesystem::create_symlink(parent_ + "/elsewhere", directory_ + "/hosts");
  EXPECT_THROW(write_hosts(directory_, "x\n"), std::system_error);
  EXPECT_FALSE(std::filesystem::exists(parent_ + "/elsewhere"));
}

TEST_F(Files, GoWithTheirDirectory) {
  write_sandbox_files(directory_, files_);
  remove_sandbox_files(directory_);
  EXPECT_FALSE(std::filesystem::exists(directory_));
  remove_sandbox_files(directory_);
}

TEST_F(Files, StayWhereSomebodyElsePutMore) {
  write_sandbox_files(directory_, files_);
  std::ofstream(directory_ + "/other") << "mine";
  remove_sandbox_files(directory_);
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/other"));
}

}  // namespace
}  // namespace sandbox
