// A sandbox's resolv.conf, hosts and hostname, put over the container's own. The hook does this
// itself, in the container's mount namespace: the files' paths are known when the sandbox is made,
// which is later than the runtime makes the mounts of config.json.
#pragma once

#include <string>
#include <vector>

namespace runtime_hooks::oci {

struct FileMount {
  std::string source;  // "/run/netd/sandboxes/<id>/hosts", as this process sees it
  std::string target;  // "etc/hosts", in the container's root
};

/// Where a container's files are.
struct Root {
  std::string path;  // before the runtime's pivot_root(2); empty: its mount namespace's
  bool read_only = false;
};

/// Bind-mounts them in the mount namespace of process `pid`, below its root (after pivot_root(2)
/// that of the namespace). Symbolic links in the container lead nowhere else. One that is there
/// already stays, so that this can be done twice. A missing target is made. Nothing in them is
/// executed, and in a container whose root is read-only they are, too.
///
/// `placeholders` are bound there already, from their sources: they are taken away, so that the
/// image's own files are seen.
///
/// Returns what could not be done, in words; the container can run without. Does nothing for a
/// process that shares this one's mount namespace. Throws std::system_error when the process is
/// gone.
std::vector<std::string> mount_files(int pid, const Root& root, const std::vector<FileMount>& files,
                                     const std::vector<FileMount>& placeholders);

}  // namespace runtime_hooks::oci
