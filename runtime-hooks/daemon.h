// netd as a runtime's helper asks it: a runtime waits, so there is an end to patience, and netd may
// be starting again at just this moment.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

#include "netd/client/http.h"

namespace runtime_hooks {

/// netd answered, and said no. `what()` is netd's message.
struct Refusal : std::runtime_error {
  Refusal(int status_, const std::string& message) : std::runtime_error(message), status(status_) {}
  int status;
};

struct Patience {
  std::chrono::milliseconds in_all = std::chrono::seconds(20);
  /// How long netd may be away; within `in_all`.
  std::chrono::milliseconds without_daemon = std::chrono::seconds(3);
};

class Daemon {
 public:
  using Clock = std::chrono::steady_clock;

  /// Patience begins now.
  Daemon(std::string host, Patience patience);

  /// One request, said again when netd went away before it answered: what is asked has to bear
  /// that. Throws client::NoDaemon or std::runtime_error when patience ends.
  netd::client::Response ask(std::string_view method, const std::string& target,
                             const nlohmann::json* body = nullptr);
  /// The JSON of a success; throws Refusal for another answer.
  nlohmann::json get(const std::string& target);

  /// Each time twice as long, up to a fifth of a second. False: it is time to give up.
  bool wait_a_moment();

 private:
  std::chrono::milliseconds left() const;

  std::string host_;
  Patience patience_;
  Clock::time_point end_;
  std::chrono::milliseconds next_wait_;
};

}  // namespace runtime_hooks
