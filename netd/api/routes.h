// netd's route table: the Engine API's networking part, sandboxes, diagnostics (interfaces.md).
#pragma once

#include <functional>
#include <string>

#include "netd/api/router.h"

namespace netd {
class Controller;
class Events;
class ClusterMember;
class RemoteVerbs;
struct Config;
}  // namespace netd

namespace netd::api {

class Metrics;

/// What an engine is asked about a network (and an endpoint on it, unless that is empty).
struct NamesQuestion {
  std::string api;  // "unix:///var/run/docker.sock"
  std::string network_id;
  std::string endpoint_id;
};

/// What handlers work on; all of it outlives the router. Used on the control thread.
struct Context {
  Controller& controller;
  Events& events;
  const Config& config;
  Metrics& metrics;
  RemoteVerbs* verbs = nullptr;      // null: no plugins are asked
  ClusterMember* cluster = nullptr;  // null: this host is in none
  /// Asks in the background; absent = nobody is asked (tests).
  std::function<void(const NamesQuestion&)> ask_names = {};
};

/// `more` routes are served beside the API's own.
Router make_router(const Context& context, std::vector<Route> more = {});

}  // namespace netd::api
