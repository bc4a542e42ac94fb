// Container names, hostnames and aliases never reach a plugin. Where a network says how its engine
// can be asked (`-o io.netd.engine=unix:///var/run/docker.sock`), they are asked for here: in the
// background, so that the engine, which waits for netd while it starts a container, does not wait
// for itself.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <queue>
#include <string>
#include <thread>
#include <vector>

#include "netd/api/routes.h"
#include "netd/engine_driver.h"

namespace netd::plugin {

class EngineNames {
 public:
  /// What an engine answered; the container is absent for a question about a network alone.
  struct Answer {
    api::NamesQuestion question;
    std::string network_name;
    std::optional<ContainerNames> container;
  };
  /// `on_answer` is called on this object's own thread.
  explicit EngineNames(std::function<void(Answer)> on_answer);
  /// Waits for a question that is being asked: some seconds at most.
  ~EngineNames();
  EngineNames(const EngineNames&) = delete;
  EngineNames& operator=(const EngineNames&) = delete;

  /// Asks, and again while the engine does not know yet: it lists a container's networks when it
  /// has started, 0.1 to 1 s after Join. Gives up after about a minute. Any thread.
  void ask(api::NamesQuestion question);

 private:
  using Clock = std::chrono::steady_clock;
  struct Pending {
    Clock::time_point due;
    api::NamesQuestion question;
    int attempt = 0;
    friend bool operator<(const Pending& a, const Pending& b) { return a.due > b.due; }
  };

  void run();
  void ask_again(Pending pending, const std::string& reason);

  std::function<void(Answer)> on_answer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::priority_queue<Pending> pending_;  // the soonest on top
  bool stopping_ = false;
  std::thread thread_;
};

/// What GET /networks/<id> says: the network's name, and the id of the container that has the
/// endpoint ("" while the engine does not list it). Throws std::invalid_argument.
struct NetworkAnswer {
  std::string name;
  std::string container_id;
};
NetworkAnswer read_network_answer(const std::string& body, const std::string& endpoint_id);
/// What GET /containers/<id>/json says of its names on that network. Throws std::invalid_argument.
ContainerNames read_container_answer(const std::string& body, const std::string& network_name);

}  // namespace netd::plugin
