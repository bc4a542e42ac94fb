// Published ports: from Docker's --publish syntax to bindings, from bindings to nft elements.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/driver.h"
#include "sandbox/plan.h"

namespace drivers {

/// One published port as asked for. `host_port_first` 0 = any free one; a range = the first free
/// one.
struct PortBinding {
  sandbox::Protocol protocol = sandbox::Protocol::tcp;
  std::uint16_t container_port = 0;
  std::optional<ipam::Address> host_address;  // absent = the network's default, else every address
  std::uint16_t host_port_first = 0;
  std::uint16_t host_port_last = 0;
  friend bool operator==(const PortBinding&, const PortBinding&) = default;
};

/// "[ip:][hostPort[-end]]:containerPort[-end][/tcp|udp|sctp]" (IPv6 in brackets). A container range
/// gives one binding a port. Throws std::invalid_argument that quotes the text and says what is
/// wrong.
std::vector<PortBinding> parse_publish(std::string_view text);

/// "tcp", "udp", "sctp"; absent for anything else.
std::optional<sandbox::Protocol> parse_protocol(std::string_view text);

/// The elements of table `inet netd` that publish the endpoint's ports by NAT (docs/nftables.md).
/// Ports at loopback host addresses, and IPv6 ones of an endpoint without IPv6, have none: the
/// relay serves them.
std::vector<sandbox::Element> port_elements(const Endpoint& endpoint);
/// The elements that open the endpoint's published ports on its own addresses (routed networks).
std::vector<sandbox::Element> open_elements(const Endpoint& endpoint);

}  // namespace drivers
