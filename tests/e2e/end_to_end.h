// A machine with netd on it: fresh namespaces with an uplink, a neighbour outside with a DNS
// server, and the real programs. Commands read as a user types them: shell("netctl network create
// shop").
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/e2e/process.h"
#include "tests/e2e/servers.h"
#include "tests/support/namespace_test.h"

namespace e2e {

inline constexpr const char* host_address = "192.0.2.1";
inline constexpr const char* host_address_v6 = "2001:db8::1";
inline constexpr const char* outside_address = "192.0.2.2";
/// What the outside DNS server knows.
inline constexpr const char* outside_name = "example.test";
inline constexpr const char* outside_name_address = "198.51.100.7";

struct Result {
  int status = 0;  // exit status
  std::string output;
};

class EndToEnd : public tests::NamespaceTest {
 protected:
  /// A machine, and netd running on it.
  void SetUp() override;
  /// Stops netd, which has to end well; prints its log when the test failed.
  void TearDown() override;

  /// What the machine has besides, made before netd starts.
  virtual void prepare_machine() {}

  // --- netd ---
  /// What every start of it has besides: none.
  virtual std::vector<std::string> netd_flags() const { return {}; }
  /// Starts it, with `more` flags, and returns when it says READY=1 (sd_notify(3)).
  void start_netd(const std::vector<std::string>& more = {});
  /// What it has said since the machine was made.
  static std::string netd_log();
  /// SIGTERM; it has to end within ten seconds with status 0.
  void stop_netd();
  /// kill -9.
  void crash_netd();
  void restart_netd();
  /// The machine boots again: netd is gone, new namespaces, another boot id, the same state
  /// directory.
  void reboot();
  const Process& netd() const { return *netd_; }
  /// The two steps of it, for one more netd somewhere: returns when it says READY=1; SIGTERM.
  static std::unique_ptr<Process> start_program(const std::vector<std::string>& arguments);
  static void stop_program(std::unique_ptr<Process> program);

  // --- commands ---
  /// Status and output, whatever they are.
  static Result attempt(const std::string& command);
  /// Runs a shell command in a sandbox (its namespace, resolv.conf, hosts); it has to succeed.
  static std::string in(const std::string& sandbox, const std::string& command);
  static Result attempt_in(const std::string& sandbox, const std::string& command);
  /// The neighbour's machine.
  static std::string outside(const std::string& command);
  static Result attempt_outside(const std::string& command);
  /// GET on the API socket.
  static nlohmann::json api(const std::string& path);

  // --- what is there ---
  /// The path of a sandbox's namespace.
  static std::string netns_of(const std::string& sandbox);
  /// What the API shows of one attachment (EndpointSettings).
  static nlohmann::json attachment(const std::string& sandbox, const std::string& network);
  static std::string address_of(const std::string& sandbox, const std::string& network);
  static std::string address_v6_of(const std::string& sandbox, const std::string& network);
  /// Links, nft tables, pinned namespaces and files that netd could leave behind.
  static std::string traces();
  /// Removes all that netd made, stops it, and compares with what was there before its first start.
  void expect_nothing_left();
  /// Kernel and API say the same of every network, endpoint, address and published port.
  static void expect_agreement();
  /// Asks again at every change of the namespace's links and addresses, for ten seconds at most.
  static bool eventually(const std::function<bool()>& holds);

  /// netd's configuration file at its next start.
  std::string config_ = "{}";

 private:
  void make_machine();

  std::string state_dir_;
  std::string traces_before_;
  std::unique_ptr<NameServer> name_server_;
  std::unique_ptr<Process> netd_;
};

/// "curl …" that fails after a short while instead of waiting.
std::string fetch(const std::string& url);

}  // namespace e2e
