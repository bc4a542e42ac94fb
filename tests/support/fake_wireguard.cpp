#include "tests/support/fake_wireguard.h"

#include <cerrno>
#include <system_error>
#include <utility>

namespace tests {

void FakeWireguard::note(const std::string& request) {
  if (!fail_on.empty() && request.find(fail_on) != std::string::npos)
    throw std::system_error(EIO, std::system_category(), request);
  log_ += request + "\n";
}

std::uint32_t FakeWireguard::make(const sandbox::WireguardLink& link) {
  if (!why_not.empty()) throw std::runtime_error(why_not);
  const auto there = links.find(link.name);
  if (there == links.end() || there->second.private_key != link.private_key)
    note("make " + link.inside.to_string() + " port " + std::to_string(link.port) + " mtu " +
         std::to_string(link.mtu));
  auto& facts = links[link.name];
  if (facts.index == 0) facts.index = next_index_++;
  if (facts.private_key != link.private_key) facts.handshakes.clear();
  facts.private_key = link.private_key;
  facts.port = link.port;
  return facts.index;
}

std::optional<sandbox::WireguardFacts> FakeWireguard::read(const std::string& name) {
  const auto found = links.find(name);
  return found == links.end() ? std::nullopt : std::optional(found->second);
}

void FakeWireguard::put(const std::string& name, const sandbox::WireguardKey& key,
                        const sandbox::WireguardPeer& peer) {
  note("put " + key.to_string().substr(0, 4) + " at " + peer.host.to_string() + ":" +
       std::to_string(peer.port) + (peer.inside ? " has " + peer.inside->to_string() : ""));
  auto& peers = links.at(name).peers;
  // As in the kernel, an address is one peer's.
  if (peer.inside)
    for (auto& [other, its] : peers)
      if (its.inside == peer.inside) its.inside.reset();
  peers[key] = peer;
}

void FakeWireguard::erase(const std::string& name, const sandbox::WireguardKey& key) {
  note("erase " + key.to_string().substr(0, 4));
  links.at(name).peers.erase(key);
}

void FakeWireguard::remove(const std::string& name, const ipam::Prefix&) {
  note("remove");
  links.erase(name);
}

std::string FakeWireguard::take_log() {
  return std::exchange(log_, {});
}

}  // namespace tests
