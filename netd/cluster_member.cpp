#include "netd/cluster_member.h"

#include <fmt/format.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "netd/controller_state.h"
#include "netd/engine_driver.h"
#include "netd/etcd/load.h"
#include "netd/log.h"
#include "sandbox/echo.h"
#include "sandbox/netns.h"

namespace netd {
namespace {

using namespace std::chrono_literals;

constexpr auto retry_pause = 1s;
constexpr auto audit_period = 60s;
constexpr const char* host_key = "cluster/host";
constexpr const char* cluster_key = "cluster/id";

std::string hostname() {
  char name[HOST_NAME_MAX + 1] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

std::string ago(const std::optional<std::chrono::seconds>& since) {
  return since ? fmt::format("{} s ago", since->count()) : "never";
}

std::unique_ptr<SharedStore> open_store(const ClusterConfig& config) {
  EtcdOptions options{.ca_file = config.ca,
                      .certificate_file = config.cert,
                      .key_file = config.key,
                      .deadline = 2s};
  for (const std::string& endpoint : store_endpoints(config))
    options.endpoints.push_back((config.has_tls() ? "https://" : "http://") + endpoint);
  return open_etcd(options);
}

/// What this host knows of itself over all its starts; made up once.
std::string own_id(Store& store) {
  if (const auto entry = store.get(host_key)) return entry->value;
  const std::string id = cluster::make_token();
  store.txn({}, {{host_key, id}}, Durability::power);
  return id;
}

}  // namespace

ClusterMember::ClusterMember(const ClusterConfig& config, Controller& controller, ControlGate gate,
                             cluster::Mirror::Post post, Workers& workers, Verbs verbs)
    : config_(config),
      controller_(controller),
      gate_(std::move(gate)),
      post_(std::move(post)),
      workers_(workers),
      verbs_(std::move(verbs)),
      keys_(config.prefix),
      vtep_(find_vtep(config)),
      store_(open_store(config)),
      probes_({.start = [this](std::function<void()> act) { workers_.start(std::move(act)); },
               .goes_on = [this] { return !workers_.is_stopping(); },
               .echo =
                   [](const ipam::Address& to, std::size_t bytes) {
                     constexpr auto patience = 500ms;
                     return sandbox::echo("", to, bytes, patience);
                   }},
              std::random_device{}()),
      vtep_index_(if_nametoindex(vtep_.link.c_str())) {}

ClusterMember::~ClusterMember() {
  stop();
}

void ClusterMember::start() {
  gate_.run([&] {
    Store& store = controller_.state().store;
    host_ = own_id(store);
    const auto known = store.get(cluster_key);
    encryption_ = Encryption(store, controller_.state().kernel, host_).published();
    membership_.emplace(*store_, keys_,
                        cluster::Membership::Options{.host = describe(vtep_),
                                                     .known_cluster = known ? known->value : "",
                                                     .vxlan_port = config_.vxlan_port});
    recall();
  });
  ledger_ = std::make_unique<cluster::Ledger>(*store_, keys_, host_,
                                              [this] { return membership_->fence(); });
  thread_ = std::thread([this] { run(); });
  keeper_ = std::thread([this] { keep_lease(); });
}

/// For as long as the store does not answer: what other hosts' containers are called.
void ClusterMember::recall() {
  Store& store = controller_.state().store;
  memory_.emplace(store);
  const auto last = memory_->last();
  const auto known = store.get(cluster_key);
  if (!last || !known || last->meta.cluster != known->value ||
      last->meta.underlay != vtep_.address.family())
    return;
  make_overlays(last->meta);
  const std::lock_guard lock(mutex_);
  meta_ = last->meta;
  last_contact_ = last->contact;
}

void ClusterMember::make_overlays(const cluster::Meta& meta) {
  Controller::State& state = controller_.state();
  overlays_ = std::make_unique<Overlays>(
      state, keys_, Overlays::Self{host_, vtep_.address, meta.vxlan_port, vtep_.mtu},
      [this](std::string prefix, Overlays::Listener listener) {
        listener.check = [this] { membership_->check_cluster(); };
        return std::make_unique<cluster::Mirror>(*store_, std::move(prefix), post_, workers_,
                                                 std::move(listener));
      },
      *memory_);
  state.overlays = overlays_.get();
}

/// What was heard, for the next start. Some seconds of it are lost in a crash.
void ClusterMember::save() {
  cluster::Memory::Last last;
  {
    const std::lock_guard lock(mutex_);
    if (!meta_ || !contact_) return;
    last.meta = *meta_;
    last.contact = cluster::Memory::Clock::now() -
                   std::chrono::duration_cast<cluster::Memory::Clock::duration>(
                       std::chrono::steady_clock::now() - *contact_);
  }
  gate_.run([&] { memory_->save(last); });
}

cluster::HostInfo ClusterMember::describe(const Vtep& vtep) const {
  return {.id = host_,
          .name = hostname(),
          .vtep = vtep.address,
          .mtu = vtep.mtu,
          .boot = sandbox::boot_id() + ":" + std::to_string(sandbox::netns_cookie()),
          .version = NETD_VERSION,
          .encryption = encryption_,
          .expects = expects_};
}

void ClusterMember::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopping_, true)) return;
  }
  ended_.notify_all();
  for (std::thread* thread : {&thread_, &keeper_})
    if (thread->joinable()) thread->join();
  attempt([&] { save(); });
  if (membership_) membership_->leave();
}

/// False: netd stops.
bool ClusterMember::wait(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return !ended_.wait_for(lock, time, [this] { return stopping_; });
}

void ClusterMember::note_contact() {
  const std::lock_guard lock(mutex_);
  contact_ = std::chrono::steady_clock::now();
  problem_.clear();
  is_away_ = false;
}

void ClusterMember::note_problem(const std::string& problem) {
  {
    const std::lock_guard lock(mutex_);
    if (problem_ == problem) return;
    problem_ = problem;
  }
  log::warn("cluster: containers go on, nothing can be changed on overlay networks",
            {{"problem", problem}});
}

/// The lease alone: nothing that takes its time may be in its way.
void ClusterMember::keep_lease() {
  do {
    if (!membership_->is_live()) continue;  // the other thread joins
    try {
      membership_->keep();
      note_contact();
    } catch (const std::exception& error) {
      note_problem(error.what());
    }
  } while (wait(cluster::keep_period));
}

/// Goes on after what fails: one matter doesn't stop the others.
void ClusterMember::attempt(const std::function<void()>& act) {
  try {
    act();
  } catch (const StoreError& error) {
    note_problem(error.what());
    const std::lock_guard lock(mutex_);
    is_away_ = error.kind == StoreError::Kind::unreachable;
  } catch (const std::exception& error) {
    note_problem(error.what());
  }
}

void ClusterMember::run() {
  using Clock = std::chrono::steady_clock;
  auto next_look = Clock::now() + audit_period;
  auto next_chores = Clock::now();
  do {
    if (underlay_changed_.exchange(false)) attempt([&] { look_at_underlay(); });
    attempt([&] {
      if (!membership_->is_live()) join();
      if (!caught_up_) catch_up();
    });
    if (!membership_->is_live() || !caught_up_) continue;
    if (Clock::now() >= next_chores) {
      next_chores = Clock::now() + cluster::keep_period;
      attempt([&] { save(); });
      attempt([&] { probe_paths(); });
      attempt([&] { verbs_.settle(); });
      attempt([&] { give_up_hosts(); });
    }
    look_after_keys();
    if (Clock::now() >= next_look) {
      next_look = Clock::now() + audit_period;
      look_around();
    }
  } while (wait(retry_pause));
}

void ClusterMember::join() {
  caught_up_ = false;
  {
    const std::lock_guard lock(place_mutex_);
    published_ = false;
    joined_as_ = membership_->join();
    published_ = true;
    if (joined_as_.lost_inside) encryption_.reset();
    has_key_ = encryption_.has_value();
  }
  note_contact();
  log::info("this host is a live member of the cluster",
            {{"cluster", joined_as_.meta.cluster}, {"vtep", vtep_.address.to_string()}});
  if (joined_as_.founded)
    log::warn("there was no cluster below this prefix: this host founded one",
              {{"prefix", keys_.prefix()}, {"cluster", joined_as_.meta.cluster}});
  if (joined_as_.was_given_up)
    log::warn("the cluster had given this host up: what it had is claimed again");
}

void ClusterMember::catch_up() {
  follow(joined_as_);
  heal(Extent::all);
  caught_up_ = true;
}

void ClusterMember::follow(const cluster::Membership::Joined& joined) {
  gate_.run([&] {
    Controller::State& state = controller_.state();
    const auto known = state.store.get(cluster_key);
    if (!known || known->value != joined.meta.cluster)
      state.store.txn({}, {{cluster_key, joined.meta.cluster}}, Durability::power);
    if (!overlays_) make_overlays(joined.meta);
    if (!overlays_->has_begun()) overlays_->begin();
  });
  const std::lock_guard lock(mutex_);
  meta_ = joined.meta;
  joined_ = true;
}

void ClusterMember::give_up_hosts() {
  const auto hosts = gate_.run([&] {
    return overlays_ ? overlays_->hosts_to_give_up(config_.dead_after) : std::vector<std::string>();
  });
  for (const std::string& host : hosts)
    if (cluster::give_up_host(*store_, keys_, host))
      log::warn("a host was away for too long: its addresses are free for others",
                {{"host", host}, {"after", std::to_string(config_.dead_after.count()) + " s"}});
}

void ClusterMember::give_up(const std::string& host) {
  try {
    if (!cluster::give_up_host(*store_, keys_, host))
      throw Error(ErrorKind::conflict, fmt::format("host {} is live: stop its netd first", host));
  } catch (const StoreError& error) {
    throw explain(error);
  }
}

void ClusterMember::look_around() {
  underlay_changed_ = true;  // a notice may have been lost
  attempt([&] { gate_.run([&] { overlays_->audit(); }); });
  attempt([&] { gate_.run([&] { controller_.engine().sweep(); }); });
  attempt([&] { heal(Extent::share); });
}

/// The books say what this host's records say: what is too much there is struck out, what is
/// missing is claimed again.
void ClusterMember::heal(Extent extent) {
  for (const std::string& id : networks_to_heal(extent))
    heal_network(id);
}

/// Those that this host has endpoints on, and some of the others in turn: what could be left over
/// there is taken back when it is known to be (OwedCalls), so nobody waits for it.
std::vector<std::string> ClusterMember::networks_to_heal(Extent extent) {
  constexpr std::size_t share = 16;
  std::vector<std::string> ids, unused;
  gate_.run([&] {
    const Records& records = controller_.state().records;
    for (const NetworkRecord* record : records.networks()) {
      const std::string& id = record->network.id;
      if (record->network.driver != overlay_driver) continue;
      (records.endpoints_of_network(id).empty() ? unused : ids).push_back(id);
    }
  });
  std::ranges::sort(unused);
  const auto next = std::ranges::upper_bound(unused, healed_);
  std::ranges::rotate(unused, next);
  if (extent == Extent::share && unused.size() > share) unused.resize(share);
  healed_ = unused.empty() ? std::string() : unused.back();
  ids.insert(ids.end(), unused.begin(), unused.end());
  return ids;
}

void ClusterMember::heal_network(const std::string& network_id) {
  std::map<std::string, std::string> in_books;  // endpoint -> token
  std::map<std::string, std::string> texts;
  for (const Entry& entry : store_->list(keys_.endpoint(network_id, host_, "")))
    if (const auto key = keys_.parse_endpoint(entry.key)) {
      in_books[key->endpoint] = cluster::token_of(entry.value);
      texts[key->endpoint] = entry.value;
    }
  std::vector<cluster::Endpoint> missing, renamed;
  std::map<std::string, std::string> strays;
  gate_.run([&] {
    const Records& records = controller_.state().records;
    for (const auto& [id, token] : in_books) {
      const EndpointRecord* record = records.endpoint(id);
      const BoundClaim* claim = controller_.state().bound.claim(id);
      if (record && record->remote.claim == token) {
        // An engine told its names when the store was away.
        const cluster::Endpoint endpoint = in_cluster(*record, host_);
        if (record->engine && texts[id] != cluster::to_text(endpoint)) renamed.push_back(endpoint);
      } else if (!claim || claim->token != token) {
        strays[id] = token;
      }
    }
    for (const EndpointRecord* record : records.endpoints_of_network(network_id))
      if (record->progress.state == netd::State::joined && !record->remote.claim.empty() &&
          !in_books.contains(record->endpoint.id))
        missing.push_back(in_cluster(*record, host_));
  });
  for (const auto& [id, token] : strays) {
    log::warn("an endpoint of this host stands in the cluster's books and is not here: struck out",
              {{"endpoint", log::short_id(id)}});
    ledger_->remove_endpoint(network_id, id, token);
  }
  for (const cluster::Endpoint& endpoint : renamed)
    ledger_->rename_endpoint(endpoint);
  for (const cluster::Endpoint& endpoint : missing) {
    try {
      ledger_->add_again(endpoint);
    } catch (const Error& error) {
      log::error("an endpoint lost its addresses while this host was away: it is disconnected",
                 {{"endpoint", log::short_id(endpoint.id)}, {"reason", error.what()}});
      attempt([&] { verbs_.lose(endpoint.id); });
    }
  }
}

cluster::Ledger& ClusterMember::ledger() {
  const std::lock_guard lock(mutex_);
  if (joined_) return *ledger_;
  if (last_contact_ && is_away_)
    throw Error(ErrorKind::unavailable,
                fmt::format("cluster store unreachable since netd began {} s ago, last contact {}; "
                            "nothing was changed, local networks still work: {}",
                            std::chrono::duration_cast<std::chrono::seconds>(
                                std::chrono::steady_clock::now() - began_)
                                .count(),
                            ago(since_contact()), problem_));
  throw Error(ErrorKind::unavailable,
              fmt::format("this host has not joined its cluster yet: {}; local networks work",
                          problem_.empty() ? "the store was not asked yet" : problem_));
}

/// With mutex_ held.
std::optional<std::chrono::seconds> ClusterMember::since_contact() const {
  using std::chrono::duration_cast, std::chrono::seconds;
  if (contact_) return duration_cast<seconds>(std::chrono::steady_clock::now() - *contact_);
  if (last_contact_)
    return std::max(duration_cast<seconds>(cluster::Memory::Clock::now() - *last_contact_),
                    seconds(0));
  return std::nullopt;
}

Error ClusterMember::explain(const StoreError& error) const {
  using Kind = StoreError::Kind;
  const std::string last = [&] {
    const std::lock_guard lock(mutex_);
    return ago(since_contact());
  }();
  switch (error.kind) {
    case Kind::unreachable:
      return {ErrorKind::unavailable,
              fmt::format("cluster store unreachable, last contact {}; nothing was changed, local "
                          "networks still work: {}",
                          last, error.what())};
    case Kind::unknown:
      return {ErrorKind::unavailable,
              fmt::format("the cluster store took the request and did not answer, last contact {}; "
                          "what it made of it is taken back when it answers: {}",
                          last, error.what())};
    case Kind::full:
      return {ErrorKind::unavailable,
              fmt::format("cluster store full: compact and defragment it, then disarm the alarm "
                          "(etcdctl alarm disarm): {}",
                          error.what())};
    case Kind::no_lease:
      return {
          ErrorKind::unavailable,
          fmt::format("this host is no live member of its cluster at the moment, last contact {}; "
                      "try again in some seconds",
                      last)};
    default:
      return {ErrorKind::unavailable, fmt::format("cluster store: {}", error.what())};
  }
}

ClusterMember::State ClusterMember::state() const {
  const std::lock_guard lock(mutex_);
  State state{.joined = joined_,
              .live = membership_ && membership_->is_live() && problem_.empty(),
              .problem = problem_,
              .since_contact = since_contact(),
              .host = host_,
              .vtep = vtep_};
  if (meta_) {
    state.cluster = meta_->cluster;
    state.port = meta_->vxlan_port;
  }
  return state;
}

}  // namespace netd
