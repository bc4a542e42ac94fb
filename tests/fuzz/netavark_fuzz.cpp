// What podman hands to netd-netavark on stdin: setup's and teardown's, create's, a plugin's.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>

#include "runtime-hooks/netavark/create.h"
#include "runtime-hooks/netavark/front.h"
#include "tests/fuzz/expect.h"

namespace {

using namespace runtime_hooks::netavark;

/// A failure that says something, or an answer: nothing else may come out.
template <class Act>
void attempt(const Act& act) {
  try {
    act();
  } catch (const std::runtime_error& error) {
    expect(error.what()[0] != '\0');
  }
}

void check(const nlohmann::json& input) {
  attempt([&] {
    const ContainerConf container = read_container(input);
    expect(!container.id.empty());
    for (const NetworkConf& network : container.networks)
      attempt([&] { expect(!attachment_of(container, network, "/n").key.interface.empty()); });
  });
  attempt([&] { expect(create_network(input).at("subnets").is_array()); });
  attempt([&] {
    const nlohmann::json network = create_plugin_network(input);
    expect(create_plugin_network(network) == network);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attempt([&] { check(parse_json({reinterpret_cast<const char*>(data), size})); });
  return 0;
}
