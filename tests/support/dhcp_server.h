// A DHCP server that does what the test says, on a packet socket: one client, any mistake, any
// lease time. tests/dhcp/dnsmasq_test.cpp asks a real one.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "netd/dhcp/frame.h"
#include "netd/dhcp/message.h"
#include "sandbox/fd.h"

namespace tests {

struct DhcpScript {
  /// What OFFER and ACK say; type, xid and MAC are filled in.
  netd::dhcp::Message answer{};
  bool silent = false;
  std::optional<std::string> refusal{};  // NAK of each REQUEST, with this text
  bool to_mac = false;                   // answers go to the client's MAC, whatever it asked for
  std::optional<std::uint16_t> vlan{};   // answers are tagged
};

/// 192.0.2.7/24 of the server 192.0.2.1, for 3600 s.
DhcpScript usual_script();

class DhcpServer {
 public:
  /// On link `interface` of the namespace /run/netns/NETNS.
  DhcpServer(const std::string& netns, const std::string& interface,
             const DhcpScript& script = usual_script());
  ~DhcpServer();

  void set(const DhcpScript& script);

  struct Heard {
    netd::dhcp::Datagram datagram;  // whose payload is:
    netd::dhcp::Message message;
  };
  /// The next message of that type; those before it are dropped. Throws after ten seconds.
  Heard await(netd::dhcp::Type type);
  /// Whether one of that type came since the last `await`.
  bool heard(netd::dhcp::Type type);

 private:
  void serve();
  void receive();
  void answer(const Heard& heard);
  void send(netd::dhcp::Message message, const Heard& question, const DhcpScript& script);

  ipam::Mac mac_;
  sandbox::Fd socket_;
  sandbox::Fd stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  DhcpScript script_;
  std::deque<Heard> heard_;
  std::thread thread_;
};

}  // namespace tests
