// An overlay network's own DNS server (-o io.netd.gateway_dns=true), for those who don't ask
// 127.0.0.11: containers of engines. On every host it has the network's gateway address, and the
// MAC address that goes with it, in a namespace of its own beside the containers': the host itself
// is not on the network, and has no route there that could be in another's way.
//
//     containers ── nb001000 ── nd001000 ══ eth0 10.1.0.1, port 53
//
// In no record: what an earlier netd left is taken over, or made anew.
#include "dns/listeners.h"
#include "drivers/overlay.h"
#include "netd/log.h"
#include "netd/overlays.h"

namespace netd {
namespace {

constexpr const char* inner_link = "eth0";

std::string netns_of(const Controller::State& state, const NetworkRecord& record) {
  return state.pin_path("dns-" + record.network.id.substr(0, 12));
}

void remove_service(Controller::State& state, const NetworkRecord& record) {
  const std::string link = drivers::overlay_dns_link(record.network.tunnel->vni);
  if (const auto found = state.kernel.find_link("", link))
    state.kernel.revert(sandbox::CreateVeth{.name = link, .index = found->index});
  state.kernel.revert(sandbox::PinNamespace{.path = netns_of(state, record), .source = ""});
}

}  // namespace

void Overlays::make_name_service(const NetworkRecord& record, const std::string& netns,
                                 const ipam::Address& address) {
  const drivers::Network& network = record.network;
  remove_service(state_, record);
  const std::uint32_t index = state_.make_link_index();
  std::vector<sandbox::Step> steps{
      sandbox::PinNamespace{.path = netns, .source = ""},
      sandbox::CreateVeth{.name = drivers::overlay_dns_link(network.tunnel->vni),
                          .index = state_.make_link_index(),
                          .mac = state_.make_mac(),
                          .netns = netns,
                          .peer_name = inner_link,
                          .peer_index = index,
                          .peer_mac = drivers::overlay_mac(address),
                          .mtu = network.tunnel->mtu},
      sandbox::SetLink{.netns = netns, .index = index, .ipv6_link_local = false, .up = true}};
  // All subnets are on the link, as they are for containers.
  for (const drivers::Pool& pool : network.pools) {
    if (!pool.subnet.address.is_v4()) continue;
    if (pool.subnet.contains(address))
      steps.emplace_back(sandbox::AddAddress{netns, index, {address, pool.subnet.length}});
  }
  for (const drivers::Pool& pool : network.pools)
    if (pool.subnet.address.is_v4() && !pool.subnet.contains(address))
      steps.emplace_back(sandbox::AddRoute{
          .netns = netns, .destination = pool.subnet.masked(), .gateway = {}, .index = index});
  for (const sandbox::Step& step : steps)
    state_.kernel.apply(step);
}

void Overlays::serve_names(const NetworkRecord& record) {
  const auto address = state_.driver_of(record).dns_address(record.network);
  if (!address) return;
  const std::string netns = netns_of(state_, record);
  const std::string name = drivers::overlay_dns_link(record.network.tunnel->vni);
  try {
    auto link = state_.kernel.find_link("", name);
    if (!link || !state_.kernel.is_pinned(netns)) {
      state_.dns.close(record.network.id);
      make_name_service(record, netns, *address);
      link = state_.kernel.find_link("", name);
    }
    const std::uint32_t index = link ? link->index : 0;
    state_.kernel.apply(sandbox::SetLink{.netns = "",
                                         .index = index,
                                         .alias = "netd:" + record.network.id,
                                         .master = record.network.link_index,
                                         .ipv6_link_local = false,
                                         .up = true});
    state_.kernel.apply(
        sandbox::SetBridgePort{.index = index, .no_learning = true, .locked = true});
    state_.kernel.apply(
        sandbox::AddFdbEntry{.index = index, .mac = drivers::overlay_mac(*address)});
    state_.dns.open_service(record.network.id, netns, *address, inner_link,
                            state_.names.view_of_network(record.network, state_.name_defaults()));
  } catch (const std::exception& error) {
    log::warn("a network's DNS server does not answer on this host, the next join tries again",
              {{"network", record.network.name}, {"error", error.what()}});
  }
}

void Overlays::stop_serving(const NetworkRecord& record) {
  if (!state_.driver_of(record).dns_address(record.network)) return;
  state_.dns.close(record.network.id);
  try {
    remove_service(state_, record);
  } catch (const std::exception& error) {
    log::warn("what a network's DNS server was behind is not wholly gone",
              {{"network", record.network.name}, {"error", error.what()}});
  }
}

}  // namespace netd
