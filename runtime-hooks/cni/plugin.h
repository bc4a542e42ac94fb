// The verbs of CNI on netd (docs/cni.md).
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>

#include "runtime-hooks/attachments.h"
#include "runtime-hooks/cni/call.h"
#include "runtime-hooks/cni/conf.h"
#include "runtime-hooks/cni/result.h"
#include "runtime-hooks/daemon.h"

namespace runtime_hooks::cni {

class Plugin {
 public:
  explicit Plugin(Daemon& daemon) : daemon_(daemon), attachments_(daemon) {}

  /// Hands the result to `say`. What it or that throws, an Error or a Refusal, leaves nothing
  /// behind.
  void add(const Call& call, const Conf& conf,
           const std::function<void(const nlohmann::json&)>& say);
  /// Fine when there is nothing, or no namespace any more.
  void del(const Call& call, const Conf& conf);
  /// Throws Error(differs) that names what is not as the result said.
  void check(const Call& call, const Conf& conf);
  /// Removes what is not among the valid attachments; goes on after a failure and tells all.
  void collect_garbage(const Conf& conf);
  /// Throws Error(not_available) when an ADD would fail now.
  void status(const Conf& conf);

 private:
  Result describe(const Call& call, const nlohmann::json& sandbox);
  void check_ranges(const Conf& conf);

  Daemon& daemon_;
  Attachments attachments_;
};

/// What an ADD asks netd for. Pure.
Attachment attachment_of(const Call& call, const Conf& conf);

}  // namespace runtime_hooks::cni
