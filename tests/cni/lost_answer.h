// A netd that is killed after it has done what it was asked, and before it says so: it is there
// again at once, and nobody got the answer.
#pragma once

#include <atomic>
#include <string>

#include "tests/e2e/servers.h"

namespace cni {

/// Passes on what comes at the socket `path` to netd's, but for the answers to the first `times`
/// requests that begin with `request` ("POST /sandboxes "): there it hangs up.
class LostAnswer : public e2e::Server {
 public:
  LostAnswer(const std::string& path, const std::string& request, int times = 1);
  /// How many it has lost by now.
  int lost() const { return lost_; }

 private:
  void pass(int listener);

  std::string request_;
  int to_lose_;
  std::atomic<int> lost_ = 0;
};

}  // namespace cni
