#include "tests/support/namespace_test.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace tests {
namespace {

void check(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::system_category(), what);
}

}  // namespace

void NamespaceTest::enter_fresh_namespaces() {
  check(unshare(CLONE_NEWNET | CLONE_NEWNS), "unshare (tests need root)");
  check(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make / private");
  check(mount("tmpfs", "/run", "tmpfs", 0, "mode=755"), "mount tmpfs on /run");
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  check(fd, "socket");
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  check(ioctl(fd, SIOCSIFFLAGS, &request), "set lo up");
  close(fd);
}

std::string NamespaceTest::shell(const std::string& command) {
  FILE* pipe = popen(("{ " + command + "\n} 2>&1").c_str(), "r");
  if (!pipe) throw std::system_error(errno, std::system_category(), "popen");
  std::string output;
  char buffer[4096];
  while (const std::size_t read = fread(buffer, 1, sizeof buffer, pipe))
    output.append(buffer, read);
  const int status = pclose(pipe);
  EXPECT_EQ(status, 0) << command << "\n" << output;
  return output;
}

}  // namespace tests
