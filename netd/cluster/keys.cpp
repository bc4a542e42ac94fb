#include "netd/cluster/keys.h"

#include <fmt/format.h>

#include <charconv>
#include <stdexcept>
#include <vector>

namespace netd::cluster {
namespace {

/// 8 or 32 digits: sorted as the addresses are.
std::string hex(const ipam::Address& address) {
  std::string text;
  for (const std::uint8_t byte : address.bytes())
    text += fmt::format("{:02x}", byte);
  return text;
}

std::optional<ipam::Address> from_hex(std::string_view text) {
  if (text.size() != 8 && text.size() != 32) return std::nullopt;
  std::vector<std::uint8_t> bytes(text.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char* from = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(from, from + 2, bytes[i], 16);
    if (error != std::errc{} || end != from + 2) return std::nullopt;
  }
  return ipam::Address::from_bytes(bytes);
}

std::optional<std::string_view> after(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  return text.substr(prefix.size());
}

/// The parts between slashes; empty when one of them is.
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const auto slash = text.find('/');
    parts.emplace_back(text.substr(0, slash));
    if (parts.back().empty()) return {};
    if (slash == std::string_view::npos) return parts;
    text.remove_prefix(slash + 1);
  }
}

}  // namespace

Keys::Keys(std::string prefix) : prefix_(std::move(prefix)) {
  if (!prefix_.starts_with('/'))
    throw std::invalid_argument(
        fmt::format("cluster prefix '{}': it has to begin with /, like /netd/v1", prefix_));
  if (!prefix_.ends_with('/')) prefix_ += '/';
}

std::string Keys::network(std::string_view id) const {
  return fmt::format("{}{}", networks(), id);
}

std::string Keys::network_name(std::string_view name) const {
  return fmt::format("{}netname/{}", prefix_, name);
}

std::string Keys::vni(std::uint32_t vni) const {
  return fmt::format("{}{:06x}", vnis(), vni);
}

std::string Keys::pool(const ipam::Prefix& subnet) const {
  return pools() + subnet.masked().to_string();
}

std::string Keys::addresses(std::string_view network) const {
  return fmt::format("{}ip/{}/", prefix_, network);
}

std::string Keys::address(std::string_view network, const ipam::Address& address) const {
  return addresses(network) + hex(address);
}

std::string Keys::inside(const ipam::Address& address) const {
  return insides() + hex(address);
}

std::string Keys::mac(std::string_view network, const ipam::Mac& mac) const {
  return fmt::format("{}mac/{}/{}", prefix_, network, mac.to_string());
}

std::string Keys::endpoints(std::string_view network) const {
  return fmt::format("{}{}/", all_endpoints(), network);
}

std::string Keys::endpoint(std::string_view network, std::string_view host,
                           std::string_view endpoint) const {
  return fmt::format("{}{}/{}", endpoints(network), host, endpoint);
}

std::string Keys::host_info(std::string_view host) const {
  return fmt::format("{}{}/info", hosts(), host);
}

std::string Keys::host_live(std::string_view host) const {
  return fmt::format("{}{}/live", hosts(), host);
}

std::string Keys::host_dead(std::string_view host) const {
  return fmt::format("{}{}/dead", hosts(), host);
}

std::optional<Keys::EndpointKey> Keys::parse_endpoint(std::string_view key) const {
  const auto rest = after(key, all_endpoints());
  if (!rest) return std::nullopt;
  auto parts = split(*rest);
  if (parts.size() != 3) return std::nullopt;
  return EndpointKey{std::move(parts[0]), std::move(parts[1]), std::move(parts[2])};
}

std::optional<ipam::Address> Keys::parse_address(std::string_view key) const {
  const auto rest = after(key, prefix_ + "ip/");
  if (!rest) return std::nullopt;
  const auto parts = split(*rest);
  if (parts.size() != 2) return std::nullopt;
  return from_hex(parts[1]);
}

std::optional<Keys::HostKey> Keys::parse_host(std::string_view key) const {
  const auto rest = after(key, hosts());
  if (!rest) return std::nullopt;
  auto parts = split(*rest);
  if (parts.size() != 2) return std::nullopt;
  return HostKey{std::move(parts[0]), std::move(parts[1])};
}

std::optional<std::string> Keys::parse_network(std::string_view key) const {
  const auto rest = after(key, networks());
  if (!rest || rest->empty() || rest->find('/') != std::string_view::npos) return std::nullopt;
  return std::string(*rest);
}

std::optional<ipam::Prefix> Keys::parse_pool(std::string_view key) const {
  const auto rest = after(key, pools());
  if (!rest) return std::nullopt;
  return ipam::Prefix::parse(*rest);
}

}  // namespace netd::cluster
