// Real etcd members (Debian's etcd-server) in the network namespace of the test, on loopback, their
// data in memory on the test's /run. They end with this, or with the test. Faults are injected from
// outside: signals, and packet filters.
//
//   member i   127.0.0.i:2379   clients
//                      :2389   clients too: what `control` uses
//                      :2380   members
//                      :2381   /health and /metrics, always plain text
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace tests {

class EtcdCluster {
 public:
  struct Options {
    int members = 1;
    std::string token = "first";       // clusters of other tokens have other ids
    std::string certificates{};        // a directory with ca.pem, server.pem, …: https
    std::vector<std::string> flags{};  // more of them
  };

  /// Returns when all members serve. Call it within fresh namespaces (namespace_test.h).
  explicit EtcdCluster(Options options);
  ~EtcdCluster();
  EtcdCluster(const EtcdCluster&) = delete;
  EtcdCluster& operator=(const EtcdCluster&) = delete;

  // Members count from 1.

  std::string endpoint(int member) const;
  std::vector<std::string> endpoints() const;
  /// Waits until there is one.
  int leader() const;
  /// One that isn't.
  int follower() const;
  /// The member that has a stream of watches. Waits until there is one.
  int watched() const;

  void kill(int member);
  /// On the data that it left. `hidden`: without port 2379.
  void start(int member, bool hidden = false);
  void pause(int member) const;  // SIGSTOP
  void go_on(int member) const;  // SIGCONT
  /// Cuts it from the other members, not from clients.
  void isolate(int member) const;
  /// Killed members lose their data.
  void forget(int member) const;

  /// Waits until the member answers with a leader.
  void await_health(int member) const;
  /// Runs `etcdctl COMMAND` at port 2389 of that member and returns what it prints.
  std::string control(const std::string& command, int member = 1) const;
  std::string data_of(int member) const;
  std::string initial_flags(int member) const;

 private:
  std::vector<std::string> arguments(int member, bool hidden) const;
  std::string scheme() const;

  Options options_;
  std::string directory_;
  std::vector<pid_t> processes_;
};

}  // namespace tests
