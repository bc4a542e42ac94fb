// The configuration file: any bytes are either applied or refused with std::invalid_argument.
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "netd/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  netd::Config config;
  try {
    netd::apply_config_text({reinterpret_cast<const char*>(data), size}, config);
  } catch (const std::invalid_argument&) {
  }
  return 0;
}
