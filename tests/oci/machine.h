// The machine of tests/e2e with OCI runtimes on it: bundles in /run, whose containers are a
// busybox, and a cgroup2 file system of the test's own at /sys/fs/cgroup, because crun 1.8 takes no
// other.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/end_to_end.h"

namespace oci {

using Annotations = std::map<std::string, std::string>;

/// What a container is, besides netd's hooks.
struct Description {
  Annotations annotations;
  std::string command = "sleep 600";  // in its shell
  /// A jq filter for config.json, after the rest, before netd's hooks; "." = none.
  std::string change = ".";
  /// A jq filter for config.json after netd's hooks.
  std::string change_after_hooks = ".";
};

/// GetParam() is the runtime: "runc", "crun".
class OciTest : public e2e::EndToEnd, public ::testing::WithParamInterface<const char*> {
 protected:
  void prepare_machine() override;
  void TearDown() override;

  /// The runtime with its state in /run: "runc --root /run/oci".
  std::string runtime() const;
  /// A bundle with netd's hooks in it; its directory.
  static std::string make_bundle(const std::string& id, const Description& description = {});
  /// Makes a bundle, creates and starts the container.
  void run(const std::string& id, const Description& description = {}) const;
  /// `create` only, of a bundle that is there: status and what the runtime said.
  e2e::Result create(const std::string& id) const;
  /// The same in the background; what it says is in /run/<id>.log.
  std::unique_ptr<e2e::Process> begin_create(const std::string& id) const;
  std::unique_ptr<e2e::Process> begin_start(const std::string& id) const;
  void start(const std::string& id) const;
  void remove(const std::string& id) const;
  /// A shell command in a running container.
  std::string inside(const std::string& id, const std::string& command) const;
  int pid_of(const std::string& id) const;
  /// What the runtime, or with crun only the file that it keeps it in, says of a failed create.
  std::string words_of(const e2e::Result& created) const;
  /// What it calls hooks with, as far as they look at it.
  std::string state_of(const std::string& id) const;
  /// Runs netd-hook with that state on stdin.
  static e2e::Result hook(const std::string& verb, const std::string& state,
                          const std::string& flags = "");

  /// Names of netd's sandboxes, one a line.
  static std::string sandboxes();
  /// Asks again and again, for twenty seconds: `holds` is a request to netd each time.
  static bool in_time(const std::function<bool()>& holds);
  /// Waits until netd has no sandbox any more.
  static bool all_gone();

  /// A hook of others that stops a runtime where it is: says so, and waits to be let go. `verb` is
  /// a list of config.json's hooks; the filter puts it before or after netd's.
  static std::string pausing_hook(const std::string& verb);
  /// Returns when the pausing hook is there.
  static void wait_for_pause();
  static void end_pause();

 private:
  std::string cgroup_;
};

}  // namespace oci
