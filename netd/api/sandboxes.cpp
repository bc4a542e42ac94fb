#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "netd/api/engine_json.h"
#include "netd/api/filters.h"
#include "netd/api/handlers.h"
#include "netd/api/times.h"
#include "netd/error.h"
#include "netd/remote_verbs.h"

namespace netd::api {
namespace {

bool matches_network(const Filters& filters, const SandboxPicture& picture) {
  const auto& wanted = filters.values("network");
  if (wanted.empty()) return true;
  return std::any_of(picture.attachments.begin(), picture.attachments.end(),
                     [&](const Attachment& attachment) {
                       const drivers::Network& network = attachment.network->network;
                       return wanted.contains(network.name) || wanted.contains(network.id);
                     });
}

const std::set<std::string> no_plugins;

Response sandbox_response(int status, const SandboxView& view, const Controller& controller) {
  return json_response(status, sandbox_json(picture_of(view, controller)));
}

/// The answer to a verb that publishes ports.
Response publishing_response(int status, const SandboxView& view, const Controller& controller) {
  nlohmann::json json = sandbox_json(picture_of(view, controller));
  json["Warnings"] = nlohmann::json::array();
  const std::string ignored = controller.ignored_ports(view.sandbox->sandbox.id);
  if (!ignored.empty()) json["Warnings"].push_back(ignored);
  return json_response(status, json);
}

}  // namespace

SandboxPicture picture_of(const SandboxView& view, const Controller& controller) {
  SandboxPicture picture;
  picture.sandbox = view.sandbox;
  const std::string& id = view.sandbox->sandbox.id;
  for (const EndpointRecord* endpoint : view.endpoints)
    picture.attachments.push_back({endpoint, &controller.network_by_id(endpoint->network_id)});
  picture.resolv_conf_path = controller.file_of(id, "resolv.conf");
  picture.hosts_path = controller.file_of(id, "hosts");
  picture.hostname_path = controller.file_of(id, "hostname");
  return picture;
}

void check_sandbox_filters(const Filters& filters) {
  filters.check_known({"id", "label", "name", "network", "status"});
  static const std::set<std::string> known{"created", "restarting", "running", "removing",
                                           "paused",  "exited",     "dead"};
  for (const std::string& status : filters.values("status"))
    if (!known.contains(status))
      throw Error(ErrorKind::invalid, "invalid filter 'status=" + status + "'");
}

bool accepts(const Filters& filters, const SandboxPicture& picture) {
  const SandboxRecord& record = *picture.sandbox;
  // Docker's clients write "^/web$" as well as "^web$".
  const bool name = filters.matches_pattern("name", record.spec.name) ||
                    filters.matches_pattern("name", "/" + record.spec.name);
  return name && filters.matches_pattern("id", record.sandbox.id) &&
         filters.matches_labels("label", record.spec.labels) &&
         filters.matches_exactly("status", std::string(state_text(record.progress.state))) &&
         matches_network(filters, picture);
}

Response create_sandbox(const Call& call, Context& context) {
  const nlohmann::json body = call.body();
  const SandboxSpec spec = read_sandbox_spec({body, ""});
  if (const auto plugins = context.verbs ? context.verbs->asked_by_create(spec) : no_plugins;
      !plugins.empty())
    return ask_later(
        *context.verbs, plugins, [spec, &controller = context.controller](RemoteVerbs& verbs) {
          const std::string id = verbs.create_sandbox(spec);
          return verbs.gate().run(
              [&] { return publishing_response(201, controller.sandbox(id), controller); });
        });
  return publishing_response(201, context.controller.create_sandbox(spec), context.controller);
}

Response list_sandboxes(const Call& call, Context& context) {
  const Filters filters = Filters::parse(call.parameter("filters"));
  check_sandbox_filters(filters);
  nlohmann::json list = nlohmann::json::array();
  for (const SandboxView& view : context.controller.sandboxes()) {
    const SandboxPicture picture = picture_of(view, context.controller);
    if (accepts(filters, picture)) list.push_back(sandbox_json(picture));
  }
  return json_response(200, list);
}

Response inspect_sandbox(const Call& call, Context& context) {
  return sandbox_response(200, context.controller.sandbox(call.id), context.controller);
}

Response remove_sandbox(const Call& call, Context& context) {
  const Filters filters = Filters::parse(call.parameter("filters"));
  check_sandbox_filters(filters);
  const auto check = [filters, id = call.id, &controller = context.controller] {
    if (!accepts(filters, picture_of(controller.sandbox(id), controller)))
      throw Error(ErrorKind::not_found, "the sandbox " + id + " is not the one that is meant");
  };
  check();
  if (const auto plugins = context.verbs ? context.verbs->asked_by_sandbox(call.id) : no_plugins;
      !plugins.empty())
    return ask_later(*context.verbs, plugins, [id = call.id, check](RemoteVerbs& verbs) {
      verbs.remove_sandbox(id, check);
      return empty_response(204);
    });
  context.controller.remove_sandbox(call.id);
  return empty_response(204);
}

Response change_ports(const Call& call, Context& context) {
  const nlohmann::json json = call.body();
  const JsonObject body(json, "");
  const auto add = read_port_bindings(body.object("Add"), EmptyBindings::nothing);
  const auto remove = read_port_bindings(body.object("Remove"), EmptyBindings::all);
  return publishing_response(200, context.controller.change_ports(call.id, add, remove),
                             context.controller);
}

}  // namespace netd::api
