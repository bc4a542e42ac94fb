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
  /// poststop: the sandbox goes. Needs nothing but the container's id.
  void detach(const Container& container);

 private:
  nlohmann::json make_sandbox(const Container& container, const nlohmann::json& request);
  netd::client::Response post(const Container& container, const nlohmann::json& request,
                              const std::string& netns);
  nlohmann::json find_ours(const Container& container, const std::string& netns);
  std::string find_owner(const std::string& netns);
  void put_files(const Container& container, const nlohmann::json& sandbox);
  void undo(const std::string& id);

  Daemon& daemon_;
  std::ostream& notes_;
};

}  // namespace runtime_hooks::oci
