// What netd-hook does when a runtime calls it (docs/oci.md). Each may be called twice, and in any
// order: runtimes are killed, and containers of one id follow each other.
#pragma once

#include <iosfwd>
#include <stdexcept>

#include "runtime-hooks/daemon.h"
#include "runtime-hooks/oci/container.h"

namespace runtime_hooks::oci {

class Hook {
 public:
  /// Notes, which are no failures, go to `notes`. All outlive this.
  Hook(Daemon& daemon, std::ostream& notes) : daemon_(daemon), notes_(notes) {}

  /// createRuntime, and prestart of old runtimes: makes the container's sandbox and puts its files
  /// into the container. What it throws leaves nothing behind.
  void attach(const Container& container);
  /// poststop: the sandbox goes, unless its container's process runs: then it is another's with
  /// this id; or others live in its namespace. Needs nothing but the id.
  void detach(const Container& container);

 private:
  nlohmann::json make_sandbox(const Container& container, nlohmann::json request,
                              const std::string& netns);
  nlohmann::json find_sandbox(const std::string& id);
  netd::client::Response remove(const std::string& id, const std::string& process);
  void put_files(const Container& container, const nlohmann::json& sandbox);
  void undo(const nlohmann::json& request);

  Daemon& daemon_;
  std::ostream& notes_;
};

}  // namespace runtime_hooks::oci
