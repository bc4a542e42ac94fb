// Network namespaces: make or adopt one and pin it to a path, run something inside.
//
// A pin is a bind mount of the namespace on an empty file; it keeps the namespace alive without a
// process (network_namespaces(7)). Runtimes see netd's pins because the directory that holds them
// is a shared mount (`make_shared_mount`).
//
// The kernel destroys a namespace when the last pin, process, descriptor and socket in it is gone.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "sandbox/fd.h"

namespace sandbox {

/// Makes a new network namespace and pins it at `path`, which must not exist yet (EEXIST).
/// The calling thread stays where it is. Throws std::system_error.
void pin_new(const std::string& path);

/// Pins the network namespace at `source` (/proc/PID/ns/net, /run/netns/X, another pin) at `path`
/// too. Throws std::system_error: EEXIST when `path` exists, EINVAL when `source` is something
/// else.
void pin_existing(const std::string& source, const std::string& path);

/// Takes the pin at `path` away, the file too; gone = done. Throws std::system_error.
void unpin(const std::string& path);

/// True when a network namespace is pinned at `path`.
bool is_pinned(const std::string& path);

/// Whether both paths lead to one namespace; false when either leads nowhere.
bool is_same_netns(const std::string& path, const std::string& other);

/// A descriptor of the namespace at `path`; it keeps the namespace alive.
/// Throws std::system_error: ENOENT when there is nothing, EINVAL when it is no network namespace.
Fd open_netns(const std::string& path);

/// As open_netns, but empty when nothing is pinned there any more.
Fd find_netns(const std::string& path);

/// Runs `body` in namespace `netns` on a thread of its own, which ends afterwards (it never comes
/// back to netd's namespace, so it can't forget to), and waits for it: 50-100 µs. Rethrows what
/// `body` throws. Sockets that it opens stay in that namespace.
void run_in_netns(int netns, const std::function<void()>& body);

/// As run_in_netns, for a `body` that returns a value.
template <std::invocable Body>
auto in_netns(int netns, Body&& body) -> std::invoke_result_t<Body> {
  using Result = std::invoke_result_t<Body>;
  if constexpr (std::is_void_v<Result>) {
    run_in_netns(netns, [&] { body(); });
  } else {
    std::optional<Result> result;
    run_in_netns(netns, [&] { result.emplace(body()); });
    return std::move(*result);
  }
}

/// A number for the calling thread's network namespace, unique until the next boot
/// (SO_NETNS_COOKIE, Linux 5.14). Throws std::system_error.
std::uint64_t netns_cookie();

/// The kernel's id of this boot (/proc/sys/kernel/random/boot_id). Throws std::system_error.
std::string boot_id();

/// Makes `directory` (created when missing, 0755) a mount point with shared propagation, so that
/// pins made in it appear in other mount namespaces. Does nothing when it is one already.
/// Throws std::system_error.
void make_shared_mount(const std::string& directory);

}  // namespace sandbox
