// What a runtime hands to netd-cni: CNI_ARGS, and after a NUL the configuration on stdin, with the
// result of a plugin before.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "runtime-hooks/cni/error.h"
#include "runtime-hooks/cni/plugin.h"
#include "runtime-hooks/reader.h"
#include "tests/fuzz/expect.h"

namespace {

using namespace runtime_hooks;
using nlohmann::json;

/// An error that says something, or an answer: nothing else may come out.
template <class Act>
void attempt(const Act& act) {
  try {
    act();
  } catch (const cni::Error& error) {
    expect(error.what()[0] != '\0' && static_cast<int>(error.code) > 0);
  } catch (const ReadError& error) {
    expect(error.what()[0] != '\0');
  }
}

cni::Call call_with(const std::string& arguments) {
  return cni::read_call([&](const std::string& name) -> std::string {
    if (name == "CNI_COMMAND") return "ADD";
    return name == "CNI_ARGS" ? arguments : "c1";
  });
}

void check_conf(const cni::Call& call, std::string_view text) {
  attempt([&] { expect(!cni::read_conf(text, cni::Command::gc).name.empty()); });
  const cni::Conf conf = cni::read_conf(text, cni::Command::add);
  expect(cni::version_of(text) == conf.version);
  attempt([&] {
    const Attachment attachment = cni::attachment_of(call, conf);
    expect(!attachment.network.empty() && attachment.ports.is_object());
    expect(attachment.make_network.at("IPAM").at("Config").is_array());
  });
  const cni::Result result{.interfaces = {{.name = "eth0", .sandbox = "/n"}},
                           .addresses = {{.address = "10.5.0.2/24", .gateway = "10.5.0.1"}},
                           .routes = {{.destination = "0.0.0.0/0", .gateway = "10.5.0.1"}}};
  for (const std::string& version : cni::supported_versions) {
    const json answer = cni::result_json(result, version, conf.previous_result);
    expect(answer.at("cniVersion") == version);
    if (version == "1.1.0")
      attempt([&] { expect(!cni::expected_of(answer, "eth0", "/n").interfaces.empty()); });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(text.find('\0'), size);
  const std::string_view conf = text.substr(std::min(end + 1, size));
  cni::version_of(conf);
  attempt([&] {
    const cni::Call call = call_with(std::string(text.substr(0, end)));
    attempt([&] { cni::check_arguments(call); });
    check_conf(call, conf);
  });
  return 0;
}
