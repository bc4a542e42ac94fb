// The engine's IPAM verbs.
#include "netd/controller_state.h"
#include "netd/engine_driver.h"

namespace netd {
namespace {

/// Does it again when it was refused and engines that are gone had left something to give up.
template <class Act>
auto with_sweep(EngineDriver& driver, const Act& act) {
  try {
    return act();
  } catch (const std::exception&) {
    if (driver.sweep() == 0) throw;
  }
  return act();
}

}  // namespace

ClaimedPool EngineDriver::request_pool(const PoolAsk& ask) {
  state_.begin_again();
  if (!ask.network.empty()) return with_sweep(*this, [&] { return request_bound_pool(ask); });
  const std::string id = state_.make_id().substr(0, 16);
  const Addresses::Request request{
      .network_id = id,
      .ipv4 = !ask.ipv6,
      .ipv6 = ask.ipv6,
      .pools = {ask.pool},
      .reserved = state_.reserved_prefixes(),
      .wants_gateway = [](ipam::Family) { return false; },
      .name_of = [this](const ipam::Prefix& subnet) { return state_.owner_of(subnet); }};
  return with_sweep(*this, [&] { return state_.claims.open_pool(id, ask, request); });
}

void EngineDriver::release_pool(const std::string& id) {
  state_.claims.close_pool(id);
  state_.bound.close_pool(id);
}

ipam::Prefix EngineDriver::request_address(const AddressAsk& ask) {
  return with_sweep(*this, [&] { return state_.claims.take_address(ask); });
}

void EngineDriver::release_address(const std::string& pool, const ipam::Address& address) {
  state_.claims.release_address(pool, address);
}

}  // namespace netd
