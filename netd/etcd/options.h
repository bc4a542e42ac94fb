// Which etcd, and how to talk to it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace netd {

struct EtcdOptions {
  /// "http://192.0.2.1:2379" or "https://name:2379", one of each member.
  std::vector<std::string> endpoints;
  /// PEM files, for https: who signs etcd's certificates (empty: the system's authorities), and
  /// netd's own certificate and key. When they change, the next calls use the new ones.
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  /// Of a call. Half of it is for the answer to a transaction once that is sent.
  std::chrono::milliseconds deadline = std::chrono::seconds(5);
  /// How often watches ask how far they are.
  std::chrono::milliseconds progress_interval = std::chrono::seconds(10);
};

}  // namespace netd
