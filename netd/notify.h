// The service manager: sd_notify(3) and socket activation, sd_listen_fds(3), without libsystemd.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace netd {

/// Sends `state` ("READY=1", "STOPPING=1\nSTATUS=…") to $NOTIFY_SOCKET. Best effort: false when
/// there is none or it doesn't take the message.
bool notify_service_manager(std::string_view state);

/// The listening sockets the service manager passed ($LISTEN_FDS from 3 up, for $LISTEN_PID), which
/// are now the caller's and close on exec. Takes the variables out of the environment, so call it
/// once, before there are threads. Throws std::system_error for a descriptor that isn't open.
std::vector<int> take_activation_sockets();

}  // namespace netd
