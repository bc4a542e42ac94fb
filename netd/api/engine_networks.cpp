#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "drivers/options.h"
#include "netd/api/engine_json.h"
#include "netd/api/filters.h"
#include "netd/api/handlers.h"
#include "netd/api/times.h"
#include "netd/config.h"
#include "netd/error.h"
#include "netd/ipam_check.h"
#include "netd/remote_verbs.h"

namespace netd::api {
namespace {

/// Go's strconv.ParseBool; "" is false.
bool parse_bool(const std::string& name, const std::string& text) {
  static const std::set<std::string> yes{"1", "t", "T", "TRUE", "true", "True"};
  static const std::set<std::string> no{"", "0", "f", "F", "FALSE", "false", "False"};
  if (!yes.contains(text) && !no.contains(text))
    throw Error(ErrorKind::invalid,
                fmt::format("invalid value for {}: {}: expected true or false", name, text));
  return yes.contains(text);
}

/// IPv6 by flag, option or the daemon's default-network-opts, in this order.
bool wants_ipv6(const NetworkSpec& spec, const Config& config) {
  if (spec.ipv6) return *spec.ipv6;
  drivers::Options options = spec.options;
  const auto defaults =
      config.default_network_options.find(spec.driver.empty() ? "bridge" : spec.driver);
  if (defaults != config.default_network_options.end())
    options.insert(defaults->second.begin(), defaults->second.end());
  return drivers::bool_option(options, drivers::option_enable_ipv6, false);
}

void check_ipam(const NetworkSpec& spec, const Config& config) {
  const auto problems = check_pools(spec.pools, wants_ipv6(spec, config));
  if (problems.empty()) return;
  std::string text = "invalid network config:";
  for (const std::string& problem : problems)
    text += "\n" + problem;
  throw Error(ErrorKind::invalid, text);
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts)
    all += (all.empty() ? "" : "\n") + text;
  return all;
}

std::vector<AttachedEndpoint> attached(const Controller& controller, const std::string& id) {
  std::vector<AttachedEndpoint> result;
  for (const EndpointRecord* endpoint : controller.endpoints_of(id))
    result.push_back({endpoint, controller.owner_of(*endpoint)});
  return result;
}

const std::set<std::string> no_plugins;

/// Docker answers with nothing; so does this, unless there is something to say.
Response attachment_response(const Controller& controller, const std::string& sandbox,
                             const std::string& network) {
  const std::string warning = controller.ignored_ports(sandbox, network);
  if (warning.empty()) return empty_response(200);
  return json_response(200, {{"Warning", warning}});
}

std::string required_container(const JsonObject& body) {
  std::string container = body.text("Container");
  if (container.starts_with('/')) container.erase(0, 1);
  if (container.empty())
    throw Error(ErrorKind::invalid, "no container specified: give the id or name of a sandbox");
  return container;
}

}  // namespace

Response list_networks(const Call& call, Context& context) {
  const NetworkFilter filter(Filters::parse(call.parameter("filters")));
  nlohmann::json list = nlohmann::json::array();
  for (const NetworkRecord* record : context.controller.networks()) {
    const bool in_use = !context.controller.endpoints_of(record->network.id).empty();
    if (filter.accepts(*record, in_use)) list.push_back(network_json(*record));
  }
  return json_response(200, list);
}

Response inspect_network(const Call& call, Context& context) {
  parse_bool("verbose", call.parameter("verbose"));  // there are no services to show
  const NetworkRecord& record = context.controller.network(call.id, Purpose::inspect);
  const std::string& scope = call.parameter("scope");
  if (!scope.empty() && scope != record.scope)
    throw Error(ErrorKind::not_found, fmt::format("network {} not found", call.id));
  const std::string& id = record.network.id;
  return json_response(200, network_inspect_json(record, attached(context.controller, id),
                                                 context.controller.pool_usage(id)));
}

Response create_network(const Call& call, Context& context) {
  const nlohmann::json body = call.body();
  const NetworkSpec spec = read_network_spec({body, ""});
  check_ipam(spec, context.config);
  const auto answer = [](const CreatedNetwork& created) {
    return json_response(201, {{"Id", created.id}, {"Warning", joined(created.warnings)}});
  };
  if (const auto plugins = context.verbs ? context.verbs->asked_by_create(spec) : no_plugins;
      !plugins.empty())
    return ask_later(*context.verbs, plugins, [spec, answer](RemoteVerbs& verbs) {
      return answer(verbs.create_network(spec));
    });
  return answer(context.controller.create_network(spec));
}

Response connect_network(const Call& call, Context& context) {
  const nlohmann::json json = call.body();
  const JsonObject body(json, "");
  const std::string container = required_container(body);
  const EndpointSpec spec = read_endpoint_spec(body.object("EndpointConfig"));
  const auto plugins =
      context.verbs ? context.verbs->asked_by_attachment(call.id, container) : no_plugins;
  if (!plugins.empty())
    return ask_later(
        *context.verbs, plugins,
        [id = call.id, container, spec, &controller = context.controller](RemoteVerbs& verbs) {
          verbs.connect(id, container, spec);
          return verbs.gate().run([&] { return attachment_response(controller, container, id); });
        });
  context.controller.connect(call.id, container, spec);
  return attachment_response(context.controller, container, call.id);
}

Response disconnect_network(const Call& call, Context& context) {
  const nlohmann::json json = call.body();
  const JsonObject body(json, "");
  const std::string container = required_container(body);
  const bool force = body.flag("Force");
  const auto plugins =
      context.verbs ? context.verbs->asked_by_attachment(call.id, container) : no_plugins;
  if (!plugins.empty())
    return ask_later(
        *context.verbs, plugins,
        [id = call.id, container, force, &controller = context.controller](RemoteVerbs& verbs) {
          verbs.disconnect(id, container, force);
          return verbs.gate().run([&] { return attachment_response(controller, container, ""); });
        });
  context.controller.disconnect(call.id, container, force);
  return attachment_response(context.controller, container, "");
}

Response remove_network(const Call& call, Context& context) {
  if (const auto plugins = context.verbs ? context.verbs->asked_by_network(call.id) : no_plugins;
      !plugins.empty())
    return ask_later(*context.verbs, plugins, [id = call.id](RemoteVerbs& verbs) {
      verbs.remove_network(id);
      return empty_response(204);
    });
  context.controller.remove_network(call.id);
  return empty_response(204);
}

Response prune_networks(const Call& call, Context& context) {
  const PruneFilter filter(Filters::parse(call.parameter("filters")), now_nano());
  const auto wanted = [filter](const NetworkRecord& record) { return filter.accepts(record); };
  const auto answer = [](const std::vector<std::string>& names) {
    return json_response(200, {{"NetworksDeleted",
                                names.empty() ? nlohmann::json(nullptr) : nlohmann::json(names)}});
  };
  if (const auto plugins = context.verbs ? context.verbs->asked_by_all() : no_plugins;
      !plugins.empty())
    return ask_later(*context.verbs, plugins, [wanted, answer](RemoteVerbs& verbs) {
      return answer(verbs.prune_networks(wanted));
    });
  return answer(context.controller.prune_networks(wanted));
}

}  // namespace netd::api
