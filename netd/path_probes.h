// Do packets of full size pass between this host and the others? A link between two hosts that
// takes less than the hosts' own links swallows large packets without a word: ping works, and pages
// hang. So netd sends ICMP echo requests of that size, which may not be fragmented, to the tunnel
// addresses of hosts that share a network with this one (docs/overlay.md, "Full-size packets"): on
// the first contact, and once a minute to some others, and to those where it failed.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "ipam/address.h"
#include "sandbox/echo.h"

namespace netd {

class PathProbes {
 public:
  using Clock = std::chrono::steady_clock;
  struct Path {
    ipam::Address to;       // where another host's tunnels end
    std::size_t bytes = 0;  // of the largest packet that they carry
    friend bool operator==(const Path&, const Path&) = default;
  };
  enum class State {
    whole,   // packets of that size pass
    broken,  // small ones do, those don't
    silent,  // not even small ones are answered: nothing can be said
  };
  struct Result {
    Path path;
    State state = State::silent;
    std::string problem;
  };
  struct Means {
    /// Runs that on a worker.
    std::function<void(std::function<void()>)> start;
    /// Asked there between packets: false = netd stops.
    std::function<bool()> goes_on;
    std::function<sandbox::EchoOutcome(const ipam::Address&, std::size_t bytes)> echo;
  };

  static constexpr std::chrono::seconds period{60};
  static constexpr std::size_t most_new = 8;     // at a time
  static constexpr std::size_t most_again = 3;   // of those where all was well, each period
  static constexpr std::size_t most_broken = 8;  // the same of the others

  PathProbes(Means means, std::mt19937::result_type seed);

  /// The paths that there are now: those that are due are looked at, on a worker, unless the last
  /// ones still are.
  void look(const std::vector<Path>& paths, Clock::time_point now);

  // --- any thread
  std::vector<Result> results() const;

 private:
  struct Shared;
  std::vector<Path> choose(const std::vector<Path>& paths, Clock::time_point now);

  std::mt19937 random_;
  std::optional<Clock::time_point> round_;  // the last one
  std::shared_ptr<Shared> shared_;
};

}  // namespace netd
