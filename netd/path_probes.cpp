#include "netd/path_probes.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "netd/log.h"

namespace netd {
namespace {

constexpr std::size_t small_packet = 84;  // what ping sends
constexpr int tries = 3;                  // packets get lost for other reasons too

PathProbes::Result probe(const PathProbes::Means& means, const PathProbes::Path& path) {
  using State = PathProbes::State;
  const auto passes = [&](std::size_t bytes) {
    return means.goes_on() ? means.echo(path.to, bytes)
                           : sandbox::EchoOutcome{.problem = "netd stops"};
  };
  if (const auto small = passes(small_packet); !small.answered)
    return {path, State::silent, small.problem};
  sandbox::EchoOutcome full;
  for (int i = 0; i < tries; ++i) {
    full = passes(path.bytes);
    if (full.answered) return {path, State::whole, ""};
  }
  // It may have gone away meanwhile.
  if (const auto small = passes(small_packet); !small.answered)
    return {path, State::silent, small.problem};
  return {path, State::broken, full.problem};
}

void say_change(const PathProbes::Result& result, bool was_broken) {
  const bool is_broken = result.state == PathProbes::State::broken;
  const std::string to = result.path.to.to_string();
  const std::string bytes = std::to_string(result.path.bytes);
  if (is_broken && !was_broken)
    log::warn("packets of full size don't pass to another host whole: they get lost, or are slow",
              {{"to", to}, {"bytes", bytes}, {"problem", result.problem}});
  if (was_broken && result.state == PathProbes::State::whole)
    log::info("packets of full size pass to another host again", {{"to", to}, {"bytes", bytes}});
}

}  // namespace

struct PathProbes::Shared {
  const Means means;
  mutable std::mutex mutex;
  std::map<ipam::Address, Result> results;  // guarded by mutex
  bool busy = false;                        // guarded by mutex

  explicit Shared(Means means_) : means(std::move(means_)) {}
  void note(const Result& result);
};

/// Where nothing can be said now, what was known to be broken stays so.
void PathProbes::Shared::note(const Result& result) {
  bool was_broken = false;
  {
    const std::lock_guard lock(mutex);
    Result& known = results[result.path.to];
    was_broken = known.state == State::broken;
    known.path = result.path;
    if (!was_broken || result.state != State::silent) known = result;
  }
  say_change(result, was_broken);
}

PathProbes::PathProbes(Means means, std::mt19937::result_type seed)
    : random_(seed), shared_(std::make_shared<Shared>(std::move(means))) {}

std::vector<PathProbes::Result> PathProbes::results() const {
  const std::lock_guard lock(shared_->mutex);
  std::vector<Result> all;
  for (const auto& [to, result] : shared_->results)
    all.push_back(result);
  return all;
}

/// With the lock held. What isn't a path any more is forgotten.
std::vector<PathProbes::Path> PathProbes::choose(const std::vector<Path>& paths,
                                                 Clock::time_point now) {
  auto& results = shared_->results;
  std::set<ipam::Address> there;
  std::vector<Path> chosen, broken, others;
  for (const Path& path : paths) {
    there.insert(path.to);
    const auto known = results.find(path.to);
    if (known == results.end() || known->second.path != path) {
      if (chosen.size() < most_new) chosen.push_back(path);
    } else {
      (known->second.state == State::broken ? broken : others).push_back(path);
    }
  }
  std::erase_if(results, [&](const auto& result) { return !there.contains(result.first); });
  if (round_ && now - *round_ < period) return chosen;
  round_ = now;
  std::ranges::sample(broken, std::back_inserter(chosen), most_broken, random_);
  std::ranges::sample(others, std::back_inserter(chosen), most_again, random_);
  return chosen;
}

void PathProbes::look(const std::vector<Path>& paths, Clock::time_point now) {
  std::vector<Path> chosen;
  {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->busy) return;
    chosen = choose(paths, now);
    if (chosen.empty()) return;
    shared_->busy = true;
  }
  const auto idle = [shared = shared_] {
    const std::lock_guard lock(shared->mutex);
    shared->busy = false;
  };
  try {
    shared_->means.start([shared = shared_, chosen = std::move(chosen), idle] {
      for (const Path& path : chosen)
        if (shared->means.goes_on()) shared->note(probe(shared->means, path));
      idle();
    });
  } catch (...) {
    idle();
    throw;
  }
}

}  // namespace netd
