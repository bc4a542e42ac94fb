// What a sandbox itself needs, whatever networks it is on: its namespace, loopback, the interface
// defaults, the DNS rewrite, its default routes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "drivers/driver.h"
#include "sandbox/plan.h"

namespace drivers {

struct SandboxNeeds {
  Sandbox sandbox;
  std::string source;          // of the namespace (sandbox::PinNamespace); empty = a new one
  bool owns_stack = true;      // false: the host's stack or another sandbox's; only pinned
  bool ipv6 = true;            // the kernel has IPv6
  std::uint16_t dns_port = 0;  // of the embedded DNS listener; 0 = none
  std::optional<DefaultRoute> route4;
  std::optional<DefaultRoute> route6;
};

sandbox::Plan sandbox_plan(const SandboxNeeds& needs);

}  // namespace drivers
