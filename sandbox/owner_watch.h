// Whether what a sandbox's namespace was taken from is still there: the process that had it, or the
// path that led to it. Both are of others, so nobody tells netd when they go.
//
// A process is watched by its pidfd (pidfd_open(2)), which is of that very process even when its
// number is given to another. A path is looked at when something is deleted beside it (inotify(7):
// `ip netns del` unmounts and deletes, and a file that is deleted in another mount namespace loses
// its mounts everywhere), and every five seconds for who only unmounts.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sandbox/fd.h"
#include "sandbox/process.h"

namespace sandbox {

/// One thread; fd() may be waited for by another.
class OwnerWatch {
 public:
  /// Throws std::system_error.
  OwnerWatch();

  /// Readable when ended() has something to say, or to look after.
  int fd() const { return epoll_.get(); }

  /// Watches a process for `key`, instead of what was watched before. One that has ended already is
  /// told by ended() as any other. Throws std::system_error.
  void watch(const std::string& key, const ProcessIdentity& process);
  /// Watches that `path` leads to the namespace that is pinned at `pin`. As above.
  void watch(const std::string& key, const std::string& path, const std::string& pin);
  /// Tells `key` as ended a quarter of a second from now: nothing could be done about it yet.
  void remind(const std::string& key);
  void forget(const std::string& key);

  /// The keys whose process has ended or whose path leads elsewhere; they are forgotten. Never
  /// blocks.
  std::vector<std::string> ended();

 private:
  using Clock = std::chrono::steady_clock;
  struct Process {
    Fd pidfd;
    std::uint64_t number = 0;  // what epoll calls it
  };
  struct Path {
    std::string path;
    std::string pin;
  };

  void set_timer();
  void watch_directory(const std::string& path);
  void look_at_paths(std::vector<std::string>& ended);
  std::vector<std::uint64_t> ready();

  Fd epoll_;
  Fd timer_;
  std::optional<Clock::time_point> due_;  // what the timer is set to; absent: to nothing
  Fd directories_;                        // inotify; none without paths
  std::uint64_t next_number_;
  std::map<std::string, Process> processes_;
  std::map<std::uint64_t, std::string> by_number_;
  std::map<std::string, Path> paths_;
  std::set<std::string> reminders_;
};

}  // namespace sandbox
