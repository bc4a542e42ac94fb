// What ADD answers, in each version's shape (CNI spec 1.1, "Result"; before 1.0: its SPEC.md's
// earlier versions). Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "runtime-hooks/cni/conf.h"

namespace runtime_hooks::cni {

struct ResultInterface {
  std::string name;
  std::string mac;
  int mtu = 0;
  std::string sandbox;  // CNI_NETNS; empty = the host's
};

struct ResultAddress {
  std::string address;  // "10.5.0.2/24"
  std::string gateway;  // empty = none
};

struct ResultRoute {
  std::string destination;
  std::string gateway;  // empty = on the link
  int priority = 0;     // 0 = the kernel's
};

struct Result {
  std::vector<ResultInterface> interfaces;  // the last one is the container's
  std::vector<ResultAddress> addresses;     // of that one
  std::vector<ResultRoute> routes;
  Dns dns;
};

/// In the shape of `version`. What plugins before us in the chain said stays, ours follows, DNS
/// servers and search domains too.
nlohmann::json result_json(const Result& result, const std::string& version,
                           const std::optional<nlohmann::json>& previous);

/// What a result that came back with CHECK says of one interface of the container, and of the main
/// table's routes: those of another table are for the plugin that made them to check. Throws
/// ReadError, and Error(invalid_configuration) when it does not have it.
Result expected_of(const nlohmann::json& previous, const std::string& interface,
                   const std::string& netns);

}  // namespace runtime_hooks::cni
