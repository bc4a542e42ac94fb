// A machine with netd on a LAN: besides its uplink the host has "lan0", on a switch with a router
// and a neighbour, each in a namespace of its own.
//
//     host: lan0 192.168.7.10 ──┐            ┌── router    192.168.7.1, outside 203.0.113.1
//                               switch "sw" ─┤
//                                            └── neighbour 192.168.7.2, VLAN 42: 192.168.42.2
#pragma once

#include <string>

#include "tests/e2e/end_to_end.h"

namespace lan {

inline constexpr const char* router_address = "192.168.7.1";
inline constexpr const char* neighbour_address = "192.168.7.2";
inline constexpr const char* host_address = "192.168.7.10";
inline constexpr const char* beyond_address = "203.0.113.1";  // behind the router

/// Makes the LAN around the calling process's network namespace.
void make_lan();

class Lan : public e2e::EndToEnd {
 protected:
  void prepare_machine() override { make_lan(); }

  /// "netctl network create -d macvlan -o parent=lan0 …" with the LAN's subnet and router.
  static void create_network(const std::string& options = "", const std::string& name = "lan");
  static void create_sandbox(const std::string& name, const std::string& attachment = "lan");
  /// Whether a web server of `from`'s sees a request from the sandbox `to`, within a second.
  static bool reaches(const std::string& from_sandbox, const std::string& address);
  static std::string netns(const std::string& machine) { return "/run/netns/" + machine; }
  /// Runs a command on the router, the neighbour, or the switch ("lan").
  static std::string on(const std::string& machine, const std::string& command);
  static e2e::Result attempt_on(const std::string& machine, const std::string& command);
  /// dnsmasq on the router; it answers when this returns. `options`: its range at least, and
  /// `--port=0` for no DNS. Leases are in /run/leases, the log in /run/dnsmasq.log.
  static void start_dnsmasq(const std::string& options);
  /// Waits for its end; fine when there is none.
  static void stop_dnsmasq();
  /// Of a link in a sandbox: what `ip -j -d` says.
  static nlohmann::json link_in(const std::string& sandbox, const std::string& link = "eth0");
};

/// One ping, a second at most.
std::string ping(const std::string& address);

}  // namespace lan
