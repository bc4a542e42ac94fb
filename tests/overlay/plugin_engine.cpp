#include "tests/overlay/plugin_engine.h"

#include <gtest/gtest.h>

#include "netd/client/http.h"

namespace overlay {

using nlohmann::json;

json PluginEngine::call(const std::string& method, const json& body) const {
  netd::client::Client client("unix://" + socket_, std::chrono::seconds(30));
  return client.request("POST", "/" + method, &body).json();
}

json PluginEngine::expect(const std::string& method, const json& body) const {
  json answer = call(method, body);
  EXPECT_FALSE(answer.contains("Err") || answer.contains("Error")) << method << ": " << answer;
  return answer;
}

std::string PluginEngine::refused(const std::string& method, const json& body) const {
  const json answer = call(method, body);
  return answer.value("Err", answer.value("Error", "was not refused: " + answer.dump()));
}

json PluginEngine::pool_body(const std::string& ipam, const std::string& subnet, bool ipv6) const {
  json options = json::object();
  if (!ipam.empty()) options["io.netd.network"] = ipam;
  return {{"AddressSpace", "netd"},
          {"Pool", subnet},
          {"SubPool", ""},
          {"Options", options},
          {"V6", ipv6}};
}

json PluginEngine::network_body(const std::string& option, const std::string& subnet,
                                json options) const {
  if (!option.empty()) options["io.netd.network"] = option;
  return {{"NetworkID", network_id()},
          {"Options", {{"com.docker.network.generic", options}}},
          {"IPv4Data", {{{"AddressSpace", "netd"}, {"Pool", subnet}}}},
          {"IPv6Data", json::array()}};
}

void PluginEngine::create_network(const std::string& name) {
  const json pool = expect("IpamDriver.RequestPool", pool_body(name));
  pool_ = pool.value("PoolID", "");
  expect("IpamDriver.RequestAddress",
         {{"PoolID", pool_},
          {"Address", ""},
          {"Options", {{"RequestAddressType", "com.docker.network.gateway"}}}});
  expect("NetworkDriver.CreateNetwork", network_body(name, pool.value("Pool", "")));
}

void PluginEngine::remove_network() const {
  expect("IpamDriver.ReleasePool", {{"PoolID", pool_}});
  expect("NetworkDriver.DeleteNetwork", {{"NetworkID", network_id()}});
}

json PluginEngine::ids(char digit) const {
  return {{"NetworkID", network_id()}, {"EndpointID", std::string(64, digit)}};
}

json PluginEngine::address_body(const std::string& name, const std::string& wanted) const {
  return {{"PoolID", pool_},
          {"Address", wanted},
          {"Options", {{"com.docker.network.endpoint.name", name}}}};
}

std::string PluginEngine::request_address(const std::string& name,
                                          const std::string& wanted) const {
  return expect("IpamDriver.RequestAddress", address_body(name, wanted)).value("Address", "");
}

json PluginEngine::endpoint_body(char digit, const std::string& address) const {
  json body = ids(digit);
  body["Interface"] = {{"Address", address}, {"AddressIPv6", ""}, {"MacAddress", ""}};
  body["Options"] = json::object();
  return body;
}

PluginEngine::Container PluginEngine::start(char digit, const std::string& name,
                                            const std::string& wanted) const {
  Container container{.digit = digit, .address = request_address(name, wanted), .link = {}};
  expect("NetworkDriver.CreateEndpoint", endpoint_body(digit, container.address));
  json body = ids(digit);
  body["SandboxKey"] = std::string("/var/run/docker/netns/") + digit;
  container.joined = expect("NetworkDriver.Join", body);
  container.link = container.joined.at("InterfaceName").value("SrcName", "");
  return container;
}

void PluginEngine::stop(const Container& container) const {
  expect("NetworkDriver.Leave", ids(container.digit));
  expect("NetworkDriver.DeleteEndpoint", ids(container.digit));
  expect(
      "IpamDriver.ReleaseAddress",
      {{"PoolID", pool_}, {"Address", container.address.substr(0, container.address.find('/'))}});
}

}  // namespace overlay
