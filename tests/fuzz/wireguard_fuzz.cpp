// What wireguard-go answers on its socket.
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "sandbox/wireguard_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    sandbox::wireguard_text::parse_facts(text);
  } catch (const std::runtime_error&) {  // with the line; an answer's errno is one, too
  }
  try {
    sandbox::wireguard_text::check_answer(text, "act");
  } catch (const std::runtime_error&) {
  }
  return 0;
}
