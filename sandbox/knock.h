// Does a packet whose checksum this host's links make, as those of all programs are, arrive whole
// somewhere else? Somebody who has nothing at a port refuses it, and only after the checksum was
// looked at (net/ipv4/udp.c, __udp4_lib_rcv; tcp_ipv4.c, tcp_v4_rcv).
#pragma once

#include <chrono>
#include <string>

#include "ipam/address.h"

namespace sandbox {

enum class KnockProtocol { tcp, udp };

/// Whether there was an answer, refusals included, from a port that hardly anybody uses. Sent from
/// the namespace pinned at `netns` ("" = the caller's); UDP up to three times, as refusals are
/// limited to some a second. Throws std::system_error when nothing can be sent.
bool knock(const std::string& netns, KnockProtocol protocol, const ipam::Address& to,
           std::chrono::milliseconds limit);

}  // namespace sandbox
