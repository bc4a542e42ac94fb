// Why, or why not, a sandbox reaches another on an overlay network: what the store says, what this
// host's kernel has, and what packets do (`netctl overlay trace`).
#pragma once

#include <string>
#include <vector>

#include "netd/control_gate.h"

namespace netd {

class ClusterMember;
class Controller;

struct TraceStep {
  std::string what;  // "db in the store"
  bool good = false;
  std::string detail;  // "10.0.0.3, 02:42:0a:00:00:03, on host b (192.0.2.2)"
};

struct Trace {
  std::vector<TraceStep> steps;
  bool works = false;
  std::string verdict;  // one line: what is wrong first, and what to do
};

/// From a sandbox of this host to a sandbox anywhere, by name or address, on a network that the
/// first is on (empty = the first that knows the other). On a worker: asks the store, and sends
/// some packets. Throws Error when there is no such sandbox or network.
Trace trace_overlay(ClusterMember& cluster, Controller& controller, const ControlGate& gate,
                    const std::string& from, const std::string& to, const std::string& network);

}  // namespace netd
