// Sandboxes that netd has already: a container may come into the namespace of another's.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace runtime_hooks {

class Daemon;

/// How long a container that is replaced may take to die.
inline constexpr std::chrono::milliseconds patience_with_the_dying{1000};

/// False: it lives in the namespace of another.
bool has_own_namespace(const nlohmann::json& sandbox);
/// Whether its namespace is the one at that path.
bool is_in(const nlohmann::json& sandbox, const std::string& netns);
/// The sandbox whose namespace this is, of a pod or made with netctl; null: nobody's. Throws
/// Refusal, NoDaemon.
nlohmann::json owner_of(Daemon& daemon, const std::string& netns);

}  // namespace runtime_hooks
