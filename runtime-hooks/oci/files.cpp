#include "runtime-hooks/oci/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>

namespace runtime_hooks::oci {
namespace {

/// sandbox::Fd lives in a folder that this one knows nothing of.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

[[noreturn]] void fail(const std::string& act) {
  throw std::system_error(errno, std::system_category(), act);
}

/// A copy of the file's mount, which can be put into another mount namespace.
struct Source {
  Descriptor mount;
  FileMount file;
};

bool is_same_file(int one, int other) {
  struct stat first {
  }, second{};
  return fstat(one, &first) == 0 && fstat(other, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

/// Not open when it can't be had.
Descriptor copy_mount(const std::string& path, bool read_only) {
  Descriptor mount(open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
                        (read_only ? MOUNT_ATTR_RDONLY : 0u);
  if (mount && mount_setattr(mount.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0)
    return Descriptor(-1);
  return mount;
}

/// As a program that has `root` as its root directory would open it.
Descriptor open_in(int root, const std::string& path, std::uint64_t flags, std::uint64_t mode = 0) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return Descriptor(static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
}

Descriptor open_or_make(int root, const std::string& path) {
  Descriptor file = open_in(root, path, O_PATH);
  if (file || errno != ENOENT) return file;
  mkdirat(root, path.substr(0, path.find('/')).c_str(), 0755);
  if (!open_in(root, path, O_CREAT | O_RDONLY | O_NONBLOCK, 0644)) return Descriptor(-1);
  return open_in(root, path, O_PATH);
}

void put_over(int root, const Source& source, std::vector<std::string>& problems) {
  const Descriptor target = open_or_make(root, source.file.target);
  if (target && is_same_file(source.mount.get(), target.get())) return;
  if (!target || move_mount(source.mount.get(), "", target.get(), "",
                            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
    problems.push_back(fmt::format("mount {} over /{} of the container: {}", source.file.source,
                                   source.file.target, std::system_category().message(errno)));
}

void enter_and_mount(int mount_namespace, const std::string& path,
                     const std::vector<Source>& sources, std::vector<std::string>& problems) {
  // setns(2) takes a thread that shares its root directory with none.
  if (unshare(CLONE_FS) < 0 || setns(mount_namespace, CLONE_NEWNS) < 0)
    fail("enter the container's mount namespace");
  constexpr int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  const Descriptor before_pivot(path.empty() ? -1 : open(path.c_str(), flags));
  const Descriptor root(before_pivot ? dup(before_pivot.get()) : open("/", flags));
  for (const Source& source : sources)
    put_over(root.get(), source, problems);
}

}  // namespace

std::vector<std::string> mount_files(int pid, const Root& root,
                                     const std::vector<FileMount>& files) {
  std::vector<std::string> problems;
  const std::string path = fmt::format("/proc/{}/ns/mnt", pid);
  const Descriptor theirs(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!theirs) fail("open " + path);
  const Descriptor ours(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
  if (is_same_file(theirs.get(), ours.get())) return problems;
  std::vector<Source> sources;
  for (const FileMount& file : files) {
    if (Descriptor mount = copy_mount(file.source, root.read_only))
      sources.push_back({std::move(mount), file});
    else
      problems.push_back(
          fmt::format("take {}: {}", file.source, std::system_category().message(errno)));
  }
  // On a thread of its own: this one stays where netd's socket is.
  std::exception_ptr failure;
  std::thread([&] {
    try {
      enter_and_mount(theirs.get(), root.path, sources, problems);
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
  return problems;
}

}  // namespace runtime_hooks::oci
