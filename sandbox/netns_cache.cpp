#include "sandbox/netns_cache.h"

#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "sandbox/netns.h"

namespace sandbox {

OpenNetns* NetnsCache::find(const std::string& path) {
  if (const auto known = by_path_.find(path); known != by_path_.end()) {
    struct stat now {};
    // Somebody else may have taken the pin away, or put another namespace there.
    if (::stat(path.c_str(), &now) == 0 && now.st_dev == known->second->device &&
        now.st_ino == known->second->inode) {
      open_.splice(open_.begin(), open_, known->second);
      return &open_.front();
    }
    drop(path);
  }
  Fd fd = find_netns(path);
  return fd ? &open(path, std::move(fd)) : nullptr;
}

OpenNetns& NetnsCache::get(const std::string& path) {
  if (OpenNetns* const found = find(path)) return *found;
  throw std::system_error(ENOENT, std::system_category(), "open network namespace " + path);
}

void NetnsCache::drop(const std::string& path) {
  const auto known = by_path_.find(path);
  if (known == by_path_.end()) return;
  open_.erase(known->second);
  by_path_.erase(known);
}

OpenNetns& NetnsCache::open(const std::string& path, Fd fd) {
  struct stat status {};
  if (::fstat(fd.get(), &status) < 0) {
    throw std::system_error(errno, std::system_category(), "stat network namespace " + path);
  }
  RtnlSocket rtnl = in_netns(fd.get(), [] { return RtnlSocket(); });
  if (open_.size() >= limit_) drop(std::string(open_.back().path));
  open_.push_front({path, status.st_dev, status.st_ino, std::move(fd), std::move(rtnl)});
  by_path_[path] = open_.begin();
  return open_.front();
}

}  // namespace sandbox
