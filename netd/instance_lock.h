// One netd per network namespace and per state directory.
#pragma once

#include <string>

#include "sandbox/fd.h"

namespace netd {

/// Held for the life of the daemon; the kernel lets go of both when the process ends, however it
/// ends.
class InstanceLock {
 public:
  /// Locks `state_dir`, which exists, with flock(2), and the calling thread's network namespace by
  /// binding the abstract unix socket "netd", whose names are the namespace's (unix(7)). Throws
  /// std::runtime_error that says who holds it and what to do.
  explicit InstanceLock(const std::string& state_dir);

 private:
  sandbox::Fd directory_;
  sandbox::Fd name_;
};

}  // namespace netd
