// netd's route table: the Engine API's networking part, sandboxes, diagnostics (interfaces.md).
#pragma once

#include "netd/api/router.h"

namespace netd {
class Controller;
class Events;
struct Config;
}  // namespace netd

namespace netd::api {

class Metrics;

/// What handlers work on; all of it outlives the router. Used on the control thread.
struct Context {
  Controller& controller;
  Events& events;
  const Config& config;
  Metrics& metrics;
};

Router make_router(const Context& context);

}  // namespace netd::api
