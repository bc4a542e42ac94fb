#include "netd/cluster/holders.h"

#include <fmt/format.h>

#include <optional>

#include "netd/cluster/values.h"

namespace netd::cluster {
namespace {

std::string short_id(const std::string& id) {
  constexpr std::size_t digits = 12;
  return id.substr(0, digits);
}

template <class Value>
std::optional<Value> find(Store& store, const std::string& key) {
  try {
    const auto entry = store.get(key);
    return entry ? std::optional(parse_value<Value>(entry->value)) : std::nullopt;
  } catch (const std::exception&) {  // the refusal matters more than its words
    return std::nullopt;
  }
}

}  // namespace

std::string network_name(Store& store, const Keys& keys, const std::string& id) {
  const auto network = find<Network>(store, keys.network(id));
  return network ? network->name : short_id(id);
}

std::string holder_name(Store& store, const Keys& keys, const std::string& network,
                        std::string_view holder) {
  Holder who;
  try {
    from_text(holder, who);
  } catch (const BadValue&) {
    return "somebody";
  }
  if (who.endpoint.empty()) return "the network's own";
  const auto endpoint = find<Endpoint>(store, keys.endpoint(network, who.host, who.endpoint));
  const auto host = find<HostInfo>(store, keys.host_info(who.host));
  const std::string where = host ? host->name : short_id(who.host);
  // Kept for its sake: it may still run there (give_up_host).
  if (!endpoint)
    return fmt::format("{} on host {}, which was given up: it is free within a minute",
                       short_id(who.endpoint), where);
  return fmt::format("{} on host {}",
                     endpoint->names.empty() ? short_id(endpoint->id) : endpoint->names[0], where);
}

}  // namespace netd::cluster
