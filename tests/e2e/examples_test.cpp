// examples/: what docs/sandbox-api.md shows does what it says, and leaves nothing.
#include <gmock/gmock.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "tests/e2e/end_to_end.h"

namespace e2e {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Examples : public EndToEnd {
 protected:
  void SetUp() override {
    EndToEnd::SetUp();
    before_ = everything();
  }

  /// What an example could leave: in the kernel, in netd, and of its own namespaces.
  static std::string everything() {
    return traces() + shell(
                          "ip netns list; ls -d /run/example-* 2>/dev/null || true; netctl network "
                          "ls -q | sort; netctl sandbox ls -q");
  }
  void expect_as_before() const {
    EXPECT_TRUE(eventually([&] { return everything() == before_; })) << "before:\n"
                                                                     << before_ << "now:\n"
                                                                     << everything();
  }

 private:
  std::string before_;
};

TEST_F(Examples, TheShellsGoesFromANamespaceToItsTeardown) {
  const std::string output = shell(EXAMPLES "/sandbox.sh");
  const auto answer = output.find("hello from sandbox.sh");
  EXPECT_NE(answer, std::string::npos) << output;
  // By name, by alias, by the port it was made with, by the port that came later.
  std::size_t answers = 0;
  for (auto at = answer; at != std::string::npos; at = output.find("hello from sandbox.sh", at + 1))
    ++answers;
  EXPECT_EQ(answers, 4u) << output;
  EXPECT_THAT(output, AllOf(HasSubstr(R"("address":"10.77.0.10","interface":"eth0")"),
                            HasSubstr(R"({"example":"eth0","example-back":"eth1"})"),
                            HasSubstr(R"("HostPort":"18081")"), HasSubstr("nothing is left\n")));
  expect_as_before();
}

TEST_F(Examples, TheShellsTearsDownWhenAStepFails) {
  shell("netctl sandbox create --network bridge --publish 18081:81 other");  // the port that step 7
                                                                             // asks for
  const Result result = attempt(EXAMPLES "/sandbox.sh");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, AllOf(HasSubstr("POST /sandboxes/example-web/ports: "),
                                   HasSubstr("18081"), Not(HasSubstr("nothing is left"))));
  shell("netctl sandbox rm other");
  expect_as_before();
}

/// examples/sandbox.cpp, built with nothing but an installation of the client library.
class InstalledClient : public Examples {
 protected:
  void SetUp() override {
    Examples::SetUp();
    std::string directory = "/tmp/netd-installed-XXXXXX";
    ASSERT_NE(mkdtemp(directory.data()), nullptr);
    prefix_ = directory;
    shell(INSTALL " --prefix " + prefix_);
    // The sanitizers are this build's, not pkg-config's.
    const std::string sanitize = *SANITIZE ? " -fsanitize=" SANITIZE : "";
    shell("cd " + prefix_ + "; cp " EXAMPLES "/sandbox.cpp .; PKG_CONFIG_PATH=" + prefix_ +
          "/lib/pkgconfig; export PKG_CONFIG_PATH; " COMPILER
          " -std=c++20 -Wall -Wextra -Wshadow -Wpedantic -Werror" +
          sanitize + " sandbox.cpp $(pkg-config --cflags --libs netd-client) -o sandbox");
  }
  void TearDown() override {
    if (!prefix_.empty()) std::filesystem::remove_all(prefix_);
    Examples::TearDown();
  }
  std::string example(const std::string& arguments) const {
    return prefix_ + "/sandbox " + arguments;
  }

 private:
  std::string prefix_;
};

TEST_F(InstalledClient, RunsCommandsInSandboxesAndSaysWhyItCannot) {
  shell(
      "netctl network create --subnet 10.78.0.0/24 shop; netctl sandbox create --network shop web");
  {
    const WebServer web(netns_of("web"), 80, "page");
    const std::string output = shell(example("shop client " + fetch("http://web/")));
    EXPECT_THAT(output, AllOf(HasSubstr("client is 10.78.0.3 at eth0\n"), HasSubstr("page")));
  }
  EXPECT_EQ(attempt(example("shop client sh -c 'exit 7'")).status, 7);
  EXPECT_EQ(attempt(example("shop client sh -c 'kill $PPID; exec sleep 60'")).status,
            128 + SIGTERM);
  shell("netctl sandbox rm web; netctl network rm shop");

  const Result refused = attempt(example("nowhere client true"));
  EXPECT_EQ(refused.status, 125);
  EXPECT_EQ(refused.output, "create a sandbox: network nowhere not found\n");
  const Result nobody = attempt("NETD_HOST=unix:///run/nobody.sock " + example("shop client true"));
  EXPECT_EQ(nobody.status, 125);
  EXPECT_EQ(nobody.output,
            "cannot connect to unix:///run/nobody.sock: No such file or directory; is netd "
            "running?\n");
  expect_as_before();
}

}  // namespace
}  // namespace e2e
