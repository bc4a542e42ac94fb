// The machine of tests/e2e with somebody who calls CNI plugins as cnitool does: a program, its
// environment, JSON on stdin and stdout.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/e2e/end_to_end.h"

namespace cni {

using Environment = std::map<std::string, std::string>;

struct Answer {
  int status = 0;
  nlohmann::json output;  // null = nothing was said
  std::string text;       // of stdout
  std::string notes;      // of stderr

  int code() const { return output.is_object() ? output.value("code", 0) : 0; }
  std::string message() const { return output.is_object() ? output.value("msg", "") : ""; }
};

class CniTest : public e2e::EndToEnd {
 protected:
  /// Runs a plugin with just this environment (and PATH).
  static Answer call(const Environment& environment, const std::string& input,
                     const std::string& plugin = "netd-cni");
  /// The environment of a command for container `container`, whose namespace /run/netns/<container>
  /// is made when it is not there.
  static Environment environment_of(const std::string& command, const std::string& container,
                                    const std::string& interface = "eth0");
  /// {"cniVersion","name":"podnet","type":"netd-cni", …more}
  static nlohmann::json conf(const nlohmann::json& more = nlohmann::json::object());

  static Answer run(const std::string& command, const std::string& container,
                    const nlohmann::json& configuration, const std::string& interface = "eth0");
  /// ADD that has to succeed; its result.
  static nlohmann::json add(const std::string& container, const nlohmann::json& configuration,
                            const std::string& interface = "eth0");
  /// A shell command in the container's namespace.
  static std::string inside(const std::string& container, const std::string& command);
  static std::string netns(const std::string& container) { return "/run/netns/" + container; }
  /// The address that a result has, without its length.
  static std::string address_in(const nlohmann::json& result);
};

}  // namespace cni
