// A machine with netd and a plugin "weave" on it that a test can spoil.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "tests/e2e/end_to_end.h"
#include "tests/plugin/scripted_plugin.h"

namespace e2e {

class PluginMachine : public EndToEnd {
 protected:
  /// netd with a deadline of one second for each call, and a good plugin for network and IPAM.
  void SetUp() override;
  void TearDown() override;

  /// A good plugin at its usual place; the one before is dead first.
  void start_plugin();
  /// Its endpoint of the sandbox: links "pl<id>", "pc<id>".
  static std::string plugin_id_of(const std::string& sandbox, const std::string& network);
  /// Asks until the plugin has no link left here, and netd neither network nor sandbox of its own.
  static bool is_clean();
  /// How long a command takes.
  static std::chrono::milliseconds duration_of(const std::string& command);

  std::unique_ptr<tests::ScriptedPlugin> plugin_;
};

}  // namespace e2e
