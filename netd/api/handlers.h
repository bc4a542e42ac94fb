// The handlers behind the route table (routes.cpp), grouped as the API is. Each is a function from
// a call to a response; each runs on the control thread and throws what router.h translates.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "netd/api/router.h"
#include "netd/api/routes.h"
#include "netd/api/sandbox_json.h"
#include "netd/controller.h"

namespace netd::api {

// engine_networks.cpp: libnetwork.md 3.2
Response list_networks(const Call& call, Context& context);
Response inspect_network(const Call& call, Context& context);
Response create_network(const Call& call, Context& context);
Response connect_network(const Call& call, Context& context);
Response disconnect_network(const Call& call, Context& context);
Response remove_network(const Call& call, Context& context);
Response prune_networks(const Call& call, Context& context);

// engine_system.cpp: 3.1
Response ping(const Call& call, Context& context);
Response version(const Call& call, Context& context);
Response engine_info(const Call& call, Context& context);

// engine_events.cpp: 3.8
Response events(const Call& call, Context& context);

// engine_containers.cpp: sandboxes, read-only, as containers
Response list_containers(const Call& call, Context& context);
Response inspect_container(const Call& call, Context& context);

// sandboxes.cpp: interfaces.md, "HTTP API" 2
Response create_sandbox(const Call& call, Context& context);
Response list_sandboxes(const Call& call, Context& context);
Response inspect_sandbox(const Call& call, Context& context);
Response remove_sandbox(const Call& call, Context& context);
/// {"Add": PortBindings, "Remove": PortBindings}: all or nothing; answers with the sandbox.
Response change_ports(const Call& call, Context& context);

// diagnostics.cpp: interfaces.md, "HTTP API" 3
/// {"Networks":[{"Id","Name","Driver","Link","Internal","EnableIPv6","Masquerade","ICC",
///   "Subnets":[{"Subnet","Gateway"}],
///   "Sandboxes":[{"Id","Name","Interface","MacAddress","IPv4Address","IPv6Address",
///                 "Ports":[{"IP","PrivatePort","PublicPort","Type"}]}]}]}
/// by name of network, sandboxes in the order of joining.
Response topology(const Call& call, Context& context);
/// {"healthy","findings":[{"severity","object","network","sandbox","what","repair"}]}: healthy with
/// nothing but notes.
Response doctor(const Call& call, Context& context);
/// {"Networks","Sandboxes","Endpoints","ReaperWaiting","Version","StateDir","RunDir"}
Response system_info(const Call& call, Context& context);
/// Removes everything; {"Failures":[…]}
Response system_purge(const Call& call, Context& context);
/// Removes the networks that nobody uses; {"NetworksDeleted":[…]}
Response system_prune(const Call& call, Context& context);
Response metrics(const Call& call, Context& context);

// cluster.cpp
/// {"State":"joining|live|unreachable","Problem","SecondsSinceContact","Cluster","Host","Vtep","Link","UnderlayMtu","VxlanPort",
///  "Revision","Store":[{"Endpoint","Problem","Version","Leader","Bytes","LatencyMicroseconds","Alarms"}],
///  "Hosts":[{"Id","Name","Self","State":"live|unreachable|dead","Vtep","Mtu","Version"}],"Unusable":{network
///  id: reason}}
Response cluster_status(const Call& call, Context& context);
Response rotate_key(const Call& call, Context& context);
/// Gives up a host that is not live; by id, the beginning of one, or name.
Response remove_host(const Call& call, Context& context);
/// ?from=SANDBOX&to=SANDBOX|ADDRESS[&network=N]:
/// {"Works","Verdict","Steps":[{"What","Good","Detail"}]}
Response trace_overlay(const Call& call, Context& context);

// asking.cpp: verbs that ask plugins
/// Runs `verb` on a worker, which has a place among those that wait for `plugins`; what it returns
/// or throws becomes the answer. Throws Error(unavailable) when there is no place left.
Response ask_later(RemoteVerbs& verbs, const std::set<std::string>& plugins,
                   std::function<Response(RemoteVerbs&)> verb);

/// A sandbox with all that its JSON needs.
SandboxPicture picture_of(const SandboxView& view, const Controller& controller);
/// The filters of `docker ps` and `netctl sandbox ls`: id, name, label, network, status.
class Filters;
bool accepts(const Filters& filters, const SandboxPicture& picture);
void check_sandbox_filters(const Filters& filters);

}  // namespace netd::api
