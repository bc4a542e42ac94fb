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

/// Bind-mounts them in the mount namespace of process `pid`, below the directory `rootfs` there
/// (before the runtime's pivot_root(2); after it, below its root). Symbolic links in the container
/// lead nowhere else. One that is there already stays, so that this can be done twice. A missing
/// target is made.
///
/// Returns what could not be done, in words; the container can run without. Does nothing for a
/// process that shares this one's mount namespace. Throws std::system_error when the process is
/// gone.
std::vector<std::string> mount_files(int pid, const std::string& rootfs,
                                     const std::vector<FileMount>& files);

}  // namespace runtime_hooks::oci
