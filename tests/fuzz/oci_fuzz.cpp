// What a runtime hands to its hook: the state, and after a NUL config.json, annotations and all;
// and the same config.json as `netctl oci add-hooks` edits it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>

#include "netd/ctl/oci_bundle.h"
#include "runtime-hooks/oci/request.h"
#include "runtime-hooks/sandbox_id.h"
#include "tests/fuzz/expect.h"

namespace {

using nlohmann::ordered_json;

void check_request(std::string_view state, const std::string& config) {
  using namespace runtime_hooks;
  try {
    const auto container = oci::read_container(state, [&](const std::string&) { return config; });
    expect(!container.id.empty());
    const auto request = oci::create_request(container, {.pid = 1});
    expect(is_sandbox_id(request.at("Id").get<std::string>()));
    expect(!request.at("Networks").empty());
    oci::wanted_files(container);
  } catch (const std::runtime_error& error) {
    expect(error.what()[0] != '\0');
  }
}

void check_bundle(const std::string& text) {
  auto config = ordered_json::parse(text, nullptr, false);
  if (config.is_discarded()) return;
  const netd::ctl::HookEntry entry{
      .path = "/x/netd-hook", .host = "", .files_directory = "/x/netd"};
  try {
    netd::ctl::add_hooks(config, entry);
  } catch (const std::invalid_argument&) {
    return;
  }
  const ordered_json once = config;
  netd::ctl::add_hooks(config, entry);
  expect(config == once);
  netd::ctl::remove_hooks(config, entry.files_directory);
  const ordered_json removed = config;
  netd::ctl::remove_hooks(config, entry.files_directory);
  expect(config == removed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(text.find('\0'), size);
  const std::string config(text.substr(std::min(end + 1, size)));
  check_request(text.substr(0, end), config);
  check_bundle(config);
  return 0;
}
