// JSON of the Engine API <-> model (libnetwork.md 3.4, 1.9, 1.10). Pure functions.
//
// Reading throws std::invalid_argument or Error(invalid) with the reference's texts; writing gives
// the shapes that Docker's clients decode.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "netd/api/json_reader.h"
#include "netd/controller.h"
#include "netd/model.h"

namespace netd::api {

/// POST /networks/create. Checks the form, not what a network may be (the controller) nor the
/// subnets' sense (ipam_check.h).
NetworkSpec read_network_spec(const JsonObject& body);

/// EndpointSettings. All problems are reported at once: "invalid endpoint settings:\n…".
EndpointSpec read_endpoint_spec(const JsonObject& settings);

/// PortBindings: {"80/tcp":[{"HostIp","HostPort"}]}; HostPort "", "0" = any free one, "8080",
/// "8000-8010" = the first free one. `when_empty` is what a port with an empty list or null means:
/// for publishing nothing, for taking back all of its bindings.
enum class EmptyBindings { nothing, all };
std::vector<drivers::PortBinding> read_port_bindings(const JsonObject& bindings,
                                                     EmptyBindings when_empty);
/// As it is read; "" where any address or port will do.
nlohmann::json port_bindings_json(const std::vector<drivers::PortBinding>& bindings);

/// A list element of GET /networks, and the base of inspect.
nlohmann::json network_json(const NetworkRecord& record);

/// What inspect adds: an endpoint with the sandbox it belongs to.
struct AttachedEndpoint {
  const EndpointRecord* endpoint = nullptr;
  std::string sandbox_name;
};
/// Who uses an endpoint: the sandbox's id, the id of an engine's container, or "ep-<endpoint id>"
/// (as Docker says) while that is not known.
std::string container_id(const EndpointRecord& record);
nlohmann::json network_inspect_json(const NetworkRecord& record,
                                    const std::vector<AttachedEndpoint>& endpoints,
                                    const std::vector<PoolUsage>& usage);

/// NetworkSettings.Networks.<name> of a container.
nlohmann::json endpoint_json(const EndpointRecord& record, const NetworkRecord& network);

/// {"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}]}
nlohmann::json port_map_json(const std::vector<drivers::Port>& ports);
/// [{"IP","PrivatePort","PublicPort","Type"}], as `docker ps` wants them.
nlohmann::json port_list_json(const std::vector<drivers::Port>& ports);

}  // namespace netd::api
