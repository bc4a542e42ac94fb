// Listening sockets, and who connects to them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "netd/api/message.h"

namespace netd::api {

/// A listening socket at `path`; a socket file that is there is replaced. The file has `mode` and
/// `group` (unless it is -1) before anybody can connect, and never a wider mode. Throws
/// std::system_error "listen at unix://PATH: …".
int listen_at_path(const std::string& path, mode_t mode, gid_t group);

/// A listening socket at an IP address ("192.0.2.1", "::1"); [::] takes IPv4 too. Throws
/// std::system_error "listen at tcp://…".
int listen_at_address(const std::string& address, std::uint16_t port);

/// AF_UNIX, AF_INET or AF_INET6. Throws std::system_error.
int family_of(int socket);

/// Who connected `socket`. Nothing certain (all defaults) when it is gone already.
Peer peer_of(int socket);

}  // namespace netd::api
