// Two hosts of a cluster (tests/overlay/cluster.h), each with netd and a real dockerd of its own in
// PID and mount namespaces of its own.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/engine/engine.h"
#include "tests/overlay/cluster.h"

namespace engine {

class ClusterEngines : public overlay::Cluster {
 protected:
  void SetUp() override;
  void TearDown() override;
  std::vector<std::string> flags(int host) const override;

  void start_engine(int host);
  /// SIGTERM, and waits for its end.
  void stop_engine(int host);
  /// The engine and all its containers are gone, at once.
  void kill_engine(int host);

  static std::string docker(int host, const std::string& arguments);
  static e2e::Result attempt_docker(int host, const std::string& arguments);
  /// The engine's network that stands for the cluster's `network`; of the same name, unless
  /// `options` end with another.
  static void bind(int host, const std::string& network, const std::string& options = "");
  static std::string address(int host, const std::string& container, const std::string& network);

 private:
  void make_namespace(int host);
  static std::string client(int host);
  static std::string init_pid(int host);

  std::string data_;
  std::map<int, std::unique_ptr<e2e::Process>> namespaces_;
  std::map<int, std::unique_ptr<e2e::Process>> engines_;
};

}  // namespace engine
