// Open descriptors and rtnetlink sockets of pinned namespaces, so that the steps of one plan don't
// enter the namespace each time.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>

#include "sandbox/fd.h"
#include "sandbox/rtnl.h"

namespace sandbox {

/// A pinned namespace, entered once. Keeps the namespace alive.
struct OpenNetns {
  std::string path;
  dev_t device = 0;
  ino_t inode = 0;
  Fd fd;
  RtnlSocket rtnl;
};

/// Remembers the `limit` namespaces used last. One thread.
class NetnsCache {
 public:
  explicit NetnsCache(std::size_t limit = 1024) : limit_(limit) {}

  /// The namespace that is pinned at `path` now, or null when none is. Valid until the next call.
  /// Throws std::system_error.
  OpenNetns* find(const std::string& path);
  /// As find; throws ENOENT ("open network namespace PATH") when none is pinned.
  OpenNetns& get(const std::string& path);
  /// Closes what is open of `path`, so that the namespace can die.
  void drop(const std::string& path);
  std::size_t size() const { return open_.size(); }

 private:
  using Entries = std::list<OpenNetns>;  // the one used last first

  OpenNetns& open(const std::string& path, Fd fd);

  std::size_t limit_;
  Entries open_;
  std::unordered_map<std::string, Entries::iterator> by_path_;
};

}  // namespace sandbox
