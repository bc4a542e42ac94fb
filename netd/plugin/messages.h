// The plugin protocol's messages as values: requests are built from the model, replies are read
// strictly (libnetwork.md 2.3-2.5). Readers throw std::invalid_argument that names the field:
// "InterfaceName.SrcName: expected a string, found 5". What a plugin says in Err or Error is not
// their business (client.h).
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netd/model.h"

namespace netd::plugin {

inline constexpr std::string_view gateway_key = "com.docker.network.gateway";

/// Plugin.Activate: {"Implements":["NetworkDriver","IpamDriver"]}
struct Implements {
  bool network_driver = false;
  bool ipam_driver = false;
};
Implements read_implements(const nlohmann::json& reply);

/// NetworkDriver.GetCapabilities. Another scope than local or global is refused.
struct DriverCapabilities {
  std::string scope = "local";
  bool checks_gateway = false;  // GwAllocChecker
};
DriverCapabilities read_driver_capabilities(const nlohmann::json& reply);

/// IpamDriver.GetCapabilities
struct IpamCapabilities {
  bool requires_mac = false;
  bool requires_replay = false;
};
IpamCapabilities read_ipam_capabilities(const nlohmann::json& reply);

/// IpamDriver.GetDefaultAddressSpaces
struct AddressSpaces {
  std::string local;
  std::string global;
};
AddressSpaces read_address_spaces(const nlohmann::json& reply);

/// NetworkDriver.GwAllocCheck
struct GatewaySkips {
  bool ipv4 = false;
  bool ipv6 = false;
};
nlohmann::json gateway_check(const NetworkRecord& network);
GatewaySkips read_gateway_skips(const nlohmann::json& reply);

/// IpamDriver.RequestPool; `wanted` is what the user asked of the pool.
struct LeasedPool {
  std::string id;
  ipam::Prefix subnet;
  std::optional<ipam::Address> gateway;  // of Data: reserved by the plugin already
};
nlohmann::json pool_request(const NetworkRecord& network, const PoolRequest& wanted,
                            ipam::Family family);
LeasedPool read_pool(const nlohmann::json& reply);
nlohmann::json pool_release(const std::string& pool_id);

/// IpamDriver.RequestAddress
nlohmann::json gateway_request(const std::string& pool_id,
                               const std::optional<ipam::Address>& wanted);
nlohmann::json auxiliary_request(const std::string& pool_id, const ipam::Address& wanted);
nlohmann::json endpoint_request(const std::string& pool_id,
                                const std::optional<ipam::Address>& wanted,
                                const std::string& sandbox, const std::optional<ipam::Mac>& mac);
ipam::Prefix read_address(const nlohmann::json& reply);
nlohmann::json address_release(const std::string& pool_id, const ipam::Address& address);

/// NetworkDriver.CreateNetwork
nlohmann::json network_creation(const NetworkRecord& network);
nlohmann::json network_reference(const std::string& network_id);

/// What a driver may choose where the request left it open.
struct Interface {
  std::optional<ipam::Prefix> ipv4;
  std::optional<ipam::Prefix> ipv6;
  std::optional<ipam::Mac> mac;
};
/// NetworkDriver.CreateEndpoint. `ports`: the container's, as far as they go through this network.
nlohmann::json endpoint_creation(const EndpointRecord& endpoint, const SandboxSpec& sandbox,
                                 bool internal, const std::optional<ipam::Mac>& mac);
/// Refuses values for what the request had set: "driver modified interface address: …".
Interface read_interface(const nlohmann::json& reply, const Interface& asked);

/// NetworkDriver.Join
struct JoinReply {
  drivers::Joined joined;
  std::string prefix;  // DstPrefix
  bool disable_gateway_service = false;
};
nlohmann::json join_request(const EndpointRecord& endpoint, const SandboxSpec& sandbox,
                            const std::string& sandbox_key);
JoinReply read_join(const nlohmann::json& reply);

/// Leave, DeleteEndpoint, RevokeExternalConnectivity
nlohmann::json endpoint_reference(const EndpointRecord& endpoint);
/// NetworkDriver.ProgramExternalConnectivity. `other_ipv6`: the IPv6 gateway is another endpoint.
nlohmann::json external_request(const EndpointRecord& endpoint, const SandboxSpec& sandbox,
                                bool other_ipv6);

}  // namespace netd::plugin
