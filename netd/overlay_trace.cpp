#include "netd/overlay_trace.h"

#include <fmt/format.h>

#include <algorithm>

#include "drivers/overlay.h"
#include "netd/cluster_member.h"
#include "netd/controller_state.h"
#include "netd/overlays.h"
#include "sandbox/echo.h"
#include "sandbox/knock.h"

namespace netd {
namespace {

constexpr std::chrono::milliseconds patience{1000};
constexpr std::size_t small_packet = 84;       // what ping sends
constexpr std::int64_t longest_session = 180;  // REJECT_AFTER_TIME, WireGuard 6.1

/// One end, and the network that is looked at.
struct Start {
  EndpointRecord endpoint;
  drivers::Network network;
  std::string netns;
  std::string name;
};

bool is_called(const cluster::Endpoint& endpoint, const std::string& reference) {
  const auto has = [&](const std::optional<ipam::Prefix>& address) {
    return address && address->address.to_string() == reference;
  };
  return std::ranges::find(endpoint.names, reference) != endpoint.names.end() ||
         endpoint.id == reference || has(endpoint.ipv4) || has(endpoint.ipv6);
}

std::vector<Start> starts(Controller& controller, const std::string& from,
                          const std::string& network) {
  std::vector<Start> found;
  SandboxView view = controller.sandbox(from);
  if (const std::string& other = view.sandbox->spec.shared_with; !other.empty())
    view = controller.sandbox(other);  // it has the interfaces
  for (const EndpointRecord* endpoint : view.endpoints) {
    const NetworkRecord& record = controller.network_by_id(endpoint->network_id);
    if (record.network.driver != overlay_driver) continue;
    if (!network.empty() && record.network.name != network && record.network.id != network)
      continue;
    found.push_back(
        {*endpoint, record.network, view.sandbox->sandbox.netns, view.sandbox->spec.name});
  }
  return found;
}

std::string addresses_of(const cluster::Endpoint& endpoint) {
  std::string text;
  for (const auto& address : {endpoint.ipv4, endpoint.ipv6})
    if (address) text += address->address.to_string() + ", ";
  return text + endpoint.mac.to_string();
}

class Tracer {
 public:
  Tracer(ClusterMember& cluster, Controller& controller, const ControlGate& gate)
      : cluster_(cluster), controller_(controller), gate_(gate) {}

  Trace run(const std::vector<Start>& candidates, const std::string& to) {
    find(candidates, to);
    look_at_host();
    look_at_kernel();
    look_at_encryption();
    send();
    if (trace_.works)
      trace_.verdict = fmt::format("{} reaches {}", start_.name, to);
    else if (trace_.verdict.empty())
      trace_.verdict =
          "what is here is right, but packets don't come back: look from the other "
          "host, too, and at what is between the two";
    return std::move(trace_);
  }

 private:
  void note(const std::string& what, bool good, const std::string& detail,
            const std::string& remedy = {}) {
    trace_.steps.push_back({what, good, detail});
    if (!good && trace_.verdict.empty())
      trace_.verdict = fmt::format("{}: {}{}{}", what, detail, remedy.empty() ? "" : ": ", remedy);
  }

  /// The store's own words; this host's copy of them only when the store does not answer.
  void find(const std::vector<Start>& candidates, const std::string& to) {
    std::string place = "in the store";
    std::vector<std::pair<Start, cluster::Endpoint>> all;
    try {
      for (const Start& start : candidates)
        for (const Entry& entry :
             cluster_.store().list(cluster_.keys().endpoints(start.network.id)))
          all.emplace_back(start, cluster::parse_value<cluster::Endpoint>(entry.value));
    } catch (const StoreError& error) {
      note("the store", false, error.what());
      place = "in this host's copy of the store";
      all = copied(candidates);
    }
    for (const auto& [start, endpoint] : all) {
      if (!is_called(endpoint, to)) continue;
      start_ = start;
      goal_ = endpoint;
      return note(fmt::format("{} {}", to, place), true,
                  fmt::format("{}, on network {}", addresses_of(endpoint), start.network.name));
    }
    throw Error(ErrorKind::not_found,
                fmt::format("the store knows no {} on the overlay networks of {}", to,
                            candidates.front().name));
  }

  std::vector<std::pair<Start, cluster::Endpoint>> copied(const std::vector<Start>& candidates) {
    return gate_.run([&] {
      std::vector<std::pair<Start, cluster::Endpoint>> all;
      const Overlays& overlays = *controller_.state().overlays;
      for (const Start& start : candidates) {
        for (const Overlays::Remote& remote : overlays.remote_endpoints(start.network.id))
          all.emplace_back(start, remote.endpoint);
        for (const EndpointRecord* own : controller_.endpoints_of(start.network.id))
          all.emplace_back(start, in_cluster(*own, overlays.self().host));
      }
      return all;
    });
  }

  void look_at_host() {
    const auto state = cluster_.state();
    note("this host in the cluster", state.live, state.live ? "live" : state.problem,
         "netctl cluster status");
    gate_.run([&] {
      const Overlays& overlays = *controller_.state().overlays;
      is_local_ = goal_.host == overlays.self().host;
      if (is_local_) return note("its host", true, "this one");
      const auto host = overlays.hosts().find(goal_.host);
      if (host == overlays.hosts().end() || !host->second.info)
        return note("its host", false, fmt::format("{} is unknown here", goal_.host.substr(0, 12)),
                    "netctl cluster host ls");
      const cluster::HostInfo& info = *host->second.info;
      note("its host", host->second.live,
           fmt::format("{} ({}), {}", info.name, info.vtep.to_string(),
                       host->second.live ? "live" : "unreachable: is it up, and netd on it?"));
    });
  }

  void look_at_kernel() {
    gate_.run([&] {
      const Overlays& overlays = *controller_.state().overlays;
      const auto vxlan = controller_.state().kernel.find_vxlan(start_.network.tunnel->link);
      note("the tunnel's link here", vxlan && vxlan->up,
           !vxlan ? fmt::format("{} is missing", start_.network.tunnel->link)
                  : fmt::format("{} is {}", vxlan->name, vxlan->up ? "up" : "down"),
           "within a minute netd makes it again");
      if (is_local_) return;
      const auto remote = overlays.remote_endpoints(start_.network.id);
      const auto known = std::ranges::find_if(
          remote, [&](const Overlays::Remote& one) { return one.endpoint.id == goal_.id; });
      note("this host's copy of the store", known != remote.end(),
           known != remote.end() ? "knows it" : "has not heard of it yet");
      const sandbox::PeerTable* table = overlays.table(start_.network.id);
      std::vector<std::string> wrong;
      if (table)
        for (const sandbox::PeerChange& change : table->difference())
          if (change.mac == goal_.mac) wrong.push_back(sandbox::to_text(change));
      note("the kernel's entries for it here", table && wrong.empty(),
           !table          ? "the network is not up here"
           : wrong.empty() ? "as they should be"
                           : fmt::format("{}", fmt::join(wrong, "; ")),
           "within a minute netd puts them right");
    });
  }

  void look_at_encryption() {
    if (is_local_ || !drivers::overlay_is_encrypted(start_.network.options)) return;
    gate_.run([&] {
      const Encryption& encryption = controller_.state().overlays->encryption();
      if (!encryption.is_up())
        return note("encryption", false, "the link that encrypts is not up",
                    "within a minute netd makes it again");
      const auto ages = encryption.seconds_since_proof();
      const auto age = ages.find(goal_.host);
      const bool fresh = age != ages.end() && age->second <= longest_session;
      note("encryption", fresh,
           age == ages.end() ? "its host has never proved its key"
                             : fmt::format("its host proved its key {} s ago", age->second),
           "does UDP pass between the hosts, to the port of --wireguard-port there?");
    });
  }

  void send() {
    const auto& to = goal_.ipv4 ? goal_.ipv4 : goal_.ipv6;
    if (!to) return note("a packet", false, "it has no address");
    const auto small = sandbox::echo(start_.netns, to->address, small_packet, patience);
    note(fmt::format("a packet of {} bytes", small_packet), small.answered,
         small.answered ? fmt::format("answered after {} µs", small.time.count()) : small.problem,
         "does UDP pass between the hosts, is the container's own firewall in the way?");
    if (!small.answered) return;
    const std::size_t most = start_.network.tunnel->mtu;
    const auto full = sandbox::echo(start_.netns, to->address, most, patience);
    note(fmt::format("a packet of {} bytes, the network's MTU", most), full.answered,
         full.answered ? fmt::format("answered after {} µs", full.time.count()) : full.problem,
         fmt::format(
             "the way between the hosts does not carry packets of {} bytes", most + gate_.run([&] {
               const Overlays& overlays = *controller_.state().overlays;
               return drivers::overlay_overhead(start_.network, overlays.self().vtep.family());
             })));
    trace_.works = full.answered && arrives_whole(to->address);
  }

  /// Ping makes its checksums itself; those of programs are left to the links, and some links get
  /// them wrong in tunnels.
  bool arrives_whole(const ipam::Address& to) {
    using sandbox::KnockProtocol;
    const bool tcp = sandbox::knock(start_.netns, KnockProtocol::tcp, to, patience);
    const bool answered = tcp || sandbox::knock(start_.netns, KnockProtocol::udp, to, patience);
    const std::string link = cluster_.state().vtep.link;
    note("packets with checksums of the link's", answered,
         answered ? fmt::format("answered ({})", tcp ? "TCP" : "UDP")
                  : fmt::format("neither TCP nor UDP is answered within {} ms, but ping is",
                                patience.count()),
         fmt::format("the container's own firewall, or {} makes wrong checksums in tunnels: try "
                     "ethtool -K {} tx-checksum-ip-generic off on both hosts",
                     link, link));
    return answered;
  }

  ClusterMember& cluster_;
  Controller& controller_;
  const ControlGate& gate_;
  Start start_;
  cluster::Endpoint goal_;
  bool is_local_ = false;
  Trace trace_;
};

}  // namespace

Trace trace_overlay(ClusterMember& cluster, Controller& controller, const ControlGate& gate,
                    const std::string& from, const std::string& to, const std::string& network) {
  cluster.ledger();  // throws before the first join
  const auto candidates = gate.run([&] { return starts(controller, from, network); });
  if (candidates.empty())
    throw Error(ErrorKind::not_found,
                fmt::format("{} is on no overlay network{}", from,
                            network.empty() ? "" : " of the name " + network));
  try {
    return Tracer(cluster, controller, gate).run(candidates, to);
  } catch (const StoreError& error) {
    throw cluster.explain(error);
  }
}

}  // namespace netd
