#include "sandbox/wireguard.h"

#include <fmt/format.h>

#include <charconv>

namespace sandbox {

std::optional<WireguardKey> WireguardKey::parse(std::string_view hex) {
  WireguardKey key;
  if (hex.size() != 2 * key.bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < key.bytes.size(); ++i) {
    const char* const begin = hex.data() + 2 * i;
    const auto [end, error] = std::from_chars(begin, begin + 2, key.bytes[i], 16);
    if (error != std::errc() || end != begin + 2) return std::nullopt;
  }
  return key;
}

std::string WireguardKey::to_string() const {
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

WireguardDifference difference(const WireguardPeers& have, const WireguardPeers& want) {
  WireguardDifference result;
  for (const auto& [key, peer] : want) {
    const auto there = have.find(key);
    if (there == have.end() || there->second != peer) result.put.emplace(key, peer);
  }
  for (const auto& [key, peer] : have)
    if (!want.contains(key)) result.erase.push_back(key);
  return result;
}

}  // namespace sandbox
