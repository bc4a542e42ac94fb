#include "netd/words/ports.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "drivers/port_mapping.h"
#include "netd/words/usage_error.h"

namespace netd::words {
namespace {

using nlohmann::json;

std::string host_port(const drivers::PortBinding& binding) {
  if (binding.host_port_first == 0) return "";
  if (binding.host_port_last <= binding.host_port_first) {
    return std::to_string(binding.host_port_first);
  }
  return fmt::format("{}-{}", binding.host_port_first, binding.host_port_last);
}

}  // namespace

json parse_ports(const std::vector<std::string>& specifications) {
  json ports = json::object();
  for (const std::string& specification : specifications) {
    std::vector<drivers::PortBinding> bindings;
    try {
      bindings = drivers::parse_publish(specification);
    } catch (const std::invalid_argument& error) {
      throw UsageError(error.what());
    }
    for (const drivers::PortBinding& binding : bindings) {
      const std::string port =
          fmt::format("{}/{}", binding.container_port, sandbox::to_text(binding.protocol));
      ports[port].push_back(
          {{"HostIp", binding.host_address ? binding.host_address->to_string() : ""},
           {"HostPort", host_port(binding)}});
    }
  }
  return ports;
}

}  // namespace netd::words
