// netd as a program: start, locks, sockets, signals. Each test is alone in its namespaces.
#include "netd/daemon.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "netd/instance_lock.h"
#include "sandbox/fd.h"
#include "tests/support/namespace_test.h"

namespace tests {
namespace {

namespace fs = std::filesystem;
using sandbox::Fd;
using ::testing::HasSubstr;

constexpr int patience_ms = 30'000;  // sanitizers and a busy machine

Fd unix_socket(const std::string& path, int type, bool bind_it) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path.c_str());
  Fd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  const int result =
      bind_it ? bind(fd.get(), name, sizeof address) : connect(fd.get(), name, sizeof address);
  return result == 0 ? std::move(fd) : Fd();
}

/// "200 OK" of GET /_ping, or why not.
std::string ping(const std::string& path) {
  const Fd fd = unix_socket(path, SOCK_STREAM, false);
  if (!fd) return strerror(errno);
  const std::string request = "GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n";
  if (send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return strerror(errno);
  std::string reply;
  char buffer[4096];
  for (ssize_t got; (got = recv(fd.get(), buffer, sizeof buffer, 0)) > 0;)
    reply.append(buffer, static_cast<std::size_t>(got));
  return reply.substr(0, reply.find('\r')).substr(std::min<std::size_t>(reply.size(), 9));
}

class DaemonTest : public NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    notifications_ = unix_socket("/run/notify", SOCK_DGRAM, true);
    ASSERT_TRUE(notifications_);
  }
  void TearDown() override {
    for (const pid_t pid : running_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }

  /// Starts netd with its state and run directory below /run/NAME; `passed` becomes descriptor 3.
  pid_t start(const std::vector<std::string>& more = {}, const std::string& name = "one",
              int passed = -1) {
    std::vector<std::string> arguments{NETD_PROGRAM, "--state-dir", "/run/" + name + "/state",
                                       "--run-dir", "/run/" + name + "/run"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const pid_t pid = fork();
    if (pid == 0) execute(arguments, passed);
    running_.push_back(pid);
    return pid;
  }
  /// What netd tells the service manager next.
  std::string notification() {
    pollfd readable{notifications_.get(), POLLIN, 0};
    if (poll(&readable, 1, patience_ms) != 1) return "nothing; the log: " + log();
    char buffer[4096];
    const ssize_t got = recv(notifications_.get(), buffer, sizeof buffer, 0);
    return std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  }
  int exit_status(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    std::erase(running_, pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  static std::string log() {
    std::ostringstream text;
    text << std::ifstream("/run/log").rdbuf();
    return text.str();
  }

  Fd notifications_;
  std::vector<pid_t> running_;

 private:
  [[noreturn]] static void execute(const std::vector<std::string>& arguments, int passed) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("NOTIFY_SOCKET", "/run/notify", 1);
    if (passed >= 0) {
      setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
      setenv("LISTEN_FDS", "1", 1);
      dup2(passed, 3);
    }
    const int out = open("/run/log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out, 1);
    dup2(out, 2);
    std::vector<char*> argv;
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
};

TEST_F(DaemonTest, ServesTheApiWhenItIsReadyAndStopsAtSigterm) {
  const pid_t pid = start();
  ASSERT_EQ(notification(), "READY=1");
  EXPECT_EQ(ping("/run/one/run/netd.sock"), "200 OK");
  struct stat status {};
  ASSERT_EQ(stat("/run/one/run/netd.sock", &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0660u);
  kill(pid, SIGTERM);
  EXPECT_EQ(notification(), "STOPPING=1");
  EXPECT_EQ(exit_status(pid), 0) << log();
  EXPECT_FALSE(fs::exists("/run/one/run/netd.sock"));
  EXPECT_TRUE(fs::exists("/run/one/state/netd.db"));
}

TEST_F(DaemonTest, LeavesTheKernelAsItIsWhenItStops) {
  const pid_t pid = start();
  ASSERT_EQ(notification(), "READY=1");
  const std::string links = shell("ip -o link | cut -d: -f2 | sort");
  EXPECT_THAT(links, HasSubstr("docker0"));
  kill(pid, SIGINT);
  EXPECT_EQ(exit_status(pid), 0) << log();
  EXPECT_EQ(shell("ip -o link | cut -d: -f2 | sort"), links);
  EXPECT_THAT(shell("nft list tables"), HasSubstr("table inet netd"));
}

TEST_F(DaemonTest, SighupChangesNothing) {
  const pid_t pid = start();
  ASSERT_EQ(notification(), "READY=1");
  kill(pid, SIGHUP);
  EXPECT_EQ(ping("/run/one/run/netd.sock"), "200 OK");
  kill(pid, SIGTERM);
  EXPECT_EQ(exit_status(pid), 0);
}

TEST_F(DaemonTest, ASecondOneInTheNamespaceIsRefusedByName) {
  const pid_t first = start();
  ASSERT_EQ(notification(), "READY=1");
  const pid_t second = start({}, "two");
  EXPECT_EQ(exit_status(second), 1);
  EXPECT_THAT(log(),
              HasSubstr("another netd (process " + std::to_string(first) +
                        ") runs in this network namespace; stop that one, or start this one in a "
                        "namespace of its own"));
}

TEST_F(DaemonTest, ASecondOneInTheStateDirectoryIsRefused) {
  start();
  ASSERT_EQ(notification(), "READY=1");
  const pid_t second = start();
  EXPECT_EQ(exit_status(second), 1);
  EXPECT_THAT(
      log(),
      HasSubstr("the state directory /run/one/state is in use by another netd; stop that one"));
}

TEST_F(DaemonTest, TheSocketOfAKilledNetdIsReplaced) {
  const pid_t first = start();
  ASSERT_EQ(notification(), "READY=1");
  kill(first, SIGKILL);
  EXPECT_EQ(exit_status(first), 128 + SIGKILL);
  EXPECT_TRUE(fs::exists("/run/one/run/netd.sock"));
  start();
  EXPECT_EQ(notification(), "READY=1");
  EXPECT_EQ(ping("/run/one/run/netd.sock"), "200 OK");
}

TEST_F(DaemonTest, ASocketThatAnotherProgramServesIsRefused) {
  const Fd other = unix_socket("/run/other.sock", SOCK_STREAM, true);
  ASSERT_EQ(listen(other.get(), 1), 0);
  const pid_t pid = start({"--host", "unix:///run/other.sock"});
  EXPECT_EQ(exit_status(pid), 1);
  EXPECT_THAT(log(), HasSubstr("listen at unix:///run/other.sock: another program serves there"));
}

TEST_F(DaemonTest, ServesEveryHost) {
  start({"-H", "unix:///run/a.sock", "-H", "unix:///run/b.sock"});
  ASSERT_EQ(notification(), "READY=1");
  EXPECT_EQ(ping("/run/a.sock"), "200 OK");
  EXPECT_EQ(ping("/run/b.sock"), "200 OK");
  EXPECT_FALSE(fs::exists("/run/one/run/netd.sock"));
}

TEST_F(DaemonTest, ServesTheSocketTheServiceManagerPasses) {
  const Fd passed = unix_socket("/run/passed.sock", SOCK_STREAM, true);
  ASSERT_EQ(listen(passed.get(), 16), 0);
  const pid_t pid = start({}, "one", passed.get());
  ASSERT_EQ(notification(), "READY=1");
  EXPECT_EQ(ping("/run/passed.sock"), "200 OK");
  kill(pid, SIGTERM);
  EXPECT_EQ(exit_status(pid), 0);
  EXPECT_TRUE(fs::exists("/run/passed.sock")) << "it is the service manager's";
}

TEST_F(DaemonTest, ADamagedDatabaseEndsItWithTheReason) {
  fs::create_directories("/run/one/state");
  std::ofstream("/run/one/state/netd.db") << std::string(5000, 'j');
  const pid_t pid = start();
  EXPECT_THAT(notification(),
              HasSubstr("STATUS=open /run/one/state/netd.db: file is not a database"));
  EXPECT_EQ(exit_status(pid), 1);
}

TEST_F(DaemonTest, CheckConfigStartsNothing) {
  const pid_t pid = start({"--check-config"});
  EXPECT_EQ(exit_status(pid), 0);
  EXPECT_FALSE(fs::exists("/run/one"));
  EXPECT_EQ(log(), "netd: the configuration is valid\n");
}

TEST_F(DaemonTest, AWrongFlagValueEndsItWithStatus2) {
  const pid_t pid = start({"--log-level", "loud"});
  EXPECT_EQ(exit_status(pid), 2);
  EXPECT_EQ(
      log(),
      "netd: log-level: \"loud\" is unknown; choose one of trace, debug, info, warn, error\n");
}

TEST_F(DaemonTest, TheLockGoesWithItsHolder) {
  fs::create_directories("/run/locked");
  { const netd::InstanceLock lock("/run/locked"); }
  const netd::InstanceLock lock("/run/locked");
  EXPECT_THROW(netd::InstanceLock("/run/locked"), std::runtime_error);
}

}  // namespace
}  // namespace tests
