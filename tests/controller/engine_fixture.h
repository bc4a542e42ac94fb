// A controller, and what an engine says to it, verb by verb: engine().join(…), or as a user has it
// done: run(pool).
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "netd/engine_driver.h"
#include "tests/controller/controller_fixture.h"

namespace tests {

inline std::string id_of(char digit) {
  return std::string(64, digit);
}

inline ipam::Address address(const char* text) {
  return *ipam::Address::parse(text);
}

inline const std::vector<drivers::PortBinding> web_port{
    {.container_port = 80, .host_port_first = 8080, .host_port_last = 8080}};

class EngineTest : public ControllerTest {
 protected:
  /// This test is the engine, and one that was killed.
  const sandbox::ProcessIdentity alive_ = *sandbox::identify_process(getpid());
  const sandbox::ProcessIdentity dead_{.pid = getpid(), .started = 1};
  const std::string network_ = id_of('a');
  sandbox::ProcessIdentity process_ = alive_;

  netd::EngineDriver engine() { return controller_->engine(); }

  std::string request_pool(const char* subnet = "10.5.0.0/24") {
    netd::PoolAsk ask;
    if (subnet) ask.pool.subnet = ipam::Prefix::parse(subnet);
    ask.process = process_;
    return engine().request_pool(ask).id;
  }
  std::string request_address(const std::string& pool, const char* wanted = nullptr,
                              const char* name = "", bool gateway = false) {
    netd::AddressAsk ask{.pool = pool, .name = name, .gateway = gateway, .process = process_};
    if (wanted) ask.address = address(wanted);
    return engine().request_address(ask).to_string();
  }
  netd::EngineNetworkSpec network_spec() const {
    netd::EngineNetworkSpec spec;
    spec.id = network_;
    spec.options = {{"io.netd.name", "shop"}};
    spec.pools.push_back(
        {.ours = true,
         .pool = {.subnet = *ipam::Prefix::parse("10.5.0.0/24"), .gateway = address("10.5.0.1")}});
    spec.process = process_;
    return spec;
  }
  /// As `docker network create` does; returns the pool.
  std::string create_engine_network() {
    const std::string pool = request_pool();
    request_address(pool, nullptr, "", true);
    engine().create_network(network_spec());
    return pool;
  }
  void remove_engine_network(const std::string& pool) {
    engine().release_address(pool, address("10.5.0.1"));
    engine().release_pool(pool);
    engine().delete_network(network_);
  }
  netd::EngineEndpointSpec endpoint_spec(char digit, const std::string& ip) const {
    netd::EngineEndpointSpec spec;
    spec.network_id = network_;
    spec.id = id_of(digit);
    spec.ipv4 = ipam::Prefix::parse(ip);
    spec.ports = web_port;
    spec.process = process_;
    return spec;
  }
  netd::JoinedLink join(const std::string& id, const char* key) {
    return engine().join(
        {.network_id = network_, .id = id, .sandbox_key = key, .process = process_});
  }
  /// As `docker run -p 8080:80` does; returns the address.
  ipam::Address run(const std::string& pool, char digit = '1') {
    const std::string ip = request_address(pool);
    engine().create_endpoint(endpoint_spec(digit, ip));
    join(id_of(digit), "/var/run/docker/netns/1");
    engine().program(network_, id_of(digit), {});
    return ipam::Prefix::parse(ip)->address;
  }
  void stop(const std::string& pool, const ipam::Address& ip, char digit = '1') {
    engine().revoke(network_, id_of(digit));
    engine().leave(network_, id_of(digit));
    engine().delete_endpoint(network_, id_of(digit));
    engine().release_address(pool, ip);
  }
  /// Its container's namespace is gone, and the link with it.
  void lose_link(const std::string& name) {
    const auto link = kernel_.find_link("", name);
    ASSERT_TRUE(link);
    kernel_.revert(sandbox::CreateVeth{.name = name, .index = link->index});
    kernel_.drain();
  }
  std::string everything() {
    kernel_.drain();
    std::string text = world();
    for (const char* prefix : {"pool/", "address/"})
      for (const netd::Entry& entry : store_->list(prefix))
        text += entry.key + "\n";
    return text;
  }
};

}  // namespace tests
