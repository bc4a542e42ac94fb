#include "netd/controller.h"

#include <fmt/format.h>

#include <chrono>

#include "netd/controller_state.h"
#include "netd/engine_driver.h"

namespace netd {
namespace {

/// Docker's pools and this host's own IPv6 prefix, or what the configuration says. The prefix is
/// made of a number that the store remembers.
std::vector<ipam::AddressPool> address_pools(const Config& config, Store& store) {
  constexpr const char* key = "host/digest";
  std::uint64_t digest = 0;
  if (const auto entry = store.get(key)) {
    digest = std::stoull(entry->value);
  } else {
    std::random_device random;
    digest = (std::uint64_t{random()} << 32) | random();
    store.txn({}, {{key, std::to_string(digest)}}, Durability::power);
  }
  return ipam::complete_address_pools(config.default_address_pools, digest);
}

std::string ambiguous(std::string_view reference, std::size_t by_prefix, Purpose purpose) {
  switch (purpose) {
    case Purpose::inspect:
      return fmt::format("{} matches found based on ID prefix: network {} is ambiguous", by_prefix,
                         reference);
    case Purpose::remove:
      return fmt::format("network {} is ambiguous ({} matches found based on ID prefix)", reference,
                         by_prefix);
    case Purpose::use:
      break;
  }
  return fmt::format("network {} is ambiguous ({} matches found based on ID prefix)", reference,
                     by_prefix);
}

}  // namespace

std::int64_t now_nano() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void throw_failures(const std::string& object, const std::vector<std::string>& failures) {
  if (failures.empty()) return;
  throw Error(ErrorKind::internal,
              fmt::format("{} could not be removed wholly: {}; try again, netd also tries at its "
                          "next start",
                          object, fmt::join(failures, "; ")));
}

Controller::State::State(const Config& config_, Store& store_, sandbox::Kernel& kernel_,
                         const drivers::Registry& drivers_, dns::Listeners& dns_, Events& events_)
    : config(config_),
      store(store_),
      kernel(kernel_),
      drivers(drivers_),
      dns(dns_),
      events(events_),
      host_ipv6(kernel_.read_sysctl("", "net/ipv6/conf/all/forwarding").has_value()),
      addresses(address_pools(config_, store_)),
      claims(store_, addresses),
      bound(store_),
      ports(config_.userland_proxy, host_ipv6) {}

std::string Controller::State::make_id() {
  return fmt::format("{:016x}{:016x}{:016x}{:016x}", random(), random(), random(), random());
}

std::uint32_t Controller::State::make_link_index() {
  return next_link_index++;
}

ipam::Mac Controller::State::make_mac() {
  return ipam::Mac::local(random());
}

const NetworkRecord& Controller::State::network(std::string_view reference, Purpose purpose) const {
  const Match<NetworkRecord> match = records.find_network(reference);
  if (match.record) return *match.record;
  if (match.by_prefix > 1)
    throw Error(ErrorKind::invalid, ambiguous(reference, match.by_prefix, purpose));
  throw Error(ErrorKind::not_found, fmt::format("network {} not found", reference));
}

const SandboxRecord& Controller::State::sandbox(std::string_view reference) const {
  const Match<SandboxRecord> match = records.find_sandbox(reference);
  if (match.record) return *match.record;
  if (match.by_prefix > 1)
    throw Error(ErrorKind::invalid,
                fmt::format("sandbox {} is ambiguous ({} matches found based on ID prefix)",
                            reference, match.by_prefix));
  throw Error(ErrorKind::not_found, fmt::format("No such container: {}", reference));
}

const drivers::Driver& Controller::State::driver_of(const NetworkRecord& network) const {
  const drivers::Driver* driver = drivers.find(network.network.driver);
  if (!driver && network.remote.driver) return drivers.remote();
  if (!driver)
    throw Error(ErrorKind::not_found,
                fmt::format("network {} needs driver {}, which this netd does not have",
                            network.network.name, network.network.driver));
  return *driver;
}

void Controller::State::check_idle(const SandboxRecord& sandbox) const {
  if (const auto found = busy.find(sandbox.sandbox.id); found != busy.end())
    throw Error(ErrorKind::conflict,
                fmt::format("sandbox {} {} by another request, which waits for a plugin: try again "
                            "later",
                            sandbox.spec.name, found->second));
}

void Controller::State::check_idle(const NetworkRecord& network) const {
  if (network.progress.state == netd::State::joined) return;
  const bool created = network.progress.state == netd::State::joining;
  throw Error(ErrorKind::conflict,
              fmt::format("network {} is being {}", network.network.name,
                          created ? "created by another request, which waits for a plugin: try "
                                    "again later"
                                  : "removed"));
}

void Controller::State::write(Record record, Durability durability) {
  store.txn({}, {{key_of(record), to_text(record)}}, durability);
  records.put(std::move(record));
}

SandboxView Controller::State::view_of(const SandboxRecord& sandbox) const {
  return {&sandbox, records.endpoints_of_sandbox(sandbox.sandbox.id)};
}

void Controller::State::publish_event(const char* action, const NetworkRecord& network,
                                      const std::string& container) {
  Event event{.type = "network", .action = action, .id = network.network.id};
  event.attributes = {{"name", network.network.name}, {"type", network.network.driver}};
  if (!container.empty()) event.attributes["container"] = container;
  event.scope = network.scope;
  events.publish(std::move(event));
}

void Controller::State::publish_event(const char* action, const SandboxRecord& sandbox) {
  Event event{.type = "container", .action = action, .id = sandbox.sandbox.id};
  event.attributes = sandbox.spec.labels;
  event.attributes["name"] = sandbox.spec.name;
  events.publish(std::move(event));
}

Controller::Controller(const Config& config, Store& store, sandbox::Kernel& kernel,
                       const drivers::Registry& drivers, dns::Listeners& dns, Events& events)
    : state_(std::make_unique<State>(config, store, kernel, drivers, dns, events)) {}

Controller::~Controller() = default;

const NetworkRecord& Controller::network(std::string_view reference, Purpose purpose) const {
  return state_->network(reference, purpose);
}

std::vector<const NetworkRecord*> Controller::networks() const {
  return state_->records.networks();
}

std::vector<const EndpointRecord*> Controller::endpoints_of(const std::string& network_id) const {
  return state_->records.endpoints_of_network(network_id);
}

std::vector<PoolUsage> Controller::pool_usage(const std::string& network_id) const {
  std::vector<PoolUsage> usage;
  for (const ipam::Pool& pool : state_->addresses.pools(network_id))
    usage.push_back(
        {.subnet = pool.subnet(), .in_use = pool.in_use(), .available = pool.available()});
  return usage;
}

SandboxView Controller::sandbox(std::string_view reference) const {
  return state_->view_of(state_->sandbox(reference));
}

std::vector<SandboxView> Controller::sandboxes() const {
  std::vector<SandboxView> views;
  for (const SandboxRecord* record : state_->records.sandboxes())
    views.push_back(state_->view_of(*record));
  return views;
}

const EndpointRecord* Controller::gateway_endpoint(const std::string& sandbox_id,
                                                   ipam::Family family) const {
  return state_->gateway_of(state_->by_priority(state_->records.endpoints_of_sandbox(sandbox_id)),
                            family);
}

const NetworkRecord& Controller::network_by_id(const std::string& id) const {
  if (const NetworkRecord* record = state_->records.network(id)) return *record;
  throw Error(ErrorKind::not_found, fmt::format("network {} not found", id));
}

const SandboxRecord& Controller::sandbox_by_id(const std::string& id) const {
  if (const SandboxRecord* record = state_->records.sandbox(id)) return *record;
  throw Error(ErrorKind::not_found, fmt::format("No such container: {}", id));
}

std::string Controller::State::owner_of(const EndpointRecord& record) const {
  return record.engine ? engine_name(record) : records.sandbox(record.sandbox_id)->spec.name;
}

std::string Controller::owner_of(const EndpointRecord& record) const {
  return state_->owner_of(record);
}

std::string Controller::file_of(const std::string& sandbox_id, std::string_view file) const {
  return fmt::format("{}/{}", state_->directory_of(sandbox_by_id(sandbox_id)), file);
}

EngineDriver Controller::engine() {
  return EngineDriver(*state_);
}

SystemInfo Controller::info() const {
  return {.networks = state_->records.networks().size(),
          .sandboxes = state_->records.sandboxes().size(),
          .endpoints = state_->records.endpoints().size(),
          .dying_links = state_->kernel.dying_links()};
}

}  // namespace netd
