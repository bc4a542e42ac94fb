// One event as a line for people. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace netd::ctl {

/// "2026-08-23T10:00:00.000000001Z network connect 3f2a… (container=…, name=shop)", docker's
/// layout.
std::string format_event(const nlohmann::json& event, bool colour);

}  // namespace netd::ctl
