#include "netd/published_ports.h"

#include <fmt/format.h>

#include <algorithm>

namespace netd {
namespace {

std::string key_of(const std::string& sandbox_id, const PublishedPorts::Held& held,
                   const ipam::Address& host) {
  return fmt::format("{} {} {} {}", sandbox_id, host.to_string(),
                     sandbox::to_text(held.reservation.protocol()), held.reservation.port());
}

std::vector<std::string> keys_of(const std::string& sandbox_id, const PublishedPorts::Held& held) {
  std::vector<std::string> keys;
  for (const sandbox::ReservedSocket& socket : held.reservation.sockets())
    keys.push_back(key_of(sandbox_id, held, socket.host));
  return keys;
}

/// A binding without an address reserved 0.0.0.0 and [::] together.
bool same_reservation(const drivers::Port& a, const drivers::Port& b) {
  return a.protocol == b.protocol && a.container_port == b.container_port &&
         a.host_port == b.host_port &&
         (a.host_address == b.host_address || (a.host_address.is_any() && b.host_address.is_any()));
}

}  // namespace

std::vector<ipam::Address> PublishedPorts::hosts_of(
    const drivers::PortBinding& binding, const std::optional<ipam::Address>& default_host,
    bool container_ipv6) const {
  if (binding.host_address) return {*binding.host_address};
  if (default_host && !default_host->is_any()) return {*default_host};
  std::vector<ipam::Address> hosts{ipam::Address::any(ipam::Family::v4)};
  // Without IPv6 of its own, only the relay can lead the host's IPv6 to the container.
  if (host_ipv6_ && (container_ipv6 || relay_enabled_))
    hosts.push_back(ipam::Address::any(ipam::Family::v6));
  return hosts;
}

std::vector<PublishedPorts::Held> PublishedPorts::reserve(
    const std::vector<drivers::PortBinding>& bindings,
    const std::optional<ipam::Address>& default_host, bool container_ipv6,
    const std::function<bool(ipam::Family)>& maps) {
  // Exact ports before ranges and "any": a free choice must not take what another one needs.
  std::vector<const drivers::PortBinding*> order;
  for (const drivers::PortBinding& binding : bindings)
    order.push_back(&binding);
  std::ranges::stable_sort(order, {}, [](const drivers::PortBinding* binding) {
    return binding->host_port_first == 0                         ? 2
           : binding->host_port_first != binding->host_port_last ? 1
                                                                 : 0;
  });
  std::vector<Held> held;
  for (const drivers::PortBinding* binding : order) {
    std::vector<ipam::Address> hosts = hosts_of(*binding, default_host, container_ipv6);
    std::erase_if(hosts, [&](const ipam::Address& host) { return !maps(host.family()); });
    if (hosts.empty()) continue;
    held.push_back(
        {.container_port = binding->container_port,
         .reservation = reservations_.reserve(binding->protocol, hosts, binding->host_port_first,
                                              binding->host_port_last)});
  }
  return held;
}

std::vector<PublishedPorts::Held> PublishedPorts::reserve_again(
    const std::vector<drivers::Port>& ports, std::vector<std::string>& problems) {
  std::vector<Held> held;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const drivers::Port& port = ports[i];
    if (port.host_port == 0) continue;
    const auto begin = ports.begin() + static_cast<std::ptrdiff_t>(i);
    const bool seen = std::any_of(ports.begin(), begin, [&](const drivers::Port& other) {
      return same_reservation(port, other);
    });
    if (seen) continue;
    std::vector<ipam::Address> hosts;
    for (const drivers::Port& other : ports)
      if (same_reservation(port, other)) hosts.push_back(other.host_address);
    try {
      held.push_back({port.container_port,
                      reservations_.reserve(port.protocol, hosts, port.host_port, port.host_port)});
    } catch (const std::exception& error) {
      problems.push_back(error.what());
    }
  }
  return held;
}

std::vector<drivers::Port> PublishedPorts::ports_of(const Held& held) {
  std::vector<drivers::Port> ports;
  for (const sandbox::ReservedSocket& socket : held.reservation.sockets())
    ports.push_back({.protocol = held.reservation.protocol(),
                     .container_port = held.container_port,
                     .host_address = socket.host,
                     .host_port = held.reservation.port()});
  return ports;
}

std::vector<drivers::Port> PublishedPorts::ports_of(const std::vector<Held>& held) {
  std::vector<drivers::Port> ports;
  for (const Held& one : held)
    std::ranges::copy(ports_of(one), std::back_inserter(ports));
  return ports;
}

std::vector<drivers::Port> PublishedPorts::held_by(const std::string& sandbox_id) const {
  const auto found = by_sandbox_.find(sandbox_id);
  return found == by_sandbox_.end() ? std::vector<drivers::Port>{} : ports_of(found->second);
}

void PublishedPorts::keep(const std::string& sandbox_id, std::vector<Held> held) {
  if (held.empty()) return;
  std::vector<Held>& kept = by_sandbox_[sandbox_id];
  std::ranges::move(held, std::back_inserter(kept));
}

void PublishedPorts::serve(const std::string& sandbox_id, const std::optional<ipam::Address>& ipv4,
                           const std::optional<ipam::Address>& ipv6) {
  const auto found = by_sandbox_.find(sandbox_id);
  if (!relay_enabled_ || found == by_sandbox_.end()) return;
  for (Held& held : found->second) {
    for (const sandbox::ReservedSocket& socket : held.reservation.sockets()) {
      const auto& own = socket.host.is_v4() ? ipv4 : ipv6;
      const auto& target = own ? own : ipv4 ? ipv4 : ipv6;
      if (!target || socket.fd.get() < 0) continue;
      const auto before = held.served.find(socket.host);
      if (before != held.served.end() && before->second == *target) continue;
      relay_.add(key_of(sandbox_id, held, socket.host), socket.fd.get(),
                 held.reservation.protocol(), {*target, held.container_port});
      if (held.served.empty()) held.reservation.detach_filter();
      held.served.insert_or_assign(socket.host, *target);
    }
  }
}

void PublishedPorts::release(const std::string& sandbox_id) {
  release(sandbox_id, [](const Held&) { return true; });
}

void PublishedPorts::release(const std::string& sandbox_id,
                             const std::function<bool(const Held&)>& wanted) {
  const auto found = by_sandbox_.find(sandbox_id);
  if (found == by_sandbox_.end()) return;
  std::vector<std::string> keys;
  for (const Held& held : found->second)
    if (wanted(held)) std::ranges::move(keys_of(sandbox_id, held), std::back_inserter(keys));
  relay_.remove(keys);
  std::erase_if(found->second, wanted);
  if (found->second.empty()) by_sandbox_.erase(found);
}

}  // namespace netd
