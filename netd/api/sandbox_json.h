// JSON of netd's own sandbox API <-> model, and sandboxes as the Engine API's containers
// (interfaces.md). Pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "netd/api/json_reader.h"
#include "netd/model.h"

namespace netd::api {

/// POST /sandboxes
SandboxSpec read_sandbox_spec(const JsonObject& body);

/// One attachment as the writers below need it.
struct Attachment {
  const EndpointRecord* endpoint = nullptr;
  const NetworkRecord* network = nullptr;
};

/// A sandbox with everything its JSON shows.
struct SandboxPicture {
  const SandboxRecord* sandbox = nullptr;
  std::vector<Attachment> attachments;  // in the order of joining
  std::string resolv_conf_path;
  std::string hosts_path;
  std::string hostname_path;
};

/// "created", "running" or "removing": the words of `docker ps --filter status=`.
std::string_view state_text(State state);

/// What POST /sandboxes answers, and an element of GET /sandboxes:
///   {"Id","Name","State","Created","Hostname","Domainname","NetnsPath","Pid","SharedWith",
///    "ResolvConfPath","HostsPath","HostnamePath","Networks":{<name>: EndpointSettings +
///    "Interface"},"PortBindings":{"80/tcp":[…]},"Ports": those that are published, likewise,"Dns",
///    "DnsSearch","DnsOptions","ExtraHosts","Labels"}
nlohmann::json sandbox_json(const SandboxPicture& picture);

/// An element of GET /containers/json: what `docker ps` prints.
nlohmann::json container_summary_json(const SandboxPicture& picture, std::int64_t now_nano);

/// GET /containers/{id}/json: what `docker inspect` and `docker port` decode.
nlohmann::json container_json(const SandboxPicture& picture);

}  // namespace netd::api
