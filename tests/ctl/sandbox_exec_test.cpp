#include "netd/ctl/sandbox_exec.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "netd/ctl/context.h"
#include "tests/support/namespace_test.h"

namespace netd::ctl {
namespace {

constexpr int threw = 99;

class SandboxExec : public tests::NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    shell(
        "ip netns add box && ip -netns box link add lan0 type bridge && mkdir /run/files"
        " && echo 'nameserver 127.0.0.11' > /run/files/resolv.conf"
        " && echo '10.5.0.9 db' > /run/files/hosts && echo box-host > /run/files/hostname");
  }

  /// Runs a shell command in the sandbox; its output goes to output().
  static int run(const std::vector<std::string>& command) {
    const pid_t child = fork();
    if (child == 0) {
      const int file = open("/run/output", O_WRONLY | O_CREAT | O_TRUNC, 0600);
      dup2(file, STDOUT_FILENO);
      dup2(file, STDERR_FILENO);
      try {
        execute_in_sandbox({.netns_path = "/run/netns/box",
                            .resolv_conf_path = "/run/files/resolv.conf",
                            .hosts_path = "/run/files/hosts",
                            .hostname_path = "/run/files/hostname"},
                           command);
      } catch (const Failed&) {
        _exit(threw);
      }
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  }

  static std::string output() {
    std::ifstream file("/run/output");
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

TEST_F(SandboxExec, SeesTheSandboxsLinks) {
  EXPECT_EQ(run({"sh", "-c", "ip -o link | cut -d' ' -f2"}), 0);
  EXPECT_EQ(output(), "lo:\nlan0:\n");
}

TEST_F(SandboxExec, ReadsTheSandboxsFilesAndHostname) {
  EXPECT_EQ(run({"sh", "-c", "cat /etc/resolv.conf /etc/hosts; uname -n"}), 0);
  EXPECT_EQ(output(), "nameserver 127.0.0.11\n10.5.0.9 db\nbox-host\n");
}

TEST_F(SandboxExec, LeavesTheHostsFilesAndHostname) {
  const std::string before = shell("cat /etc/resolv.conf /etc/hosts; uname -n; cat /proc/mounts");
  EXPECT_EQ(run({"true"}), 0);
  EXPECT_EQ(shell("cat /etc/resolv.conf /etc/hosts; uname -n; cat /proc/mounts"), before);
}

TEST_F(SandboxExec, ExitsWithTheCommandsStatus) {
  EXPECT_EQ(run({"sh", "-c", "exit 7"}), 7);
  EXPECT_EQ(run({"no-such-command"}), 127);
  EXPECT_EQ(output(), "netctl: run no-such-command: No such file or directory\n");
  EXPECT_EQ(run({"/etc/hosts"}), 126);
}

TEST_F(SandboxExec, FailsWithoutTheNamespace) {
  shell("ip netns del box");
  EXPECT_EQ(run({"true"}), threw);
}

}  // namespace
}  // namespace netd::ctl
