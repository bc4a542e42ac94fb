#include "netd/plugin/engine_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "netd/api/json_reader.h"
#include "netd/client/http.h"
#include "netd/log.h"

namespace netd::plugin {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

/// An engine answers about a container when it has started it: what takes longer is asked again.
constexpr milliseconds deadline{3'000};
constexpr std::array waits{milliseconds(30),    milliseconds(100),   milliseconds(200),
                           milliseconds(400),   milliseconds(800),   milliseconds(1'600),
                           milliseconds(3'200), milliseconds(6'400), milliseconds(12'800),
                           milliseconds(25'600)};

json parse(const std::string& body) {
  json parsed = json::parse(body, nullptr, false);
  if (parsed.is_discarded()) throw std::invalid_argument("the engine's answer is not JSON");
  return parsed;
}

std::string get(const std::string& api, const std::string& path) {
  client::Client engine(api, deadline);
  client::Response response = engine.request("GET", path);
  if (!response.ok()) throw std::runtime_error(response.message());
  return std::move(response.body);
}

/// Absent: the engine does not list the endpoint yet.
std::optional<EngineNames::Answer> look_up(const api::NamesQuestion& question) {
  const NetworkAnswer network = read_network_answer(
      get(question.api, "/networks/" + question.network_id), question.endpoint_id);
  EngineNames::Answer answer{question, network.name, {}};
  if (question.endpoint_id.empty()) return answer;
  if (network.container_id.empty()) return std::nullopt;
  answer.container = read_container_answer(
      get(question.api, "/containers/" + client::encode(network.container_id) + "/json"),
      network.name);
  return answer;
}

}  // namespace

NetworkAnswer read_network_answer(const std::string& body, const std::string& endpoint_id) {
  const json parsed = parse(body);
  const api::JsonObject network(parsed, "");
  NetworkAnswer answer{.name = network.text("Name"), .container_id = ""};
  const api::JsonObject containers = network.object("Containers");
  for (const auto& [id, value] : containers.json().items())
    if (!endpoint_id.empty() && !id.starts_with("ep-") &&
        api::JsonObject(value, id).text("EndpointID") == endpoint_id)
      answer.container_id = id;
  return answer;
}

ContainerNames read_container_answer(const std::string& body, const std::string& network_name) {
  const json parsed = parse(body);
  const api::JsonObject container(parsed, "");
  ContainerNames names{.id = container.text("Id"),
                       .name = container.text("Name"),
                       .hostname = container.object("Config").text("Hostname"),
                       .aliases = {}};
  if (names.name.starts_with('/')) names.name.erase(0, 1);
  names.aliases =
      container.object("NetworkSettings").object("Networks").object(network_name).texts("Aliases");
  return names;
}

EngineNames::EngineNames(std::function<void(Answer)> on_answer)
    : on_answer_(std::move(on_answer)), thread_([this] { run(); }) {}

EngineNames::~EngineNames() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void EngineNames::ask(api::NamesQuestion question) {
  const std::lock_guard lock(mutex_);
  pending_.push({Clock::now() + waits.front(), std::move(question)});
  changed_.notify_one();
}

void EngineNames::ask_again(Pending pending, const std::string& reason) {
  if (static_cast<std::size_t>(++pending.attempt) >= waits.size()) {
    log::warn("an engine does not tell a container's name: other sandboxes don't find it by name",
              {{"engine", pending.question.api},
               {"network", log::short_id(pending.question.network_id)},
               {"endpoint", log::short_id(pending.question.endpoint_id)},
               {"why", reason}});
    return;
  }
  const std::lock_guard lock(mutex_);
  pending.due = Clock::now() + waits[static_cast<std::size_t>(pending.attempt)];
  pending_.push(std::move(pending));
}

void EngineNames::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (pending_.empty()) {
      changed_.wait(lock);
      continue;
    }
    if (const auto due = pending_.top().due; due > Clock::now()) {
      changed_.wait_until(lock, due);
      continue;
    }
    Pending pending = pending_.top();
    pending_.pop();
    lock.unlock();
    std::string reason = "it does not list the endpoint";
    std::optional<Answer> answer;
    try {
      answer = look_up(pending.question);
    } catch (const std::exception& error) {
      reason = error.what();
    }
    if (answer)
      on_answer_(std::move(*answer));
    else
      ask_again(std::move(pending), reason);
    lock.lock();
  }
}

}  // namespace netd::plugin
