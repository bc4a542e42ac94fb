// Networks whose driver or IPAM is a plugin (libnetwork.md 2.6, "network create", "network rm").
#include <fmt/format.h>

#include <algorithm>

#include "netd/log.h"
#include "netd/overlays.h"
#include "netd/remote_verbs.h"

namespace netd {
namespace {

constexpr int most_offers = 16;  // of subnets that overlap the host's own

void require(bool implemented, const std::string& plugin, std::string_view interface) {
  if (!implemented)
    throw Error(ErrorKind::not_found,
                fmt::format("plugin {} does not implement {}", plugin, interface));
}

bool is_driver_call(const OwedCall& call) {
  return call.method.starts_with("NetworkDriver.");
}

/// Somebody else is asked before it goes.
bool is_remote(const NetworkRecord& record) {
  return record.remote.driver || record.remote.ipam || record.network.driver == overlay_driver;
}

}  // namespace

struct RemoteVerbs::NetworkCreation {
  NetworkSpec spec;
  NetworkRecord record{};
  plugin::GatewaySkips skips{};
  std::vector<ipam::Prefix> reserved{};
  std::vector<std::string> warnings{};

  const std::string& ipam() const { return record.ipam_driver; }
  bool wants_gateway(const drivers::Driver& driver, ipam::Family family) const {
    return driver.wants_gateway(record.network, family) &&
           !(family == ipam::Family::v4 ? skips.ipv4 : skips.ipv6);
  }
};

void RemoteVerbs::shake_hands(NetworkCreation& creation) {
  NetworkRecord& record = creation.record;
  const std::string driver = record.network.driver;
  if (record.remote.driver) {
    const plugin::Capabilities capabilities = plugins_.activate(driver);
    require(capabilities.implements.network_driver, driver, "NetworkDriver");
    record.scope = capabilities.driver.scope;
    if (capabilities.driver.checks_gateway) {
      const auto request = plugin::gateway_check(record);
      creation.skips =
          plugins_.ask(driver, "NetworkDriver.GwAllocCheck", &request, plugin::read_gateway_skips);
    }
  }
  if (!record.remote.ipam) return;
  const plugin::Capabilities capabilities = plugins_.activate(creation.ipam());
  require(capabilities.implements.ipam_driver, creation.ipam(), "IpamDriver");
  record.remote.requires_mac = capabilities.ipam.requires_mac;
}

/// One offer; it is leased from here on.
plugin::LeasedPool RemoteVerbs::request_once(NetworkCreation& creation, const PoolRequest& wanted,
                                             ipam::Family family) {
  // Docker asks again before each pool; plugins count on it.
  plugins_.ask(creation.ipam(), "IpamDriver.GetDefaultAddressSpaces", nullptr,
               plugin::read_address_spaces);
  const auto request = plugin::pool_request(creation.record, wanted, family);
  const plugin::LeasedPool leased =
      plugins_.ask(creation.ipam(), "IpamDriver.RequestPool", &request, plugin::read_pool);
  creation.record.remote.leases.push_back({leased.id, leased.subnet, {}});
  gate_.run([&] { state().write(creation.record); });
  const bool fits = leased.subnet.family() == family &&
                    (!wanted.subnet || leased.subnet.contains(wanted.subnet->masked()));
  if (!fits)
    throw Error(ErrorKind::internal,
                fmt::format("plugin {}: IpamDriver.RequestPool: {} is not what was asked for ({})",
                            creation.ipam(), leased.subnet.to_string(),
                            wanted.subnet ? wanted.subnet->to_string()
                                          : (family == ipam::Family::v4 ? "IPv4" : "IPv6")));
  return leased;
}

/// Offers that overlap the host's own routes are kept until there is one that does not, so that the
/// plugin has to offer another; then they are given back.
plugin::LeasedPool RemoteVerbs::request_pool(NetworkCreation& creation, const PoolRequest& wanted,
                                             ipam::Family family) {
  const auto overlaps = [&](const ipam::Prefix& subnet) {
    return !wanted.subnet && creation.record.scope != "global" && subnet.length > 0 &&
           std::ranges::any_of(creation.reserved,
                               [&](const auto& route) { return route.overlaps(subnet); });
  };
  auto& leases = creation.record.remote.leases;
  std::vector<PoolLease> rejected;
  for (int offer = 0; offer < most_offers; ++offer) {
    const plugin::LeasedPool leased = request_once(creation, wanted, family);
    if (overlaps(leased.subnet)) {
      rejected.push_back(leases.back());
      continue;
    }
    for (const PoolLease& lease : rejected) {
      const auto request = plugin::pool_release(lease.pool_id);
      plugins_.call(creation.ipam(), "IpamDriver.ReleasePool", &request);
      std::erase_if(leases, [&](const PoolLease& one) { return one.pool_id == lease.pool_id; });
    }
    return leased;
  }
  throw Error(ErrorKind::internal,
              fmt::format("IPAM plugin {} offers only subnets that overlap routes or name servers "
                          "of this host ({} times, last {}): choose one with --subnet",
                          creation.ipam(), most_offers, rejected.back().subnet.to_string()));
}

ipam::Address RemoteVerbs::lease_address(NetworkCreation& creation, const nlohmann::json& request) {
  const ipam::Prefix leased =
      plugins_.ask(creation.ipam(), "IpamDriver.RequestAddress", &request, plugin::read_address);
  creation.record.remote.leases.back().addresses.push_back(leased.address);
  gate_.run([&] { state().write(creation.record); });
  return leased.address;
}

void RemoteVerbs::lease_pool(NetworkCreation& creation, const PoolRequest& wanted,
                             ipam::Family family) {
  const plugin::LeasedPool leased = request_pool(creation, wanted, family);
  drivers::Pool pool{.subnet = leased.subnet,
                     .gateway = leased.gateway,
                     .range = wanted.range,
                     .auxiliary = wanted.auxiliary};
  const drivers::Driver& driver =
      gate_.run([&]() -> const drivers::Driver& { return state().driver_of(creation.record); });
  if (wanted.gateway || (!leased.gateway && creation.wants_gateway(driver, family)))
    pool.gateway = lease_address(creation, plugin::gateway_request(leased.id, wanted.gateway));
  for (const auto& [name, address] : wanted.auxiliary)
    lease_address(creation, plugin::auxiliary_request(leased.id, address));
  creation.record.network.pools.push_back(std::move(pool));
}

void RemoteVerbs::lease_pools(NetworkCreation& creation) {
  NetworkRecord& record = creation.record;
  const plugin::AddressSpaces spaces = plugins_.ask(
      creation.ipam(), "IpamDriver.GetDefaultAddressSpaces", nullptr, plugin::read_address_spaces);
  record.remote.address_space = record.scope == "global" ? spaces.global : spaces.local;
  creation.reserved = gate_.run([&] { return state().reserved_prefixes(); });
  for (const ipam::Family family : {ipam::Family::v4, ipam::Family::v6}) {
    if (family == ipam::Family::v4 ? !record.network.ipv4 : !record.network.ipv6) continue;
    for (const PoolRequest& wanted : requests_of(creation.spec.pools, family))
      lease_pool(creation, wanted, family);
  }
}

/// CreateNetwork: the record is in the store and shown by the API, as some plugins look it up.
void RemoteVerbs::announce_network(NetworkRecord& record) {
  record.remote.created = true;
  gate_.run([&] { state().write(record); });
  const auto request = plugin::network_creation(record);
  try {
    plugins_.call(record.network.driver, "NetworkDriver.CreateNetwork", &request);
  } catch (const plugin::PluginError& error) {
    record.remote.created = error.may_have_acted();
    throw;
  }
}

CreatedNetwork RemoteVerbs::create_network(const NetworkSpec& spec) {
  if (spec.driver == overlay_driver) return create_overlay(spec);
  NetworkCreation creation{.spec = spec};
  NetworkRecord& record = creation.record;
  gate_.run([&] {
    record = state().begin_network(creation.spec);
    record.remote.driver = !state().drivers.find(record.network.driver);
    record.remote.ipam = !is_own_ipam(record.ipam_driver);
    state().check_network(record);
    state().write(record);
  });
  try {
    shake_hands(creation);
    if (record.remote.ipam) {
      lease_pools(creation);
    } else {
      creation.warnings = gate_.run([&] {
        const drivers::Driver& driver = state().driver_of(record);
        return state().open_pools(creation.spec, record, [&](ipam::Family family) {
          return creation.wants_gateway(driver, family);
        });
      });
    }
    if (record.remote.driver) announce_network(record);
    gate_.run([&] {
      std::ranges::move(state().finish_network(record), std::back_inserter(creation.warnings));
      state().publish_event("create", record);
    });
  } catch (...) {
    abandon_network(record, absent_in(std::current_exception()));
    throw;
  }
  return {record.network.id, std::move(creation.warnings)};
}

void RemoteVerbs::abandon_network(const NetworkRecord& record, Absent absent) {
  OwedCalls calls = owed_by(record);
  gate_.run([&] {
    owe(record.network.id, calls, {{key_of(record), std::nullopt}});
    state().records.erase(record);
    state().addresses.close(record.network.id);
  });
  settle(record.network.id, calls, absent);
  settle_later(absent);
}

void RemoteVerbs::remove_network(std::string_view reference) {
  OwedCalls calls;
  NetworkRecord record;
  bool is_overlay = false;
  gate_.run([&] {
    const NetworkRecord& found = state().network(reference, Purpose::remove);
    state().check_removable(found);
    is_overlay = found.network.driver == overlay_driver;
    if (is_overlay) {
      record = found;
      return;
    }
    if (settling_.contains(found.network.id)) state().check_idle(found);
    record = found;
    calls = owed_by(record);
    record.progress.state = State::leaving;
    state().write(record, Durability::power);
    owe(record.network.id, calls);
  });
  if (is_overlay) return remove_overlay(record);
  Absent absent;
  settle_some(record.network.id, calls, absent, is_driver_call);
  std::exception_ptr failure;
  try {
    gate_.run([&] { state().remove_network(record); });
  } catch (...) {
    failure = std::current_exception();
  }
  settle(record.network.id, calls, absent);
  settle_later(absent);
  if (failure) std::rethrow_exception(failure);
}

std::vector<std::string> RemoteVerbs::prune_networks(
    const std::function<bool(const NetworkRecord&)>& wanted) {
  const auto unused = gate_.run([&] {
    std::vector<std::pair<std::string, std::string>> ids;
    for (const NetworkRecord* record : state().records.networks())
      if (is_remote(*record) && wanted(*record) && record->progress.state == netd::State::joined &&
          state().records.endpoints_of_network(record->network.id).empty())
        ids.emplace_back(record->network.id, record->network.name);
    return ids;
  });
  std::vector<std::string> removed;
  for (const auto& [id, name] : unused) {
    try {
      remove_network(id);
      removed.push_back(name);
    } catch (const std::exception& error) {
      log::warn("network not pruned, going on", {{"network", name}, {"error", error.what()}});
    }
  }
  const auto own = [&](const NetworkRecord& record) {
    return !is_remote(record) && wanted(record);
  };
  auto rest = gate_.run([&] { return controller_.prune_networks(own); });
  std::ranges::move(rest, std::back_inserter(removed));
  return removed;
}

}  // namespace netd
