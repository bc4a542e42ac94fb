// One ICMP echo (RFC 792, RFC 4443 4) out of a namespace: is somebody there, and does a packet of
// that size pass?
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "ipam/address.h"

namespace sandbox {

struct EchoOutcome {
  bool answered = false;
  std::chrono::microseconds time{0};
  std::string problem;  // "no answer within 1000 ms", "the packet is too large: …"
};

/// Sends one request from the namespace pinned at `netns` ("" = the caller's), a packet of `bytes`
/// in all that may not be fragmented (28 for IPv4 and 48 for IPv6 at least), and waits for its
/// answer. Needs root. Does not throw.
EchoOutcome echo(const std::string& netns, const ipam::Address& to, std::size_t bytes,
                 std::chrono::milliseconds limit);

}  // namespace sandbox
