// The machine of tests/e2e with a podman on it: all it keeps is in the test's /run, its containers
// are a busybox, and crun runs them.
#pragma once

#include <string>

#include "tests/e2e/end_to_end.h"

namespace podman {

class PodmanTest : public e2e::EndToEnd {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// The section [network] of containers.conf, and more of [engine].
  virtual std::string network_section() const = 0;
  virtual std::string engine_section() const { return ""; }

  /// A podman command that has to succeed.
  static std::string podman(const std::string& arguments);
  static e2e::Result attempt_podman(const std::string& arguments);
  /// Runs a container in the background: options of `podman run`, and what it does.
  static void run(const std::string& options, const std::string& command = "sleep 100");
  /// A shell command in it.
  static std::string inside(const std::string& container, const std::string& command);
  /// Has it serve `page` at port 80.
  static void serve(const std::string& container, const std::string& page);
};

}  // namespace podman
