#include "netd/records.h"

#include "netd/store.h"

namespace netd {
namespace {

const std::string& name_of(const NetworkRecord& record) {
  return record.network.name;
}
const std::string& name_of(const SandboxRecord& record) {
  return record.spec.name;
}
const std::string& name_of(const EndpointRecord& record) {
  return record.endpoint.id;
}

const char* kind_of(const NetworkRecord&) {
  return "network/";
}
const char* kind_of(const SandboxRecord&) {
  return "sandbox/";
}
const char* kind_of(const EndpointRecord&) {
  return "endpoint/";
}

template <class Map>
std::vector<const EndpointRecord*> values(const Map& map, const std::string& id) {
  std::vector<const EndpointRecord*> found;
  if (const auto ordered = map.find(id); ordered != map.end())
    for (const auto& [order, record] : ordered->second)
      found.push_back(record);
  return found;
}

template <class R>
void load_kind(Store& store, const char* prefix, std::vector<Record>& records) {
  for (const Entry& entry : store.list(prefix)) {
    try {
      R record;
      from_text(entry.value, record);
      records.push_back(std::move(record));
    } catch (const std::exception& error) {
      throw std::runtime_error("the store's record " + entry.key + " is damaged: " + error.what());
    }
  }
}

/// An engine's endpoint is in a namespace of the engine's.
const std::string& sandbox_of(const EndpointRecord& record) {
  return record.engine ? record.engine->sandbox_key : record.sandbox_id;
}

}  // namespace

const std::string& id_of(const Record& record) {
  return std::visit([](const auto& r) -> const std::string& { return id_of(r); }, record);
}

std::string key_of(const Record& record) {
  return std::visit([](const auto& r) { return kind_of(r) + id_of(r); }, record);
}

Progress& progress_of(Record& record) {
  return std::visit([](auto& r) -> Progress& { return r.progress; }, record);
}

std::string to_text(const Record& record) {
  return std::visit([](const auto& r) { return to_text(r); }, record);
}

template <class R>
const R* Records::Table<R>::get(const std::string& id) const {
  const auto found = by_id.find(id);
  return found == by_id.end() ? nullptr : found->second.get();
}

template <class R>
Match<R> Records::Table<R>::find(std::string_view reference) const {
  Match<R> match;
  if (reference.empty()) return match;
  if (const auto exact = by_id.find(reference); exact != by_id.end()) {
    match.record = exact->second.get();
    return match;
  }
  if (const auto named = id_by_name.find(reference); named != id_by_name.end()) {
    match.by_name = 1;
    match.record = get(named->second);
    return match;
  }
  for (auto at = by_id.lower_bound(reference);
       at != by_id.end() && at->first.starts_with(reference); ++at) {
    match.record = at->second.get();
    ++match.by_prefix;
  }
  if (match.by_prefix > 1) match.record = nullptr;
  return match;
}

template <class R>
std::vector<const R*> Records::Table<R>::sorted() const {
  std::vector<const R*> records;
  records.reserve(by_id.size());
  for (const auto& [name, id] : id_by_name)
    records.push_back(get(id));
  return records;
}

template <class R>
void Records::Table<R>::put(R record) {
  if (const R* old = get(id_of(record))) id_by_name.erase(name_of(*old));
  id_by_name[name_of(record)] = id_of(record);
  std::unique_ptr<R>& slot = by_id[id_of(record)];
  if (slot)
    *slot = std::move(record);
  else
    slot = std::make_unique<R>(std::move(record));
}

template <class R>
void Records::Table<R>::erase(const R& record) {
  const std::string id = id_of(record);  // `record` may be the one that goes
  const R* old = get(id);
  if (!old) return;
  id_by_name.erase(name_of(*old));
  by_id.erase(id);
}

void Records::index(const EndpointRecord& record) {
  by_network_[record.network_id][record.order] = &record;
  if (const std::string& id = sandbox_of(record); !id.empty())
    by_sandbox_[id][record.order] = &record;
}

void Records::unindex(const EndpointRecord& record) {
  const auto take = [&](auto& map, const std::string& id) {
    const auto found = map.find(id);
    if (found == map.end()) return;
    found->second.erase(record.order);
    if (found->second.empty()) map.erase(found);
  };
  take(by_network_, record.network_id);
  take(by_sandbox_, sandbox_of(record));
}

void Records::put(Record record) {
  if (auto* network = std::get_if<NetworkRecord>(&record)) {
    if (network->network.parent)
      on_parents_.insert(network->network.id);
    else
      on_parents_.erase(network->network.id);
    networks_.put(std::move(*network));
  } else if (auto* sandbox = std::get_if<SandboxRecord>(&record)) {
    sandboxes_.put(std::move(*sandbox));
  } else {
    auto& endpoint = std::get<EndpointRecord>(record);
    const std::string id = id_of(endpoint);
    if (const EndpointRecord* old = endpoints_.get(id)) unindex(*old);
    endpoints_.put(std::move(endpoint));
    index(*endpoints_.get(id));
  }
}

void Records::erase(const Record& record) {
  if (const auto* network = std::get_if<NetworkRecord>(&record)) {
    on_parents_.erase(network->network.id);
    networks_.erase(*network);
  } else if (const auto* sandbox = std::get_if<SandboxRecord>(&record)) {
    sandboxes_.erase(*sandbox);
  } else if (const EndpointRecord* old = endpoints_.get(id_of(record))) {
    unindex(*old);
    endpoints_.erase(*old);
  }
}

void Records::clear() {
  *this = Records();
}

const NetworkRecord* Records::network(const std::string& id) const {
  return networks_.get(id);
}
const SandboxRecord* Records::sandbox(const std::string& id) const {
  return sandboxes_.get(id);
}
const EndpointRecord* Records::endpoint(const std::string& id) const {
  return endpoints_.get(id);
}

const EndpointRecord* Records::endpoint(const std::string& network_id,
                                        const std::string& sandbox_id) const {
  for (const EndpointRecord* record : endpoints_of_sandbox(sandbox_id))
    if (record->network_id == network_id) return record;
  return nullptr;
}

Match<NetworkRecord> Records::find_network(std::string_view reference) const {
  return networks_.find(reference);
}

Match<SandboxRecord> Records::find_sandbox(std::string_view reference) const {
  return sandboxes_.find(reference);
}

std::vector<const NetworkRecord*> Records::networks() const {
  return networks_.sorted();
}
std::vector<const NetworkRecord*> Records::networks_on_parents() const {
  std::vector<const NetworkRecord*> all;
  for (const std::string& id : on_parents_)
    all.push_back(networks_.get(id));
  return all;
}
std::vector<const SandboxRecord*> Records::sandboxes() const {
  return sandboxes_.sorted();
}
std::vector<const EndpointRecord*> Records::endpoints() const {
  return endpoints_.sorted();
}

std::vector<const EndpointRecord*> Records::endpoints_of_network(const std::string& id) const {
  return values(by_network_, id);
}

std::vector<const EndpointRecord*> Records::endpoints_of_sandbox(const std::string& id) const {
  return values(by_sandbox_, id);
}

std::vector<Record> load_records(Store& store) {
  std::vector<Record> records;
  load_kind<NetworkRecord>(store, "network/", records);
  load_kind<SandboxRecord>(store, "sandbox/", records);
  load_kind<EndpointRecord>(store, "endpoint/", records);
  return records;
}

}  // namespace netd
