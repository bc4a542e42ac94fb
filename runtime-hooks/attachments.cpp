#include "runtime-hooks/attachments.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "runtime-hooks/known_sandboxes.h"
#include "runtime-hooks/sandbox_id.h"

namespace runtime_hooks {
namespace {

using nlohmann::json;

constexpr const char* mark_key = "io.netd.attachment";
constexpr const char* call_label = "io.netd.call";
constexpr const char* interface_key = "com.docker.network.endpoint.ifname";
constexpr int bad_request = 400, not_found = 404, conflict = 409;

std::string random_token() {
  std::array<std::uint64_t, 2> random{};
  if (getrandom(random.data(), sizeof random, 0) != static_cast<ssize_t>(sizeof random))
    throw std::system_error(errno, std::system_category(), "getrandom");
  return fmt::format("{:016x}{:016x}", random[0], random[1]);
}

/// What the mark of an endpoint says; null for an endpoint without one.
json read_mark(const json& endpoint) {
  const auto options = endpoint.find("DriverOpts");
  if (options == endpoint.end() || !options->is_object() || !options->contains(mark_key))
    return nullptr;
  json mark = json::parse(options->at(mark_key).get<std::string>(), nullptr, false);
  return mark.is_object() ? mark : json(nullptr);
}

bool is_port_map(const json& ports) {
  return ports.is_object() && std::ranges::all_of(ports, [](const json& bindings) {
           return bindings.is_array() && std::ranges::all_of(bindings, [](const json& binding) {
                    return binding.is_object();
                  });
         });
}

/// Absent for an endpoint of others, and for a mark that a user made up.
std::optional<FoundAttachment> read_attachment(const std::string& sandbox, const json& endpoint) {
  const json mark = read_mark(endpoint);
  if (mark.is_null()) return std::nullopt;
  const auto text = [&](const char* key) {
    const auto found = mark.find(key);
    return found != mark.end() && found->is_string() ? found->get<std::string>() : "";
  };
  const auto ports = mark.find("ports");
  return FoundAttachment{
      .key = {.face = text("face"),
              .container = text("container"),
              .interface = text("interface"),
              .scope = text("network")},
      .sandbox = sandbox,
      .network = endpoint.at("NetworkID").get<std::string>(),
      .ports = ports != mark.end() && is_port_map(*ports) ? *ports : json::object(),
      .endpoint = endpoint};
}

std::string target_of(const json& sandbox) {
  return "/sandboxes/" + sandbox.at("Id").get<std::string>();
}

/// netd shows a binding without an address where it published it.
bool has_port(const json& ports, const std::string& port, const json& binding) {
  const auto address_of = [](const json& one) { return one.value("HostIp", json("")); };
  const auto bindings = ports.find(port);
  return bindings != ports.end() && std::ranges::any_of(*bindings, [&](const json& other) {
           return other.value("HostPort", json()) == binding.value("HostPort", json()) &&
                  (address_of(other) == address_of(binding) || address_of(other) == "" ||
                   address_of(binding) == "");
         });
}

void add_ports(const json& more, json& ports) {
  for (const auto& [port, bindings] : more.items())
    for (const json& binding : bindings)
      ports[port].push_back(binding);
}

/// Published or not: on a network that leads nowhere they wait for another.
json all_ports(const json& sandbox) {
  json ports = sandbox.at("PortBindings");
  add_ports(sandbox.at("Ports"), ports);
  return ports;
}

json ports_of_the_others(const json& sandbox, const AttachmentKey& one) {
  json ports = json::object();
  for (const json& endpoint : sandbox.at("Networks")) {
    const auto other = read_attachment("", endpoint);
    if (other && other->key != one) add_ports(other->ports, ports);
  }
  return ports;
}

void check(const netd::client::Response& answer) {
  if (!answer.ok()) throw Refusal(answer.status, answer.message());
}

}  // namespace

Attachments::Attachments(Daemon& daemon) : daemon_(daemon), token_(random_token()) {}

json Attachments::without(const json& ports, const json& others) {
  json rest = json::object();
  for (const auto& [port, bindings] : ports.items())
    for (const json& binding : bindings)
      if (!has_port(others, port, binding)) rest[port].push_back(binding);
  return rest;
}

json Attachments::endpoint_in(const json& sandbox, const AttachmentKey& key) {
  if (sandbox.is_null()) return nullptr;
  for (const json& endpoint : sandbox.at("Networks"))
    if (const auto found = read_attachment("", endpoint); found && found->key == key)
      return endpoint;
  return nullptr;
}

json Attachments::settings_of(const Attachment& attachment, const json& own_ports) const {
  json settings = attachment.settings;
  settings["DriverOpts"][interface_key] = attachment.key.interface;
  settings["DriverOpts"][mark_key] = json{
      {"face", attachment.key.face},
      {"container", attachment.key.container},
      {"interface", attachment.key.interface},
      {"network", attachment.key.scope},
      {"ports", own_ports},
      {"call", token_}}.dump();
  return settings;
}

/// Whether it has the attachment, and this process made it.
bool Attachments::is_made(const json& sandbox, const AttachmentKey& key) const {
  const json mark = read_mark(endpoint_in(sandbox, key));
  return mark.is_object() && mark.value("call", json()) == token_;
}

/// A network of that name made by another at this moment is as good.
void Attachments::make_network(const Attachment& attachment) {
  json request = attachment.make_network;
  request["Name"] = attachment.network;
  request["Labels"][call_label] = token_;
  auto answer = daemon_.ask("POST", "/networks/create", &request);
  const bool is_there = answer.status == conflict;
  if (is_there)
    answer = daemon_.ask("GET", "/networks/" + netd::client::encode(attachment.network));
  if (is_there && answer.status == not_found) return;
  check(answer);
  const json network = answer.json();
  if (!is_there || network.at("Labels").value(call_label, "") == token_)
    made_networks_.push_back(network.at("Id").get<std::string>());
}

/// An answer may have got lost: what is there already is as good as a yes.
json Attachments::connect(const json& sandbox, const Attachment& attachment) {
  const std::string target = target_of(sandbox);
  if (!is_made(sandbox, attachment.key)) {
    for (const json& endpoint : sandbox.at("Networks"))
      if (endpoint.at("Interface") == attachment.key.interface)
        throw Refusal(conflict, fmt::format("the container has an interface {} already",
                                            attachment.key.interface));
    // What somebody else published stays when the attachment goes.
    const json of_others =
        without(all_ports(sandbox), ports_of_the_others(sandbox, attachment.key));
    json request{{"Container", sandbox.at("Id")},
                 {"EndpointConfig", settings_of(attachment, without(attachment.ports, of_others))}};
    // The default route stays with the first interface, as runtimes expect; else names would
    // decide.
    if (!attachment.settings.contains("GwPriority"))
      request["EndpointConfig"]["GwPriority"] = -static_cast<int>(sandbox.at("Networks").size());
    const auto answer = daemon_.ask(
        "POST", "/networks/" + netd::client::encode(attachment.network) + "/connect", &request);
    if (!answer.ok() && !is_made(daemon_.get(target), attachment.key)) check(answer);
  }
  if (!attachment.ports.empty()) {
    const json change{{"Add", attachment.ports}};
    check(daemon_.ask("POST", target + "/ports", &change));
  }
  return daemon_.get(target);
}

json Attachments::join(const Attachment& attachment) {
  json first = settings_of(attachment, attachment.ports);
  first["Network"] = attachment.network;
  const std::string plain_name = sandbox_name(attachment.key.container);
  json request = attachment.sandbox;
  request.update({{"Id", sandbox_id(attachment.key.face, attachment.key.container)},
                  {"Name", attachment.name.empty() ? plain_name : attachment.name},
                  {"NetnsPath", attachment.netns},
                  {"Networks", json::array({first})},
                  {"PortBindings", attachment.ports},
                  {"Labels", {{"io.netd.container", attachment.key.container}}}});
  const auto end = Daemon::Clock::now() + patience_with_the_dying;
  // More than once: the last container of a network may have taken it away again.
  int networks_to_make = 5;
  const auto retry_with_network = [&](const Refusal& refusal) {
    if (refusal.status != not_found || --networks_to_make < 0) throw refusal;
    make_network(attachment);
  };
  for (;;) {
    try {
      const auto answer = daemon_.ask("POST", "/sandboxes", &request);
      if (answer.ok()) return answer.json();
      if (answer.status != conflict) check(answer);
      if (const json owner = owner_of(daemon_, attachment.netns); !owner.is_null())
        return connect(owner, attachment);
      const std::string why = answer.message();
      if (why.starts_with("sandbox name") && request["Name"] != plain_name)
        request["Name"] = plain_name;
      else if (!why.starts_with("sandbox ") || Daemon::Clock::now() >= end ||
               !daemon_.wait_a_moment())
        check(answer);  // else a container of that id is dying at this moment
    } catch (const Refusal& refusal) {
      retry_with_network(refusal);
    }
  }
}

json Attachments::attach(const Attachment& attachment) {
  attached_.push_back(attachment.key);
  json sandbox = join(attachment);
  const json endpoint = endpoint_in(sandbox, attachment.key);
  if (endpoint.is_null() || endpoint.at("Interface") != attachment.key.interface)
    throw Refusal(bad_request, fmt::format("the network {} has no interfaces for containers",
                                           attachment.network));
  return sandbox;
}

json Attachments::all_or_nothing(const std::function<json()>& work) {
  try {
    return work();
  } catch (const netd::client::NoDaemon&) {
    throw;  // nobody is there to ask
  } catch (...) {
    take_back();
    throw;
  }
}

/// What fails here stays, for the caller to remove: it has a reason to hear already.
void Attachments::take_back() noexcept {
  const auto attempt = [](const auto& act) {
    try {
      act();
    } catch (const std::exception&) {
      return;
    }
  };
  for (const AttachmentKey& key : attached_)
    attempt([&] {
      if (is_made(sandbox_of(key), key)) detach(key);
    });
  // Others may use one by now: it has endpoints, and stays.
  for (const std::string& network : made_networks_)
    attempt([&] { daemon_.ask("DELETE", "/networks/" + network); });
}

json Attachments::sandbox_of(const AttachmentKey& key) {
  const auto answer = daemon_.ask("GET", "/sandboxes/" + sandbox_id(key.face, key.container));
  if (answer.ok()) return answer.json();
  if (answer.status != not_found) check(answer);
  // It may live in a namespace that was a sandbox before.
  const auto found = find([&](const FoundAttachment& one) {
    return one.key.face == key.face && one.key.container == key.container;
  });
  if (found.empty()) return nullptr;
  return daemon_.get("/sandboxes/" + found.front().sandbox);
}

std::vector<FoundAttachment> Attachments::find(const Wanted& wanted) {
  std::vector<FoundAttachment> all;
  for (const json& sandbox : daemon_.get("/sandboxes"))
    for (const json& endpoint : sandbox.at("Networks"))
      if (auto one = read_attachment(sandbox.at("Id").get<std::string>(), endpoint);
          one && wanted(*one))
        all.push_back(std::move(*one));
  return all;
}

std::vector<FoundAttachment> Attachments::of_network(const std::string& face,
                                                     const std::string& scope) {
  return find(
      [&](const FoundAttachment& one) { return one.key.face == face && one.key.scope == scope; });
}

/// The sandbox of a container without interfaces goes, unless others live in its namespace, or it
/// was there before the container. True: it is gone.
bool Attachments::remove_if_empty(const std::string& sandbox, const AttachmentKey& key) {
  if (sandbox != sandbox_id(key.face, key.container)) return false;
  const auto answer = daemon_.ask("DELETE", "/sandboxes/" + sandbox);
  if (!answer.ok() && answer.status != not_found && answer.status != conflict) check(answer);
  return answer.status != conflict;
}

void Attachments::disconnect(const json& sandbox, const FoundAttachment& attachment) {
  const json ports = without(attachment.ports, ports_of_the_others(sandbox, attachment.key));
  if (!ports.empty()) {
    const json change{{"Remove", ports}};
    const auto answer = daemon_.ask("POST", target_of(sandbox) + "/ports", &change);
    if (answer.status != not_found) check(answer);  // somebody unpublished them
  }
  const json request{{"Container", attachment.sandbox}};
  const auto answer =
      daemon_.ask("POST", "/networks/" + attachment.network + "/disconnect", &request);
  if (answer.ok()) return;
  // Said twice at once: the other one was faster.
  if (endpoint_in(sandbox_of(attachment.key), attachment.key).is_null()) return;
  check(answer);
}

bool Attachments::detach(const AttachmentKey& key) {
  const json sandbox = sandbox_of(key);
  const json endpoint = endpoint_in(sandbox, key);
  if (endpoint.is_null()) return false;
  const std::string id = sandbox.at("Id").get<std::string>();
  const bool is_last = sandbox.at("Networks").size() == 1;
  if (is_last && remove_if_empty(id, key)) return true;
  disconnect(sandbox, *read_attachment(id, endpoint));
  // Its last two interfaces may have gone at the same time.
  const auto rest = daemon_.ask("GET", target_of(sandbox));
  if (rest.ok() && rest.json().at("Networks").empty()) remove_if_empty(id, key);
  return true;
}

}  // namespace runtime_hooks
