// Docker's --publish syntax, as it comes from a user, an annotation or the API.
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "drivers/port_mapping.h"
#include "tests/fuzz/expect.h"

namespace {

void check(const drivers::PortBinding& binding) {
  expect(binding.container_port != 0);
  expect(binding.host_port_first <= binding.host_port_last);
  expect(binding.host_port_first != 0 || binding.host_port_last == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto bindings = drivers::parse_publish(text);
    expect(!bindings.empty() && bindings.size() <= 65535);
    for (const auto& binding : bindings)
      check(binding);
  } catch (const std::invalid_argument& error) {
    expect(error.what()[0] != '\0');
  }
  return 0;
}
