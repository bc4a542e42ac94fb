#include "netd/api/sandbox_json.h"

#include <fmt/format.h>

#include <stdexcept>

#include "netd/api/engine_json.h"
#include "netd/api/times.h"

namespace netd::api {
namespace {

using nlohmann::json;

constexpr std::string_view image_name = "netd/sandbox";
constexpr std::string_view zero_time = "0001-01-01T00:00:00Z";  // Go's zero time.Time

std::vector<ipam::Address> read_addresses(const JsonObject& body, std::string_view key) {
  std::vector<ipam::Address> addresses;
  for (const std::string& text : body.texts(key)) {
    const auto address = ipam::Address::parse(text);
    if (!address)
      throw std::invalid_argument(
          fmt::format("invalid JSON: {}: expected IP addresses, found \"{}\"", key, text));
    addresses.push_back(*address);
  }
  return addresses;
}

json texts_of(const std::vector<ipam::Address>& addresses) {
  json texts = json::array();
  for (const ipam::Address& address : addresses)
    texts.push_back(address.to_string());
  return texts;
}

json networks_json(const SandboxPicture& picture, bool with_interface) {
  json networks = json::object();
  for (const auto& [endpoint, network] : picture.attachments) {
    json settings = endpoint_json(*endpoint, *network);
    if (with_interface) settings["Interface"] = endpoint->endpoint.sandbox_link;
    networks[network->network.name] = std::move(settings);
  }
  return networks;
}

/// HostConfig.NetworkMode: the first network's name, as the engine has it.
std::string network_mode(const SandboxPicture& picture) {
  const SandboxSpec& spec = picture.sandbox->spec;
  if (!spec.shared_with.empty()) return "container:" + spec.shared_with;
  return picture.attachments.empty() ? "none" : picture.attachments.front().network->network.name;
}

std::string hostname_of(const SandboxRecord& record) {
  return record.spec.hostname.empty() ? record.sandbox.id.substr(0, 12) : record.spec.hostname;
}

int pid_of(const SandboxRecord& record) {
  return record.process ? record.process->pid : record.spec.pid.value_or(0);
}

json state_json(const SandboxRecord& record) {
  const bool running = record.progress.state == State::joined;
  return {{"Status", state_text(record.progress.state)},
          {"Running", running},
          {"Paused", false},
          {"Restarting", false},
          {"OOMKilled", false},
          {"Dead", false},
          {"Pid", pid_of(record)},
          {"ExitCode", 0},
          {"Error", ""},
          {"StartedAt", rfc3339(record.created_nano)},
          {"FinishedAt", zero_time}};
}

json config_json(const SandboxRecord& record) {
  json exposed = json::object();
  const json published = port_map_json(record.ports);
  for (const auto& [port, bindings] : published.items())
    exposed[port] = json::object();
  return {{"Hostname", hostname_of(record)},
          {"Domainname", record.spec.domainname},
          {"Image", image_name},
          {"Cmd", json::array()},
          {"Env", json::array()},
          {"Labels", record.spec.labels},
          {"ExposedPorts", std::move(exposed)}};
}

json host_config_json(const SandboxPicture& picture) {
  const SandboxSpec& spec = picture.sandbox->spec;
  return {{"NetworkMode", network_mode(picture)},
          {"PortBindings", port_map_json(picture.sandbox->ports)},
          {"Dns", texts_of(spec.dns)},
          {"DnsSearch", spec.dns_search},
          {"DnsOptions", spec.dns_options},
          {"ExtraHosts", spec.extra_hosts}};
}

json network_settings_json(const SandboxPicture& picture) {
  json settings{{"SandboxID", picture.sandbox->sandbox.id},
                {"SandboxKey", picture.sandbox->sandbox.netns},
                {"Ports", port_map_json(picture.sandbox->ports)},
                {"Networks", networks_json(picture, false)}};
  // Copies that clients before 1.52 print: of the default network `bridge`, empty without it.
  json legacy{{"Bridge", ""},
              {"HairpinMode", false},
              {"LinkLocalIPv6Address", ""},
              {"LinkLocalIPv6PrefixLen", 0},
              {"EndpointID", ""},
              {"Gateway", ""},
              {"GlobalIPv6Address", ""},
              {"GlobalIPv6PrefixLen", 0},
              {"IPAddress", ""},
              {"IPPrefixLen", 0},
              {"IPv6Gateway", ""},
              {"MacAddress", ""}};
  if (settings["Networks"].contains("bridge"))
    for (auto& [key, value] : legacy.items())
      if (settings["Networks"]["bridge"].contains(key)) value = settings["Networks"]["bridge"][key];
  settings.update(legacy);
  return settings;
}

}  // namespace

std::string_view state_text(State state) {
  switch (state) {
    case State::joining:
      return "created";
    case State::joined:
      return "running";
    case State::leaving:
      return "removing";
  }
  return "dead";
}

SandboxSpec read_sandbox_spec(const JsonObject& body) {
  SandboxSpec spec;
  spec.name = body.text("Name");
  spec.id = body.text("Id");
  spec.hostname = body.text("Hostname");
  spec.domainname = body.text("Domainname");
  spec.netns_path = body.text("NetnsPath");
  spec.pid = body.number("Pid");
  if (spec.pid && *spec.pid <= 0) spec.pid.reset();
  spec.shared_with = body.text("SharedWith");
  for (const JsonObject& network : body.objects("Networks")) {
    SandboxSpec::Attachment attachment{network.text("Network"), read_endpoint_spec(network)};
    if (attachment.network.empty())
      throw std::invalid_argument(
          fmt::format("invalid JSON: {}: expected the name or id of a "
                      "network, found nothing",
                      network.path_of("Network")));
    spec.networks.push_back(std::move(attachment));
  }
  spec.ports = read_port_bindings(body.object("PortBindings"), EmptyBindings::nothing);
  spec.dns = read_addresses(body, "Dns");
  spec.dns_search = body.texts("DnsSearch");
  spec.dns_options = body.texts("DnsOptions");
  spec.extra_hosts = body.texts("ExtraHosts");
  spec.labels = body.text_map("Labels");
  return spec;
}

json sandbox_json(const SandboxPicture& picture) {
  const SandboxRecord& record = *picture.sandbox;
  return {{"Id", record.sandbox.id},
          {"Name", record.spec.name},
          {"State", state_text(record.progress.state)},
          {"Created", rfc3339(record.created_nano)},
          {"Hostname", hostname_of(record)},
          {"Domainname", record.spec.domainname},
          {"NetnsPath", record.sandbox.netns},
          {"Pid", pid_of(record)},
          {"SharedWith", record.spec.shared_with},
          {"ResolvConfPath", picture.resolv_conf_path},
          {"HostsPath", picture.hosts_path},
          {"HostnamePath", picture.hostname_path},
          {"Networks", networks_json(picture, true)},
          {"PortBindings", port_bindings_json(record.spec.ports)},
          {"Ports", port_map_json(record.ports)},
          {"Dns", texts_of(record.spec.dns)},
          {"DnsSearch", record.spec.dns_search},
          {"DnsOptions", record.spec.dns_options},
          {"ExtraHosts", record.spec.extra_hosts},
          {"Labels", record.spec.labels}};
}

json container_summary_json(const SandboxPicture& picture, std::int64_t now_nano) {
  const SandboxRecord& record = *picture.sandbox;
  const std::chrono::nanoseconds age{std::max<std::int64_t>(now_nano - record.created_nano, 0)};
  return {{"Id", record.sandbox.id},
          {"Names", {"/" + record.spec.name}},
          {"Image", image_name},
          {"ImageID", ""},
          {"Command", "-"},
          {"Created", record.created_nano / 1'000'000'000},
          {"Ports", port_list_json(record.ports)},
          {"Labels", record.spec.labels},
          {"State", state_text(record.progress.state)},
          {"Status", "Up " + human_duration(age)},
          {"HostConfig", {{"NetworkMode", network_mode(picture)}}},
          {"NetworkSettings", {{"Networks", networks_json(picture, false)}}},
          {"Mounts", json::array()}};
}

json container_json(const SandboxPicture& picture) {
  const SandboxRecord& record = *picture.sandbox;
  return {{"Id", record.sandbox.id},
          {"Created", rfc3339(record.created_nano)},
          {"Path", ""},
          {"Args", json::array()},
          {"State", state_json(record)},
          {"Image", image_name},
          {"ResolvConfPath", picture.resolv_conf_path},
          {"HostnamePath", picture.hostname_path},
          {"HostsPath", picture.hosts_path},
          {"LogPath", ""},
          {"Name", "/" + record.spec.name},
          {"RestartCount", 0},
          {"Driver", "netd"},
          {"Platform", "linux"},
          {"MountLabel", ""},
          {"ProcessLabel", ""},
          {"AppArmorProfile", ""},
          {"ExecIDs", nullptr},
          {"HostConfig", host_config_json(picture)},
          {"Mounts", json::array()},
          {"Config", config_json(record)},
          {"NetworkSettings", network_settings_json(picture)}};
}

}  // namespace netd::api
