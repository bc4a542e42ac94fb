// Two hosts with an overlay network over a wire between them, all in namespaces of the test's own:
//
//   h1  u0 192.0.2.1 ───────────── u0 192.0.2.2  h2      (or 2001:db8::1, ::2)
//       nx001000 ┄┄┄┄┄ VXLAN 4096 ┄┄┄┄┄ nx001000
//       nb001000 ── c1                 nb001000 ── c2, c3
//
//   c1  10.1.0.1/24  fd00:1::1/64       c2  10.1.0.2/24  fd00:1::2/64     c3  10.2.0.3/24
//
// Made by the overlay driver's plans, and told of each other by a PeerTable a host.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "drivers/overlay.h"
#include "sandbox/fd.h"
#include "sandbox/linux_kernel.h"
#include "sandbox/peers.h"
#include "tests/support/namespace_test.h"

namespace tests {

class OverlayLab : public NamespaceTest {
 protected:
  struct Container {
    std::string name;  // of its namespace
    drivers::Endpoint endpoint;
    ipam::Mac mac() const { return endpoint.mac; }
  };
  struct Host {
    std::string name;
    ipam::Address vtep;
    drivers::Network network;
    std::unique_ptr<sandbox::LinuxKernel> kernel;
    std::unique_ptr<sandbox::PeerTable> peers;
  };

  void SetUp() override { build(ipam::Family::v4); }
  /// The lab over that underlay; `flood` is the network's option.
  void build(ipam::Family underlay, const std::string& flood = "off");

  /// A container on that host; the other host is told of it.
  Container& join(Host& host, const std::string& name, const std::string& v4,
                  const std::string& v6 = "");
  sandbox::Peer peer_of(const Host& host, const Container& container) const;
  Host& other(const Host& host) { return &host == &h1 ? h2 : h1; }

  /// Packets that the host has sent into its tunnel.
  static std::uint64_t tunnelled(const Host& host);
  /// What the host's bridge has for that address: "nx001000 sticky static", "" = nothing.
  static std::string bridge_entry(const Host& host, const ipam::Mac& mac);
  /// An Ethernet frame with nothing in it, out of the container's link.
  static void send_frame(const Container& from, const ipam::Mac& source, const ipam::Mac& to);
  /// A socket that gets such frames when they come to the container; where the next one was sent
  /// to, or "" when none comes.
  static sandbox::Fd receive_frames(const Container& at);
  static std::string next_destination(const sandbox::Fd& frames);
  /// What `to` (an Answerer) answers to a packet of `bytes` in all that mustn't be fragmented; the
  /// error where it can't be sent.
  static std::string ask_with(const std::string& netns, const std::string& to, std::size_t bytes);

  Host h1, h2;
  std::vector<std::unique_ptr<Container>> containers_;
  std::uint32_t next_index_ = 1000;
};

}  // namespace tests
