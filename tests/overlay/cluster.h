// Hosts on one LAN, each with its own netd, and an etcd beside them. The test's own namespace is
// the LAN's switch.
//
//     "underlay" (bridge) ──┬── host 1  192.0.2.1   2001:db8::1
//     etcd 192.0.2.101…103  ├── host 2  192.0.2.2   2001:db8::2
//                           └── host 3 …
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/e2e/end_to_end.h"

namespace overlay {

class Cluster : public tests::NamespaceTest {
  friend class Pings;

 protected:
  /// Two hosts and one etcd, all up.
  void SetUp() override;
  void TearDown() override;

  // --- what there is besides
  virtual int hosts() const { return 2; }
  virtual int members() const { return 1; }
  /// Of every start of netd on that host.
  virtual std::vector<std::string> flags(int /*host*/) const { return {}; }
  /// How netd and etcdctl talk to etcd, and what etcd has besides; made before the first start.
  virtual void prepare_store() {}
  virtual std::vector<std::string> store_flags() const { return {"--insecure-store"}; }
  virtual std::vector<std::string> member_flags() const { return {}; }
  virtual std::string client_scheme() const { return "http"; }
  virtual std::string etcdctl_flags() const { return ""; }

  // --- hosts
  void start_netd(int host, const std::vector<std::string>& more = {});
  void stop_netd(int host);
  void crash_netd(int host);
  e2e::Process& netd(int host) { return *netds_.at(host); }
  /// Runs a shell command on a host; it has to succeed.
  static std::string on(int host, const std::string& command);
  static e2e::Result attempt_on(int host, const std::string& command);
  /// Runs a shell command in a sandbox of a host.
  static std::string in(int host, const std::string& sandbox, const std::string& command);
  static e2e::Result attempt_in(int host, const std::string& sandbox, const std::string& command);
  static nlohmann::json api(int host, const std::string& path);
  static std::string netns(int host) { return "/run/netns/h" + std::to_string(host); }
  static std::string netns_of(int host, const std::string& sandbox);
  static std::string address_of(int host, const std::string& sandbox,
                                const std::string& network = "shop");
  static std::string log_of(int host);
  /// Asks again at 20 ms intervals, until it holds or `seconds` are over.
  static bool within(int seconds, const std::function<bool()>& holds);
  /// A network "shop" with web on host 1 and db on host 2, which reach each other.
  static void make_pair();
  /// Whether a host shows another one in that state.
  static bool sees(int host, int other, const std::string& state);
  /// Whether the network is known on a host.
  static bool knows(int host, const std::string& network);

  // --- etcd
  void start_member(int member);
  e2e::Process& member(int number) { return *members_.at(number); }
  void kill_member(int member);
  /// Nobody reaches etcd, or everybody again.
  static void cut_store(int host);
  static void mend_store(int host);
  /// Asks a member of a store without TLS.
  static std::string etcdctl(const std::string& arguments, int member = 1);
  static void compact_store();
  /// Keys below a prefix, without values.
  static std::vector<std::string> keys(const std::string& prefix);
  std::string store_address() const;

 private:
  void launch_member(int member);
  static std::string directory(int host) { return "/run/host" + std::to_string(host); }

  std::map<int, std::unique_ptr<e2e::Process>> netds_;
  std::map<int, std::unique_ptr<e2e::Process>> members_;
};

/// One ping that waits a second.
std::string ping(const std::string& address);

/// Pings 20 times a second until it ends; then how many answers were missing.
class Pings {
 public:
  Pings(const std::string& netns, const std::string& address, const std::string& log);
  int lost();

 private:
  std::set<int> answered() const;

  e2e::Process process_;
  std::string log_;
};

}  // namespace overlay
