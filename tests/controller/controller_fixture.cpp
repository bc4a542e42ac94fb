#include "tests/controller/controller_fixture.h"

#include <cstdlib>

namespace tests {

void DeadlyKernel::live() {
  if (!calls) return;
  if (*calls == 0) throw Killed();
  --*calls;
}

void DeadlyKernel::apply(const sandbox::Step& step) {
  live();
  FaultyKernel::apply(step);
}

void DeadlyKernel::revert(const sandbox::Step& step) {
  live();
  FaultyKernel::revert(step);
}

netd::Outcome DeadlyStore::txn(const std::vector<netd::Compare>& compares,
                               const std::vector<netd::Change>& changes,
                               netd::Durability durability) {
  if (kernel_.is_dead()) throw Killed();
  return store_.txn(compares, changes, durability);
}

void ControllerTest::SetUp() {
  NamespaceTest::SetUp();
  char name[] = "/run/netd-test-XXXXXX";
  directory_ = mkdtemp(name);
  config_.state_dir = directory_ / "state";
  config_.run_dir = directory_ / "run";
  config_.resolv_conf = directory_ / "resolv.conf";
  std::filesystem::create_directories(config_.state_dir);
  std::filesystem::create_directories(config_.run_dir + "/netns");
  for (const char* key :
       {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv6/conf/default/forwarding"})
    kernel_.set_sysctl("", key, "0");
  store_ = std::make_unique<netd::SqliteStore>(config_.state_dir + "/netd.db");
  deadly_store_ = std::make_unique<DeadlyStore>(*store_, deadly_);
  restart();
}

void ControllerTest::TearDown() {
  controller_.reset();
  deadly_store_.reset();
  store_.reset();
  std::filesystem::remove_all(directory_);
}

std::vector<std::string> ControllerTest::start_again(const std::string& host_identity) {
  controller_.reset();
  listeners_.views.clear();
  deadly_.calls.reset();
  controller_ = std::make_unique<netd::Controller>(config_, *deadly_store_, deadly_, drivers_,
                                                   listeners_, events_);
  return controller_->start(host_identity);
}

void ControllerTest::restart(const std::string& host_identity) {
  for (const std::string& problem : start_again(host_identity))
    ADD_FAILURE() << problem;
}

std::string ControllerTest::create_network(const std::string& name, netd::NetworkSpec spec) {
  spec.name = name;
  return controller_->create_network(spec).id;
}

netd::SandboxView ControllerTest::create_sandbox(const std::string& name,
                                                 const std::vector<std::string>& networks,
                                                 netd::SandboxSpec spec) {
  spec.name = name;
  for (const std::string& network : networks)
    spec.networks.push_back({network, {}});
  return controller_->create_sandbox(spec);
}

const netd::EndpointRecord& ControllerTest::endpoint(const std::string& network,
                                                     const std::string& sandbox) {
  const std::string& id = controller_->network(network).network.id;
  for (const netd::EndpointRecord* record : controller_->sandbox(sandbox).endpoints)
    if (record->network_id == id) return *record;
  throw std::runtime_error(sandbox + " is not on " + network);
}

bool ControllerTest::kernel_has(const std::string& text) const {
  return kernel_.state().find(text) != std::string::npos;
}

std::string ControllerTest::world() {
  std::string text = kernel_.state();
  for (const char* prefix : {"network/", "sandbox/", "endpoint/"})
    for (const netd::Entry& entry : store_->list(prefix))
      text += entry.key + " " + entry.value + "\n";
  for (const netd::NetworkRecord* network : controller_->networks())
    for (const netd::PoolUsage& usage : controller_->pool_usage(network->network.id))
      text += network->network.name + " " +
              std::to_string(static_cast<unsigned long>(usage.in_use)) + "\n";
  text += std::to_string(listeners_.views.size()) + " listeners\n";
  return text;
}

std::string ControllerTest::refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace tests
