// A LAN, and a host on it where the DHCP client runs: the test's own namespace.
//
//     host: eth0 ──┐
//                  ├── lan0, a switch in the namespace "lan"
//     server: eth0 ┤      192.0.2.1/24, for DHCP servers
//     other: eth0 ─┘      192.0.2.99/24, a neighbour
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "netd/dhcp/client.h"
#include "tests/support/namespace_test.h"

namespace tests {

class LanTest : public NamespaceTest {
 protected:
  static constexpr const char* endpoint_mac = "02:42:c0:00:02:07";

  void SetUp() override;
  void TearDown() override { client_.reset(); }

  /// A bridge br0 on the host with eth0 as its port.
  static void make_bridge();
  /// The namespace "web" with a link eth0 of the endpoint's MAC and `address`, up: a macvlan child
  /// of eth0, or a port of br0.
  static void make_macvlan_endpoint(const std::string& address);
  static void make_bridge_endpoint(const std::string& address);
  static std::string mac_of(const std::string& netns, const std::string& link);

  netd::dhcp::Client& client() { return *client_; }
  /// As when netd dies and comes back: without a word to servers.
  void restart_client(const netd::dhcp::Timing& timing = quick());

  /// The endpoint's on `interface`, with times that don't let a test wait.
  static netd::dhcp::Client::Request request(const std::string& interface = "eth0");
  static netd::dhcp::Timing quick();

  /// Acquires and waits for the outcome.
  netd::dhcp::Client::Outcome acquire(const netd::dhcp::Client::Request& request,
                                      const std::string& key = "web");
  /// As acquire; fails the test when there is no lease.
  netd::dhcp::Lease lease(const netd::dhcp::Client::Request& request);
  /// The next change of any lease but one that only renews. Fails the test when none comes.
  netd::dhcp::Change next_change();
  /// The next renewal, likewise.
  netd::dhcp::Change next_renewal();
  /// Runs callbacks until `is_so`; false after ten seconds.
  bool eventually(const std::function<bool()>& is_so);

 private:
  netd::dhcp::Change next(bool renewal);

  boost::asio::io_context control_;
  std::deque<netd::dhcp::Change> changes_;
  std::unique_ptr<netd::dhcp::Client> client_;
};

}  // namespace tests
