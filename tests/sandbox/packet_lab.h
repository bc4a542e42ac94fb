// A host with networks, a machine outside and programs that answer, in namespaces of the test's
// own:
//
//   lan ──veth── up0 host br1 ── a1, a2     10.1.0.0/24, fd00:1::/64
//                       ├── br2 ── b1       10.2.0.0/24, fd00:2::/64
//                       ├── br3 ── i1, i2   10.3.0.0/24, fd00:3::/64   internal
//                       └── br4 ── c1, c2   10.4.0.0/24, fd00:4::/64   ICC off (isolated ports)
//
// The host is .1 everywhere, containers are .2 and .3; lan is 192.0.2.2 and 2001:db8::2, and has
// routes to all containers. The host also has 192.0.2.9 and 2001:db8::9.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "sandbox/fd.h"
#include "sandbox/plan.h"
#include "tests/support/namespace_test.h"

namespace tests {

/// Answers on one port, TCP and UDP, IPv4 and IPv6, with "NAME ADDRESS": its name and the address
/// from which it sees the question come.
class Answerer {
 public:
  /// `netns` is a name ("a1"), or empty for the test's own. `address` empty = all.
  Answerer(const std::string& netns, std::uint16_t port, const std::string& address = "");
  ~Answerer();

 private:
  void serve();
  void answer_tcp();
  void answer_udp();

  std::string name_;
  sandbox::Fd tcp_;
  sandbox::Fd udp_;
  sandbox::Fd stop_;
  std::thread thread_;
};

enum class Via { tcp, udp };

/// What comes back from there: the answer, "refused" (RST or ICMP error) or "silence". `netns` as
/// above.
std::string ask(const std::string& netns, Via via, const std::string& address, std::uint16_t port,
                std::chrono::milliseconds patience = std::chrono::seconds(5));

/// As ask, for what has to be silence: waits long enough for an answer, not for a retransmission.
std::string ask_in_vain(const std::string& netns, Via via, const std::string& address,
                        std::uint16_t port);

/// A test in that lab; its parameter is the sysctl bridge-nf-call-iptables.
class PacketLab : public NamespaceTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override;

  bool br_netfilter() const { return GetParam(); }
  /// The elements of the four networks.
  static std::vector<sandbox::Element> network_elements();
  /// Port `port` of the host's addresses to port 80 of a1, tcp and udp, both families.
  static std::vector<sandbox::Element> published(std::uint16_t port);

 private:
  static void make_netns(const std::string& name);
  static void make_container(const std::string& name, const std::string& bridge, int network,
                             int host);
};

/// "10.1.0.2" as an element's field.
ipam::Address address(const std::string& text);

}  // namespace tests
