#include "netd/plugin/serve.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "netd/api/handlers.h"
#include "netd/engine_driver.h"
#include "netd/log.h"
#include "netd/plugin/methods.h"
#include "netd/remote_verbs.h"

namespace netd::plugin {
namespace {

using nlohmann::json;

// An engine calls a handful of methods for each container, at most a few milliseconds each.
constexpr std::chrono::milliseconds quiet_below{500};

constexpr const char* media_type = "application/vnd.docker.plugins.v1.2+json";

/// Docker sends no Content-Type, and no body where there are no arguments.
json body_of(const api::Request& request) {
  if (request.body.find_first_not_of(" \t\r\n") == std::string::npos) return json::object();
  return json::parse(request.body);
}

api::Response answer(const json& body) {
  return {.status = 200,
          .content_type = media_type,
          .body = body.dump(-1, ' ', false, json::error_handler_t::replace)};
}

pid_t pid_of(const api::Request& request) {
  return request.peer ? request.peer->pid : 0;
}

/// Docker shows the text to the user.
api::Response refuse(const Method& method, pid_t pid, const std::exception& error) {
  log::warn("refused an engine",
            {{"method", method.name}, {"pid", std::to_string(pid)}, {"why", error.what()}});
  return answer({{method.error_member, error.what()}});
}

api::Response answer_later(const Method& method, pid_t pid, const api::Context& context,
                           std::function<json(RemoteVerbs&)> verb) {
  return api::ask_later(*context.verbs, {std::string(cluster_store)},
                        [method, pid, verb = std::move(verb)](RemoteVerbs& verbs) {
                          try {
                            return answer(verb(verbs));
                          } catch (const std::exception& error) {
                            return refuse(method, pid, error);
                          }
                        });
}

/// One method with its errors.
std::function<api::Response(const api::Call&)> wrap(const Method& method,
                                                    const api::Context& context) {
  return [method, context](const api::Call& call) mutable {
    const pid_t pid = pid_of(call.request);
    try {
      const json body = body_of(call.request);
      Answer given = method.handler({body, ""}, {call.request, context});
      if (!given.verb) return answer(given.json);
      return answer_later(method, pid, context, std::move(given.verb));
    } catch (const std::exception& error) {
      return refuse(method, pid, error);
    }
  };
}

Answer activate(const api::JsonObject&, const Caller& caller) {
  // An engine that starts says this first: what an earlier one left is nobody's by now.
  caller.context.controller.engine().sweep();
  return json{{"Implements", {"NetworkDriver", "IpamDriver"}}};
}

}  // namespace

std::optional<sandbox::ProcessIdentity> Caller::process() const {
  return request.peer ? sandbox::identify_process(request.peer->pid) : std::nullopt;
}

std::vector<api::Route> plugin_routes(const api::Context& context) {
  std::vector<Method> methods{{"Plugin.Activate", "Err", activate}};
  for (const auto& more : {network_methods(), ipam_methods()})
    methods.insert(methods.end(), more.begin(), more.end());
  std::vector<api::Route> routes;
  for (const Method& method : methods)
    routes.push_back({.method = "POST",
                      .pattern = std::string("/") + method.name,
                      .operation = method.name,
                      .handler = wrap(method, context),
                      .quiet_below = quiet_below});
  return routes;
}

}  // namespace netd::plugin
