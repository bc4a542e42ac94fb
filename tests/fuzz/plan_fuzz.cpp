// A stored plan as JSON: refused with a reason, or read; what is read is written and read back
// equal.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>

#include "sandbox/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) return 0;
  try {
    const auto plan = json.get<sandbox::Plan>();
    const nlohmann::json written = plan;
    if (written.get<sandbox::Plan>() != plan) std::abort();
    sandbox::to_text(plan);
  } catch (const std::invalid_argument&) {
  }
  return 0;
}
