#include "runtime-hooks/oci/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "sandbox/fd.h"

namespace runtime_hooks::oci {
namespace {

namespace fs = std::filesystem;
using sandbox::Fd;

[[noreturn]] void fail(const std::string& act) {
  throw std::system_error(errno, std::system_category(), act);
}

/// The file as this mount namespace has it, for use in another.
struct Source {
  Fd mount;  // a copy, which can be put there; of a placeholder just the file
  FileMount file;
};

struct Changes {
  std::vector<Source> files;
  std::vector<Source> placeholders;
  Fd descriptors;  // /proc/self/fd: after pivot_root(2) there may be no other way to it
};

bool is_same_file(int one, int other) {
  struct stat first {
  }, second{};
  return fstat(one, &first) == 0 && fstat(other, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

/// Not open when it can't be had.
Fd copy_mount(const std::string& path, bool read_only) {
  Fd mount(open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
                        (read_only ? MOUNT_ATTR_RDONLY : 0u);
  if (mount && mount_setattr(mount.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0)
    return Fd();
  return mount;
}

/// As a program that has `root` as its root directory would open it.
Fd open_in(int root, const std::string& path, std::uint64_t flags, std::uint64_t mode = 0) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return Fd(static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
}

Fd open_or_make_directory(int root, const fs::path& path) {
  Fd directory = open_in(root, path.empty() ? "." : path, O_PATH | O_DIRECTORY);
  if (directory || errno != ENOENT) return directory;
  if (const Fd parent = open_or_make_directory(root, path.parent_path()))
    mkdirat(parent.get(), path.filename().c_str(), 0755);
  return open_in(root, path, O_PATH | O_DIRECTORY);
}

/// A link to what is not there, as images have them for whom /run is filled at the start, gets what
/// it leads to.
Fd open_or_make(int root, const fs::path& path, int links = 8) {
  Fd file = open_in(root, path, O_PATH);
  if (file || errno != ENOENT) return file;
  const Fd directory = open_or_make_directory(root, path.parent_path());
  if (!directory) return Fd();
  std::array<char, PATH_MAX> link{};
  if (readlinkat(directory.get(), path.filename().c_str(), link.data(), link.size() - 1) > 0) {
    if (links == 0) return Fd();
    const fs::path target = (path.parent_path() / link.data()).lexically_normal();
    if (!open_or_make(root, target.relative_path(), links - 1)) return Fd();
    return open_in(root, path, O_PATH);  // where another link on the way leads elsewhere: ENOENT
  }
  if (!open_in(root, path, O_CREAT | O_RDONLY | O_NONBLOCK, 0644)) return Fd();
  return open_in(root, path, O_PATH);
}

void put_over(int root, const Source& source, std::vector<std::string>& problems) {
  const Fd target = open_or_make(root, source.file.target);
  if (target && is_same_file(source.mount.get(), target.get())) return;
  if (!target || move_mount(source.mount.get(), "", target.get(), "",
                            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
    problems.push_back(fmt::format("mount {} over /{} of the container: {}", source.file.source,
                                   source.file.target, std::system_category().message(errno)));
}

/// umount2(2) takes nothing but a path: that of the descriptor.
void take_away(int root, int descriptors, const Source& placeholder,
               std::vector<std::string>& problems) {
  const Fd target = open_in(root, placeholder.file.target, O_PATH);
  if (!target || !is_same_file(placeholder.mount.get(), target.get())) return;
  if (fchdir(descriptors) < 0 || umount2(std::to_string(target.get()).c_str(), MNT_DETACH) < 0)
    problems.push_back(fmt::format("unmount {} from /{} of the container: {}",
                                   placeholder.file.source, placeholder.file.target,
                                   std::system_category().message(errno)));
}

void enter_and_change(int mount_namespace, const std::string& path, const Changes& changes,
                      std::vector<std::string>& problems) {
  // setns(2) takes a thread that shares its root directory with none.
  if (unshare(CLONE_FS) < 0 || setns(mount_namespace, CLONE_NEWNS) < 0)
    fail("enter the container's mount namespace");
  constexpr int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  const Fd before_pivot(path.empty() ? -1 : open(path.c_str(), flags));
  const Fd root(before_pivot ? dup(before_pivot.get()) : open("/", flags));
  for (const Source& file : changes.files)
    put_over(root.get(), file, problems);
  for (const Source& placeholder : changes.placeholders)
    take_away(root.get(), changes.descriptors.get(), placeholder, problems);
}

}  // namespace

std::vector<std::string> mount_files(int pid, const Root& root, const std::vector<FileMount>& files,
                                     const std::vector<FileMount>& placeholders) {
  std::vector<std::string> problems;
  const std::string path = fmt::format("/proc/{}/ns/mnt", pid);
  const Fd theirs(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!theirs) fail("open " + path);
  const Fd ours(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
  if (is_same_file(theirs.get(), ours.get())) return problems;
  Changes changes{.descriptors = Fd(open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC))};
  for (const FileMount& file : files) {
    if (Fd mount = copy_mount(file.source, root.read_only))
      changes.files.push_back({std::move(mount), file});
    else
      problems.push_back(
          fmt::format("take {}: {}", file.source, std::system_category().message(errno)));
  }
  for (const FileMount& file : placeholders)
    if (Fd own{open(file.source.c_str(), O_PATH | O_CLOEXEC)})
      changes.placeholders.push_back({std::move(own), file});
  // On a thread of its own: this one stays where netd's socket is.
  std::exception_ptr failure;
  std::thread([&] {
    try {
      enter_and_change(theirs.get(), root.path, changes, problems);
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
  return problems;
}

}  // namespace runtime_hooks::oci
