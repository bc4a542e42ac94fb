// netavark's verbs on netd (docs/podman.md).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "runtime-hooks/attachments.h"
#include "runtime-hooks/daemon.h"
#include "runtime-hooks/netavark/conf.h"

namespace runtime_hooks::netavark {

class Front {
 public:
  explicit Front(Daemon& daemon) : daemon_(daemon), attachments_(daemon) {}

  /// Status blocks by network; of a plugin, the block. What it throws leaves nothing behind.
  nlohmann::json setup(const ContainerConf& container, const std::string& netns);
  /// Goes on after a failure, and throws all of them.
  void teardown(const ContainerConf& container);
  /// DNS servers of a network: netd takes them with the next container. Throws when there are
  /// containers already, whose servers stay.
  void update(const std::string& network);

 private:
  nlohmann::json setup_network(const ContainerConf& container, const NetworkConf& network,
                               const std::string& netns, bool tells_dns);
  bool knows_dns(const ContainerConf& container, const std::string& netns);
  void remove_unused(const std::string& network);

  Daemon& daemon_;
  Attachments attachments_;
};

/// What the setup of one network asks netd for. Pure.
Attachment attachment_of(const ContainerConf& container, const NetworkConf& network,
                         const std::string& netns);

}  // namespace runtime_hooks::netavark
