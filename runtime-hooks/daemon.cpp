#include "runtime-hooks/daemon.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

namespace runtime_hooks {
namespace {

constexpr std::chrono::milliseconds moment{20}, longest_wait{200};

}  // namespace

Daemon::Daemon(std::string host, Patience patience)
    : host_(std::move(host)),
      patience_(patience),
      end_(Clock::now() + patience.in_all),
      next_wait_(moment) {}

std::chrono::milliseconds Daemon::left() const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now());
  return std::max(left, std::chrono::milliseconds(1));
}

bool Daemon::wait_a_moment() {
  const auto wait = std::exchange(next_wait_, std::min(next_wait_ * 2, longest_wait));
  if (Clock::now() + wait >= end_) return false;
  std::this_thread::sleep_for(wait);
  return true;
}

netd::client::Response Daemon::ask(std::string_view method, const std::string& target,
                                   const nlohmann::json* body) {
  std::optional<Clock::time_point> give_up;  // since it went away
  for (;;) {
    try {
      // A client's deadline is that of each request, and what is left gets less.
      return netd::client::Client(host_, left()).request(method, target, body);
    } catch (const std::runtime_error&) {
      if (!give_up) give_up = std::min(end_, Clock::now() + patience_.without_daemon);
      if (Clock::now() + moment >= *give_up) throw;
    }
    std::this_thread::sleep_for(moment);
  }
}

nlohmann::json Daemon::get(const std::string& target) {
  const auto answer = ask("GET", target);
  if (!answer.ok()) throw Refusal(answer.status, answer.message());
  return answer.json();
}

}  // namespace runtime_hooks
