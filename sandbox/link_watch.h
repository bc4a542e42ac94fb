// Notices of links that come, change or go, and of their addresses (rtnetlink(7)).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/fd.h"

namespace sandbox {

/// One thing that happened to a link; it may have happened again since.
struct LinkChange {
  std::uint32_t index = 0;
  std::string name;  // which it has, or had when it went; empty: its addresses changed
};

struct LinkNotices {
  std::vector<LinkChange> changes;
  bool lost = false;  // there were too many: anything may have happened
  bool empty() const { return changes.empty() && !lost; }
};

/// A socket in the namespace that it is constructed in. One thread.
class LinkWatch {
 public:
  /// Throws std::system_error.
  LinkWatch();
  /// Readable when there is something to read.
  int fd() const { return fd_.get(); }

  /// What has happened since the last call. Never blocks.
  LinkNotices read();

 private:
  Fd fd_;
};

}  // namespace sandbox
