// Which sandbox is whose: runtimes know a container by an id of their own making, and say nothing
// else when it is gone.
#pragma once

#include <string>
#include <string_view>

namespace runtime_hooks {

/// SHA-256 (FIPS 180-4), 64 lower-case hex digits.
std::string sha256(std::string_view text);

/// The id of the sandbox of a runtime's container: the container's own when it looks like one (64
/// hex digits), else sha256("<face>:<container>"). `face` keeps the hook's containers and those of
/// CNI apart: "oci", "cni".
std::string sandbox_id(std::string_view face, std::string_view container);

/// A sandbox's name made of a container's id: the id itself, with '_' for what no name may hold; of
/// 64 hex digits, which would be no DNS label, the first twelve.
std::string sandbox_name(std::string_view container);

/// Whether that is 64 lower-case hex digits.
bool is_sandbox_id(std::string_view text);

/// Whether that can be one label of a DNS name: at most 63 letters, digits, '-' and '_'.
bool is_label(std::string_view text);

}  // namespace runtime_hooks
