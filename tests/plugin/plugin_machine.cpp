#include "tests/plugin/plugin_machine.h"

namespace e2e {

void PluginMachine::SetUp() {
  config_ = R"({"plugin-timeout": 1})";
  EndToEnd::SetUp();
  start_plugin();
}

void PluginMachine::TearDown() {
  plugin_.reset();  // what hangs ends, so netd can
  EndToEnd::TearDown();
}

void PluginMachine::start_plugin() {
  plugin_.reset();
  plugin_ = std::make_unique<tests::ScriptedPlugin>("/run/docker/plugins/weave.sock");
  tests::be_good_network_driver(*plugin_);
  tests::be_good_ipam_driver(*plugin_);
}

std::string PluginMachine::plugin_id_of(const std::string& sandbox, const std::string& network) {
  return attachment(sandbox, network).at("EndpointID").get<std::string>().substr(0, 8);
}

bool PluginMachine::is_clean() {
  return attempt("ip -o link show | grep -E ': p[lc][0-9a-f]{8}'").status != 0 &&
         api("/sandboxes").empty() && api("/networks").size() == 3;
}

std::chrono::milliseconds PluginMachine::duration_of(const std::string& command) {
  const auto began = std::chrono::steady_clock::now();
  shell(command);
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               began);
}

}  // namespace e2e
