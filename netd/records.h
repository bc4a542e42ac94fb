// The model in memory: all records, found by id, name, prefix, network or sandbox. The store holds
// the same records as JSON below these keys:
//
//     network/<id>   sandbox/<id>   endpoint/<id>
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "netd/model.h"

namespace netd {

class Store;

using Record = std::variant<NetworkRecord, SandboxRecord, EndpointRecord>;

inline const std::string& id_of(const NetworkRecord& record) {
  return record.network.id;
}
inline const std::string& id_of(const SandboxRecord& record) {
  return record.sandbox.id;
}
inline const std::string& id_of(const EndpointRecord& record) {
  return record.endpoint.id;
}
const std::string& id_of(const Record& record);
/// "network/<id>" …
std::string key_of(const Record& record);
Progress& progress_of(Record& record);
std::string to_text(const Record& record);  // the stored JSON

/// What a name or id prefix led to.
template <class R>
struct Match {
  const R* record = nullptr;  // null: nothing or too much
  std::size_t by_name = 0;    // how many have that name (0 or 1)
  std::size_t by_prefix = 0;  // how many ids begin so
};

/// Records stay where they are (pointers to them hold) until they are erased.
class Records {
 public:
  /// Adds or replaces by id.
  void put(Record record);
  void erase(const Record& record);
  void clear();

  const NetworkRecord* network(const std::string& id) const;
  const SandboxRecord* sandbox(const std::string& id) const;
  const EndpointRecord* endpoint(const std::string& id) const;
  const EndpointRecord* endpoint(const std::string& network_id,
                                 const std::string& sandbox_id) const;

  /// libnetwork.md 3.3: full id, then exact name, then a unique id prefix.
  Match<NetworkRecord> find_network(std::string_view reference) const;
  Match<SandboxRecord> find_sandbox(std::string_view reference) const;

  std::vector<const NetworkRecord*> networks() const;  // by name
  /// Those of macvlan and ipvlan, in no order.
  std::vector<const NetworkRecord*> networks_on_parents() const;
  std::vector<const SandboxRecord*> sandboxes() const;  // by name
  std::vector<const EndpointRecord*> endpoints() const;
  /// In the order of their joining. An engine's endpoints are found by the path of their namespace,
  /// where others are by their sandbox's id.
  std::vector<const EndpointRecord*> endpoints_of_network(const std::string& id) const;
  std::vector<const EndpointRecord*> endpoints_of_sandbox(const std::string& id) const;

 private:
  template <class R>
  struct Table {
    std::map<std::string, std::unique_ptr<R>, std::less<>> by_id;
    std::map<std::string, std::string, std::less<>> id_by_name;

    const R* get(const std::string& id) const;
    Match<R> find(std::string_view reference) const;
    std::vector<const R*> sorted() const;
    void put(R record);
    void erase(const R& record);
  };
  using Ordered = std::map<std::int64_t, const EndpointRecord*>;

  void index(const EndpointRecord& record);
  void unindex(const EndpointRecord& record);

  Table<NetworkRecord> networks_;
  Table<SandboxRecord> sandboxes_;
  Table<EndpointRecord> endpoints_;
  std::unordered_map<std::string, Ordered> by_network_;
  std::unordered_map<std::string, Ordered> by_sandbox_;
  std::set<std::string> on_parents_;  // networks
};

/// All records of the store. Throws std::runtime_error that names the key of a damaged one.
std::vector<Record> load_records(Store& store);

}  // namespace netd
