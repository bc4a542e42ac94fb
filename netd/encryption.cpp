#include "netd/encryption.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "drivers/overlay.h"
#include "netd/curve_keys.h"
#include "netd/log.h"
#include "netd/value_json.h"

namespace netd {
namespace {

constexpr const char* identity_key = "cluster/encryption";
constexpr const char* link_prefix = "nw";
constexpr std::size_t link_digits = 10;  // of the host's id

/// As it is kept.
struct Kept {
  Encryption::Identity identity;
  std::string link;
  std::uint16_t tunnel_port = 0;
};

std::optional<sandbox::WireguardKey> key_in(const nlohmann::json& object, const char* name) {
  return sandbox::WireguardKey::parse(object.value(name, ""));
}

/// Nothing: there is none. Throws std::runtime_error when it can't be read: a new one would cut
/// this host off without a word.
std::optional<Kept> load(Store& store) {
  const auto entry = store.get(identity_key);
  if (!entry) return std::nullopt;
  const auto object = nlohmann::json::parse(entry->value, nullptr, false);
  const auto key = object.is_object() ? key_in(object, "key") : std::nullopt;
  const auto inside =
      key ? ipam::Address::parse(object.value("inside", "")) : std::optional<ipam::Address>();
  if (!inside)
    throw std::runtime_error(
        "this host's key of encrypted networks can't be read in its store: give it a new state "
        "directory");
  return Kept{.identity = {.key = *key,
                           .next = key_in(object, "next"),
                           .inside = *inside,
                           .port = object.value("port", std::uint16_t{0}),
                           .up = object.value("up", false)},
              .link = object.value("link", ""),
              .tunnel_port = object.value("tunnel_port", std::uint16_t{0})};
}

sandbox::Element port_element(std::uint16_t port) {
  return {.set = "enc_ports", .key = {sandbox::PortNumber{port}}, .value = {}};
}

sandbox::Element link_element(std::uint32_t index) {
  return {.set = "enc_links", .key = {sandbox::LinkIndex{index}}, .value = {}};
}

std::vector<sandbox::Element> elements_of(const Kept& kept, sandbox::Kernel& kernel) {
  if (!kept.identity.up || kept.tunnel_port == 0) return {};
  std::vector<sandbox::Element> elements{port_element(kept.tunnel_port)};
  if (const auto link = kernel.wireguard().read(kept.link))
    elements.push_back(link_element(link->index));
  return elements;
}

sandbox::WireguardKey key_of(const std::string& text) {
  return sandbox::WireguardKey::parse(text).value_or(sandbox::WireguardKey{});
}

}  // namespace

ipam::Prefix inside_prefix() {
  return *ipam::Prefix::parse("169.254.64.0/18");
}

Encryption::Encryption(Store& store, sandbox::Kernel& kernel, const std::string& host)
    : store_(store), kernel_(kernel), name_(link_prefix + host.substr(0, link_digits)) {
  const auto kept = load(store_);
  if (!kept) return;
  identity_ = kept->identity;
  name_ = kept->link;
  tunnel_port_ = kept->tunnel_port;
  admitted_ = elements_of(*kept, kernel_);
}

void Encryption::save() {
  nlohmann::json object = {{"key", identity_->key.to_string()},
                           {"inside", identity_->inside},
                           {"port", identity_->port},
                           {"up", identity_->up},
                           {"link", name_},
                           {"tunnel_port", tunnel_port_}};
  if (identity_->next) object["next"] = identity_->next->to_string();
  store_.txn({}, {{identity_key, object.dump()}}, Durability::power);
}

void Encryption::set_identity(Identity identity) {
  identity.up = is_up();
  identity_ = std::move(identity);
  save();
  if (is_up()) admit(kernel_.wireguard().make(link()));
}

std::optional<cluster::HostEncryption> Encryption::published() const {
  if (!identity_) return std::nullopt;
  return cluster::HostEncryption{
      .key = public_key_of(identity_->key).to_string(),
      .next = identity_->next ? public_key_of(*identity_->next).to_string() : "",
      .inside = identity_->inside,
      .port = identity_->port};
}

void Encryption::use_next_key() {
  if (!identity_ || !identity_->next) return;
  identity_->key = *std::exchange(identity_->next, std::nullopt);
  save();
  if (!is_up()) return;
  kernel_.wireguard().make(link());
  // The others know the key, and can't know that it is in use: this host speaks first.
  for (const auto& [key, peer] : peers_)
    kernel_.wireguard().put(name_, key, peer);
}

sandbox::WireguardLink Encryption::link() const {
  return {.name = name_,
          .mtu = mtu_,
          .inside = {identity_->inside, inside_prefix().length},
          .private_key = identity_->key,
          .port = identity_->port};
}

/// The firewall lets encrypted networks' tunnels through that link, and no other.
void Encryption::admit(std::uint32_t index) {
  const std::vector<sandbox::Element> wanted{port_element(tunnel_port_), link_element(index)};
  sandbox::AddElements added, removed;
  for (const sandbox::Element& element : wanted)
    if (std::ranges::find(admitted_, element) == admitted_.end()) added.elements.push_back(element);
  for (const sandbox::Element& element : admitted_)
    if (std::ranges::find(wanted, element) == wanted.end()) removed.elements.push_back(element);
  if (!added.elements.empty()) kernel_.apply(added);
  if (!removed.elements.empty()) kernel_.revert(removed);
  admitted_ = wanted;
}

void Encryption::bring_up(std::uint32_t mtu, ipam::Family underlay, std::uint16_t tunnel_port) {
  if (!identity_) throw std::logic_error("this host has no key for encrypted networks");
  mtu_ = mtu - drivers::encryption_overhead(underlay);
  tunnel_port_ = tunnel_port;
  identity_->up = true;
  save();
  // Shut before there is anything that could send.
  if (std::ranges::find(admitted_, port_element(tunnel_port_)) == admitted_.end()) {
    kernel_.apply(sandbox::AddElements{{port_element(tunnel_port_)}});
    admitted_.push_back(port_element(tunnel_port_));
  }
  admit(kernel_.wireguard().make(link()));
  peers_known_ = false;  // it may be a new one
  if (!hosts_.empty()) assign(hosts_);
}

void Encryption::bring_down() {
  if (!is_up()) return;
  kernel_.wireguard().remove(name_, inside_prefix());
  if (!admitted_.empty()) kernel_.revert(sandbox::AddElements{std::exchange(admitted_, {})});
  identity_->up = false;
  save();
  peers_.clear();
  peers_known_ = false;
}

// --- the other hosts

sandbox::WireguardPeers Encryption::wanted() const {
  sandbox::WireguardPeers peers;
  for (const auto& [id, host] : hosts_) {
    if (!host.encryption || !inside_prefix().contains(host.encryption->inside)) continue;
    const cluster::HostEncryption& its = *host.encryption;
    const bool believed = believed_.contains(id) && !its.next.empty();
    const auto add = [&](const std::string& key, bool in_use) {
      if (const auto parsed = sandbox::WireguardKey::parse(key))
        peers[*parsed] = {.host = host.vtep,
                          .port = its.port,
                          .inside = in_use ? std::optional(its.inside) : std::nullopt};
    };
    add(its.key, !believed);
    if (!its.next.empty()) add(its.next, believed);
  }
  return peers;
}

void Encryption::assign(std::map<std::string, cluster::HostInfo> hosts) {
  hosts_ = std::move(hosts);
  std::erase_if(believed_, [&](const std::string& id) {
    const auto host = hosts_.find(id);
    return host == hosts_.end() || !host->second.encryption ||
           host->second.encryption->next.empty();
  });
  if (!is_up()) return;
  try {
    if (!peers_known_) {
      if (const auto facts = kernel_.wireguard().read(name_)) peers_ = facts->peers;
      peers_known_ = true;
    }
    change(difference(peers_, wanted()));
  } catch (const std::exception& error) {
    log::warn("encrypted tunnels are not as they should be, the next look round tries again",
              {{"error", error.what()}});
  }
}

/// What fails does not stop the rest; `peers_` is what the link was told.
void Encryption::change(const sandbox::WireguardDifference& difference) {
  const auto attempt = [](const auto& act) {
    try {
      act();
    } catch (const std::exception& error) {
      log::warn("a host's encrypted tunnel is not as it should be, the next look round tries again",
                {{"error", error.what()}});
    }
  };
  // First, what goes: two peers can't have one address inside.
  for (const sandbox::WireguardKey& key : difference.erase)
    attempt([&] {
      kernel_.wireguard().erase(name_, key);
      peers_.erase(key);
    });
  const auto put = [&](bool with_address) {
    for (const auto& [key, peer] : difference.put)
      if (peer.inside.has_value() == with_address)
        attempt([&, &key = key, &peer = peer] {
          kernel_.wireguard().put(name_, key, peer);
          peers_[key] = peer;
        });
  };
  put(false);
  put(true);
}

std::size_t Encryption::audit() {
  if (!is_up()) return 0;
  const auto before = kernel_.wireguard().read(name_);
  admit(kernel_.wireguard().make(link()));
  const auto facts = kernel_.wireguard().read(name_);
  if (!facts) return 0;
  const sandbox::WireguardPeers want = wanted();
  peers_ = facts->peers;
  // A peer's host is told by its last authentic packet: that alone is no fault.
  for (auto& [key, peer] : peers_)
    if (const auto known = want.find(key); known != want.end()) {
      peer.host = known->second.host;
      peer.port = known->second.port;
    }
  peers_known_ = true;
  const auto repairs = difference(peers_, want);
  change(repairs);
  return repairs.put.size() + repairs.erase.size() +
         (before && before->index == facts->index ? 0 : 1);
}

void Encryption::believe_keys_in_use() {
  if (!is_up()) return;
  const bool any = std::ranges::any_of(hosts_, [](const auto& host) {
    return host.second.encryption && !host.second.encryption->next.empty();
  });
  if (!any) return;
  const auto facts = kernel_.wireguard().read(name_);
  if (!facts) return;
  for (const auto& [id, host] : hosts_) {
    if (!host.encryption || host.encryption->next.empty()) continue;
    const auto proof_of = [&](const std::string& key) {
      const auto found = facts->handshakes.find(key_of(key));
      return found == facts->handshakes.end() ? 0 : found->second;
    };
    // Only who has the key can have said hello with it.
    if (proof_of(host.encryption->next) > 0 &&
        proof_of(host.encryption->next) >= proof_of(host.encryption->key) &&
        believed_.insert(id).second)
      log::info("a host uses its new key before the store says so", {{"host", id}});
  }
  assign(hosts_);
}

std::map<std::string, std::int64_t> Encryption::seconds_since_proof() const {
  std::map<std::string, std::int64_t> ages;
  if (!is_up()) return ages;
  const auto facts = kernel_.wireguard().read(name_);
  if (!facts) return ages;
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  for (const auto& [id, host] : hosts_) {
    if (!host.encryption) continue;
    for (const std::string& key : {host.encryption->key, host.encryption->next})
      if (const auto found = facts->handshakes.find(key_of(key)); found != facts->handshakes.end())
        ages[id] = std::max<std::int64_t>(0, now - found->second);
  }
  return ages;
}

std::vector<sandbox::Element> encryption_elements(Store& store, sandbox::Kernel& kernel) {
  try {
    const auto kept = load(store);
    return kept ? elements_of(*kept, kernel) : std::vector<sandbox::Element>();
  } catch (const std::exception& error) {
    log::error("encrypted networks stay shut", {{"error", error.what()}});
    return {};
  }
}

}  // namespace netd
