// What an engine says, and what its API answers, through the readers of the plugin
// protocol. Bad input is refused with std::invalid_argument or a JSON error, nothing else.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "netd/plugin/engine_names.h"
#include "netd/plugin/options.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace netd::plugin;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto attempt = [](const auto& read) {
    try {
      read();
    } catch (const std::invalid_argument&) {
    } catch (const nlohmann::json::exception&) {
    }
  };
  attempt([&] { read_network_answer(text, "e1"); });
  attempt([&] { read_container_answer(text, "shop"); });
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) return 0;
  attempt([&] {
    const netd::api::JsonObject body(json, "");
    attempt([&] { read_prefix(body, "Pool"); });
    attempt([&] { read_address(body, "Address"); });
    const netd::api::JsonObject options = body.object("Options");
    attempt([&] { read_mac(body.object("Interface"), options); });
    attempt([&] { read_driver_options(options); });
    attempt([&] {
      for (const auto& binding :
           read_port_map(options).value_or(std::vector<drivers::PortBinding>{}))
        if (binding.container_port == 0 || binding.host_port_last < binding.host_port_first)
          std::abort();
    });
  });
  return 0;
}
