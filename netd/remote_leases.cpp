// What is asked of the LAN before an endpoint is made: a lease of a DHCP server, and whether
// somebody uses an address already.
#include <fmt/format.h>

#include <future>

#include "drivers/options.h"
#include "netd/dhcp/client.h"
#include "netd/log.h"
#include "netd/remote_verbs.h"

namespace netd {
namespace {

constexpr int most_tries = 8;  // of free addresses that somebody uses all the same

}  // namespace

void RemoteVerbs::take_lease(Asked& asked) {
  const std::string id = asked.endpoint.endpoint.id;
  const auto answer = std::make_shared<std::promise<dhcp::Client::Outcome>>();
  auto outcome = answer->get_future();
  gate_.run([&] {
    state().leases->acquire(id, state().lease_request(asked.endpoint),
                            [answer](const auto& result) { answer->set_value(result); });
  });
  const dhcp::Client::Outcome result = outcome.get();
  const std::string about =
      fmt::format("sandbox {} on network {}", asked.sandbox.spec.name, asked.network.network.name);
  if (!result.lease)
    throw Error(ErrorKind::unavailable, fmt::format("no address for {}: {}", about, result.error));
  asked.endpoint.lease = result.lease;
  follow_lease(asked.endpoint);
  gate_.run([&] { state().write(asked.endpoint); });
  const auto& wanted = asked.endpoint.spec.ipv4;
  if (wanted && result.lease->address.address != *wanted)
    throw Error(ErrorKind::conflict,
                fmt::format("{}: the DHCP server gives {}, not {}", about,
                            result.lease->address.address.to_string(), wanted->to_string()));
}

std::optional<ipam::Mac> RemoteVerbs::probe(const Asked& asked, const ipam::Address& address) {
  const auto answer = std::make_shared<std::promise<dhcp::ProbeOutcome>>();
  auto outcome = answer->get_future();
  const dhcp::ProbeTask task{.interface = asked.network.network.link_name,
                             .address = address,
                             .mac = asked.endpoint.endpoint.mac,
                             .timing = dhcp::ProbeTiming::quick()};
  gate_.run([&] {
    state().leases->probe(task, [answer](const auto& result) { answer->set_value(result); });
  });
  const dhcp::ProbeOutcome result = outcome.get();
  if (!result.error.empty())
    throw Error(ErrorKind::unavailable,
                fmt::format("whether {} is free on network {} can't be found out: {}",
                            address.to_string(), asked.network.network.name, result.error));
  return result.taken_by;
}

/// Addresses that strangers use stay taken until a free one is found, so that each is tried once.
void RemoteVerbs::avoid_conflicts(Asked& asked) {
  std::vector<ipam::Address> strangers;
  const auto give_back = [&] {
    gate_.run([&] {
      for (const ipam::Address& address : strangers)
        state().addresses.release(asked.network.network.id, address);
    });
  };
  auto& ipv4 = asked.endpoint.endpoint.ipv4;
  while (ipv4) {
    const auto taken_by = probe(asked, ipv4->address);
    if (!taken_by) break;
    const std::string who = fmt::format("address {} is used by {} on the LAN",
                                        ipv4->address.to_string(), taken_by->to_string());
    log::warn(who, {{"network", asked.network.network.name}});
    if (asked.endpoint.spec.ipv4 || strangers.size() == most_tries) {
      give_back();
      throw Error(
          ErrorKind::conflict,
          fmt::format("{}: choose another (--ip), or a range of your own (--ip-range)", who));
    }
    strangers.push_back(ipv4->address);
    gate_.run([&] {
      ipv4 = state().addresses.allocate(asked.network, ipam::Family::v4, std::nullopt);
      state().write(asked.endpoint);
    });
  }
  give_back();
}

}  // namespace netd
