#include "netd/notify.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

namespace netd {
namespace {

/// A service manager's socket with this name ('@' for the abstract namespace).
int notification_socket(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  if (name[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), size), 0) << strerror(errno);
  return fd;
}

std::string received(int fd) {
  char buffer[256];
  const ssize_t got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
  return got < 0 ? "nothing" : std::string(buffer, static_cast<std::size_t>(got));
}

TEST(Notify, TellsTheSocketThatTheEnvironmentNames) {
  for (const std::string& name : {"/tmp/netd-notify-" + std::to_string(getpid()),
                                  "@netd-notify-" + std::to_string(getpid())}) {
    const int fd = notification_socket(name);
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
    EXPECT_TRUE(notify_service_manager("READY=1"));
    EXPECT_EQ(received(fd), "READY=1");
    close(fd);
    if (name[0] == '/') unlink(name.c_str());
  }
  unsetenv("NOTIFY_SOCKET");
}

TEST(Notify, WithoutAServiceManagerNothingHappens) {
  unsetenv("NOTIFY_SOCKET");
  EXPECT_FALSE(notify_service_manager("READY=1"));
  setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
  EXPECT_FALSE(notify_service_manager("READY=1"));
  setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
  EXPECT_FALSE(notify_service_manager("READY=1"));
  unsetenv("NOTIFY_SOCKET");
}

/// Sets what sd_listen_fds(3) reads, for process `pid`.
void pass_sockets(pid_t pid, const std::string& count) {
  setenv("LISTEN_PID", std::to_string(pid).c_str(), 1);
  setenv("LISTEN_FDS", count.c_str(), 1);
}

TEST(Activation, TakesThePassedSocketsAndTheVariables) {
  // Whatever 3 is in this process, it is put back.
  const int kept = fcntl(3, F_DUPFD_CLOEXEC, 10);
  const int passed = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_GE(passed, 0);
  ASSERT_EQ(dup2(passed, 3), 3);
  pass_sockets(getpid(), "1");
  EXPECT_EQ(take_activation_sockets(), std::vector<int>{3});
  EXPECT_EQ(fcntl(3, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(getenv("LISTEN_FDS"), nullptr);
  EXPECT_EQ(getenv("LISTEN_PID"), nullptr);
  EXPECT_TRUE(take_activation_sockets().empty()) << "they are given once";
  if (passed != 3) close(passed);
  kept >= 0 ? dup2(kept, 3) : close(3);
  if (kept >= 0) close(kept);
}

TEST(Activation, IgnoresWhatIsMeantForAnotherProcessOrMakesNoSense) {
  pass_sockets(getpid() + 1, "1");
  EXPECT_TRUE(take_activation_sockets().empty());
  for (const char* count : {"", "x", "0", "-1", "1000000", "1 "}) {
    pass_sockets(getpid(), count);
    EXPECT_TRUE(take_activation_sockets().empty()) << count;
  }
}

}  // namespace
}  // namespace netd
