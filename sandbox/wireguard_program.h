// wireguard-go: WireGuard for kernels without it. The one program that netd starts.
#pragma once

#include <string>

namespace sandbox::wireguard_program {

/// Why it can't be used, with the remedy; empty: it can.
std::string problem();

/// Makes the link as a TUN link with the program behind it, which lives on without netd and ends
/// with the link. Returns when the link is there. Throws std::runtime_error.
void start(const std::string& link);

/// Asks the program behind a link (wireguard_text.h). Throws std::system_error whose text begins
/// with `act`.
std::string ask(const std::string& link, const std::string& question, const std::string& act);

}  // namespace sandbox::wireguard_program
