#include "sandbox/netns.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <system_error>
#include <thread>

#include "sandbox/sysctl.h"

namespace sandbox {
namespace {

[[noreturn]] void fail(const std::string& act, int code = errno) {
  throw std::system_error(code, std::system_category(), act);
}

void run_on_own_thread(const std::function<void()>& body) {
  std::exception_ptr error;
  std::thread thread([&] {
    try {
      body();
    } catch (...) {
      error = std::current_exception();
    }
  });
  thread.join();
  if (error) std::rethrow_exception(error);
}

/// Bind-mounts `source` on a new file at `path`; leaves no file when that fails.
void bind_on_new_file(const std::string& source, const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  if (!file) fail("create " + path);
  if (::mount(source.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) < 0) {
    const int code = errno;
    ::unlink(path.c_str());
    fail("pin network namespace at " + path, code);
  }
}

bool is_network_namespace(int fd) {
  return ::ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

bool is_mount_point(const std::string& path) {
  struct statx status {};
  if (::statx(AT_FDCWD, path.c_str(), 0, 0, &status) < 0) fail("stat " + path);
  return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace

void pin_new(const std::string& path) {
  run_on_own_thread([&] {
    if (::unshare(CLONE_NEWNET) < 0) fail("create network namespace for " + path);
    bind_on_new_file("/proc/thread-self/ns/net", path);
  });
}

void pin_existing(const std::string& source, const std::string& path) {
  // Through the descriptor: what was checked is what gets mounted, even if the pid is reused.
  const Fd netns = open_netns(source);
  bind_on_new_file("/proc/thread-self/fd/" + std::to_string(netns.get()), path);
}

void unpin(const std::string& path) {
  // EINVAL: a file without a mount, as a netd that was killed between the two leaves it.
  if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL &&
      errno != ENOENT) {
    fail("unmount " + path);
  }
  if (::unlink(path.c_str()) < 0 && errno != ENOENT) fail("remove " + path);
}

bool is_pinned(const std::string& path) {
  return static_cast<bool>(find_netns(path));
}

bool is_same_netns(const std::string& path, const std::string& other) {
  struct stat one {
  }, two{};
  return ::stat(path.c_str(), &one) == 0 && ::stat(other.c_str(), &two) == 0 &&
         one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

Fd open_netns(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) fail("open network namespace " + path);
  if (!is_network_namespace(fd.get())) fail("open network namespace " + path, EINVAL);
  return fd;
}

Fd find_netns(const std::string& path) {
  // statfs first: it opens nothing, so that a foreign FIFO or device in the way has no effect.
  struct statfs status {};
  if (::statfs(path.c_str(), &status) < 0 || status.f_type != NSFS_MAGIC) return Fd();
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd && is_network_namespace(fd.get()) ? std::move(fd) : Fd();
}

void run_in_netns(int netns, const std::function<void()>& body) {
  run_on_own_thread([&] {
    if (::setns(netns, CLONE_NEWNET) < 0) fail("enter network namespace");
    body();
  });
}

std::uint64_t netns_cookie() {
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) fail("open socket");
  std::uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) < 0) {
    fail("read network namespace cookie");
  }
  return cookie;
}

std::string boot_id() {
  const auto id = read_sysctl("kernel/random/boot_id");
  if (!id) fail("read boot id", ENOENT);
  return *id;
}

void make_shared_mount(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0755) < 0 && errno != EEXIST) fail("create " + directory);
  const char* const path = directory.c_str();
  if (!is_mount_point(directory) && ::mount(path, path, nullptr, MS_BIND, nullptr) < 0) {
    fail("bind " + directory + " on itself");
  }
  if (::mount(nullptr, path, nullptr, MS_SHARED, nullptr) < 0) fail("share mount " + directory);
}

}  // namespace sandbox
