// A machine's WireGuard in memory, and the log of what was asked of it.
#pragma once

#include <map>
#include <stdexcept>
#include <string>

#include "sandbox/wireguard.h"

namespace tests {

class FakeWireguard final : public sandbox::Wireguard {
 public:
  std::string problem() override { return why_not; }
  std::uint32_t make(const sandbox::WireguardLink& link) override;
  std::optional<sandbox::WireguardFacts> read(const std::string& name) override;
  void put(const std::string& name, const sandbox::WireguardKey& key,
           const sandbox::WireguardPeer& peer) override;
  void erase(const std::string& name, const sandbox::WireguardKey& key) override;
  void remove(const std::string& name, const ipam::Prefix& inside) override;

  /// All requests since the last call, a line each; keys by their first four digits.
  std::string take_log();

  std::map<std::string, sandbox::WireguardFacts> links;
  std::string why_not;  // problem(); then make() refuses, too
  std::string fail_on;  // the request with this text fails with EIO

 private:
  void note(const std::string& request);
  std::uint32_t next_index_ = 900;
  std::string log_;
};

}  // namespace tests
