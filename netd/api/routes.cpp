#include "netd/api/routes.h"

#include <algorithm>

#include "netd/api/handlers.h"
#include "netd/api/metrics.h"

namespace netd::api {
namespace {

using Handler = Response (*)(const Call&, Context&);

struct Entry {
  const char* method;
  const char* pattern;
  Handler handler;
  const char* operation = "";
};

// Literal paths stand before {id}, which takes anything, slashes included.
constexpr Entry entries[] = {
    {"HEAD", "/_ping", ping},
    {"GET", "/_ping", ping},
    {"GET", "/version", version},
    {"GET", "/info", engine_info},
    {"GET", "/events", events},

    {"GET", "/networks", list_networks},
    {"GET", "/networks/", list_networks},
    {"GET", "/networks/{id}", inspect_network},
    {"POST", "/networks/create", create_network, "network_create"},
    {"POST", "/networks/prune", prune_networks, "network_prune"},
    {"POST", "/networks/{id}/connect", connect_network, "connect"},
    {"POST", "/networks/{id}/disconnect", disconnect_network, "disconnect"},
    {"DELETE", "/networks/{id}", remove_network, "network_remove"},

    {"GET", "/containers/json", list_containers},
    {"GET", "/containers/{id}/json", inspect_container},

    {"GET", "/sandboxes", list_sandboxes},
    {"POST", "/sandboxes", create_sandbox, "sandbox_create"},
    {"GET", "/sandboxes/{id}", inspect_sandbox},
    {"DELETE", "/sandboxes/{id}", remove_sandbox, "sandbox_remove"},
    {"POST", "/sandboxes/{id}/ports", change_ports, "ports"},

    {"GET", "/cluster", cluster_status},
    {"POST", "/cluster/rotate-key", rotate_key, "key_rotate"},
    {"DELETE", "/cluster/hosts/{id}", remove_host, "host_remove"},
    {"GET", "/overlay/trace", trace_overlay},

    {"GET", "/doctor", doctor},
    {"GET", "/topology", topology},
    {"GET", "/system", system_info},
    {"POST", "/system/purge", system_purge, "purge"},
    {"POST", "/system/prune", system_prune, "network_prune"},
    {"GET", "/metrics", metrics},
};

}  // namespace

Router make_router(const Context& context, std::vector<Route> more) {
  std::vector<Route> routes;
  for (const Entry& entry : entries)
    routes.push_back({entry.method, entry.pattern, entry.operation,
                      [handler = entry.handler, shared = context](const Call& call) mutable {
                        return handler(call, shared);
                      }});
  std::ranges::move(more, std::back_inserter(routes));
  return Router(std::move(routes),
                [&metrics = context.metrics](const std::string& operation, double seconds) {
                  metrics.observe(operation, seconds);
                });
}

}  // namespace netd::api
