// A plugin's reply, read as the answer to each call: refused with a reason, or understood.
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "netd/plugin/discovery.h"
#include "netd/plugin/messages.h"

namespace {

template <class Act>
void attempt(Act act) {
  try {
    act();
  } catch (const std::invalid_argument&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace plugin = netd::plugin;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  attempt([&] { plugin::parse_spec(text, "fuzz.spec"); });
  attempt([&] { plugin::parse_json(text, "fuzz.json"); });
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) return 0;
  attempt([&] { plugin::read_implements(json); });
  attempt([&] { plugin::read_driver_capabilities(json); });
  attempt([&] { plugin::read_ipam_capabilities(json); });
  attempt([&] { plugin::read_address_spaces(json); });
  attempt([&] { plugin::read_gateway_skips(json); });
  attempt([&] { plugin::read_pool(json); });
  attempt([&] { plugin::read_address(json); });
  attempt([&] {
    plugin::read_interface(json,
                           {.ipv4 = ipam::Prefix::parse("10.1.0.2/16"), .ipv6 = {}, .mac = {}});
  });
  attempt([&] { plugin::read_join(json); });
  return 0;
}
