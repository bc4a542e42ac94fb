// WireGuard of this machine: the kernel's, over generic netlink (linux/wireguard.h), or
// wireguard-go's, on a TUN link, over its socket.
#pragma once

#include <string>

#include "sandbox/rtnl.h"
#include "sandbox/wireguard.h"

namespace sandbox {

/// In the namespace of the thread that constructs it, for good, and that makes links. One thread at
/// a time.
class LinuxWireguard final : public Wireguard {
 public:
  std::string problem() override;
  std::uint32_t make(const WireguardLink& link) override;
  std::optional<WireguardFacts> read(const std::string& name) override;
  void put(const std::string& name, const WireguardKey& key, const WireguardPeer& peer) override;
  void erase(const std::string& name, const WireguardKey& key) override;
  void remove(const std::string& name, const ipam::Prefix& inside) override;

 private:
  /// Who looks after a link.
  enum class Kind { kernel, program };
  struct Found {
    Kind kind;
    std::uint32_t index = 0;
  };
  std::optional<Found> find(const std::string& name);
  /// Throws std::system_error (ENODEV) when there is no such link.
  Found require(const std::string& name);
  void create(const std::string& name);
  void place(const WireguardLink& link, std::uint32_t index);
  void configure(const WireguardLink& link, const Found& found);

  RtnlSocket rtnl_;
};

}  // namespace sandbox
