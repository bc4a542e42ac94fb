#include "netd/plugin/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "netd/client/http.h"
#include "netd/error.h"
#include "netd/log.h"

namespace netd::plugin {
namespace {

using Kind = PluginError::Kind;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t reply_limit_bytes = 1024 * 1024;
constexpr std::size_t longest_text = 1024;
constexpr std::chrono::milliseconds pause{50};  // between attempts to connect

/// "https://example.com/plugin" -> "tcp://example.com:443". As in Docker a path means nothing:
/// methods follow the host's name at once.
std::string host_of(const std::string& url, std::string_view scheme) {
  if (scheme == "unix") return url;
  std::string host = url.substr(scheme.size() + 3);
  host.erase(std::min(host.find('/'), host.size()));
  const bool has_port = host.rfind(':') != std::string::npos && !host.ends_with(']');
  if (!has_port && scheme == "https") host += ":443";
  if (!has_port && scheme == "http") host += ":80";
  return "tcp://" + host;
}

/// https is TLS, and so is tcp with a TLSConfig; http never is.
client::ClientOptions options_for(const Location& location, std::chrono::milliseconds deadline) {
  client::ClientOptions options;
  const std::string scheme = location.url.substr(0, location.url.find("://"));
  options.host = host_of(location.url, scheme);
  if (scheme == "https" || (scheme == "tcp" && location.tls)) {
    const Location::Tls tls = location.tls.value_or(Location::Tls{});
    options.tls = client::TlsOptions{.ca_file = tls.insecure_skip_verify ? "" : tls.ca_file,
                                     .cert_file = tls.certificate_file,
                                     .key_file = tls.key_file,
                                     .verify = !tls.insecure_skip_verify};
  }
  options.deadline = deadline;
  options.headers = {{"Accept", "application/vnd.docker.plugins.v1.2+json"}};
  if (scheme == "unix") options.host_header = "plugin.moby.localhost";
  options.content_type.clear();
  options.body_limit_bytes = reply_limit_bytes;
  return options;
}

/// What the owner of the plugin's file can do about TLS that did not come about.
std::string advice(client::TlsProblem problem, const std::string& file) {
  const std::string keys = file.ends_with(".spec") ? "a .json file in place of " + file : file;
  switch (problem) {
    case client::TlsProblem::untrusted:
      return fmt::format("CAFile in {} has to hold the certificate of the plugin's authority",
                         keys);
    case client::TlsProblem::expired:
      return "the plugin needs a new certificate, or this host's clock is wrong";
    case client::TlsProblem::wrong_name:
      return fmt::format("{} has to say a name or IP address of the plugin's certificate", file);
    case client::TlsProblem::invalid:
      return "the plugin needs another certificate";
    case client::TlsProblem::wanted:
      return fmt::format("CertFile and KeyFile in {} have to name one", keys);
    case client::TlsProblem::refused:
      return fmt::format(
          "CertFile in {} has to be a client's, valid, and of an authority that the plugin knows",
          keys);
    case client::TlsProblem::no_handshake:
      break;
  }
  return fmt::format("does the plugin speak TLS? If not, {} has to say http://…", file);
}

/// One call, for what is said of it.
struct Subject {
  const std::string& plugin;
  std::string_view method;

  PluginError error(Kind kind, std::string_view text) const { return {kind, plugin, method, text}; }
};

/// What an answer other than 200 says: Err of its JSON, else its text.
std::string refusal(const client::Response& response) {
  const auto json = nlohmann::json::parse(response.body, nullptr, false);
  if (json.is_object())
    for (const char* key : {"Err", "Error"})
      if (json.contains(key) && json[key].is_string()) return json[key].get<std::string>();
  if (response.body.empty()) return fmt::format("HTTP status {}", response.status);
  return response.body.substr(0, longest_text);
}

/// Err of a NetworkDriver, Error of an IpamDriver; some plugins use the other's.
void throw_logical_error(const nlohmann::json& reply, const Subject& subject) {
  for (const char* key : {"Err", "Error"}) {
    const auto found = reply.find(key);
    if (found == reply.end() || found->is_null()) continue;
    if (!found->is_string())
      throw subject.error(Kind::malformed, fmt::format("{}: expected a string", key));
    if (const auto& text = found->get_ref<const std::string&>(); !text.empty())
      throw subject.error(Kind::refused, "remote: " + text.substr(0, longest_text));
  }
}

nlohmann::json understand(const client::Response& response, const Subject& subject) {
  if (response.status == 404)
    throw subject.error(Kind::not_implemented, "the plugin does not implement it (404)");
  if (response.status != 200) throw subject.error(Kind::refused, "remote: " + refusal(response));
  auto reply = nlohmann::json::parse(response.body, nullptr, false);
  if (reply.is_discarded()) throw subject.error(Kind::malformed, "the answer is not JSON");
  if (!reply.is_object()) throw subject.error(Kind::malformed, "the answer is not a JSON object");
  throw_logical_error(reply, subject);
  return reply;
}

}  // namespace

PluginError::PluginError(Kind kind, std::string plugin, std::string_view method,
                         std::string_view text)
    : std::runtime_error(fmt::format("plugin {}: {}: {}", plugin, method, text)),
      kind_(kind),
      plugin_(std::move(plugin)) {}

PluginError PluginError::within(std::string_view context) const {
  return {kind_, plugin_, fmt::format("{}: {}", context, what())};
}

bool Plugins::is_there(std::string_view name) const {
  try {
    return find_plugin(directories_, name).has_value();
  } catch (const std::invalid_argument&) {
    return true;  // what is wrong with its file is said when it is used
  }
}

Location Plugins::locate(const std::string& name) const {
  auto location = find_plugin(directories_, name);
  if (!location)
    throw Error(
        ErrorKind::not_found,
        fmt::format("could not find plugin {} in v1 plugin registry: plugin not found", name));
  return *location;
}

PluginError Plugins::malformed(const std::string& name, std::string_view method,
                               std::string_view why) {
  constexpr std::string_view reader = "invalid JSON: ";
  if (why.starts_with(reader)) why.remove_prefix(reader.size());
  return {Kind::malformed, name, method, why};
}

nlohmann::json Plugins::call(const std::string& name, std::string_view method,
                             const nlohmann::json* arguments) {
  const Location location = locate(name);
  const Subject subject{name, method};
  const std::string target = fmt::format("/{}", method);
  const client::ClientOptions options = options_for(location, patience_.call);
  const auto give_up = Clock::now() + patience_.connect;
  for (;;) {
    try {
      client::Client connection(options);
      return understand(connection.request("POST", target, arguments), subject);
    } catch (const client::NoTls& error) {  // trying again would change nothing
      throw subject.error(Kind::unreachable, fmt::format("{}: {}; {}", location.url, error.reason,
                                                         advice(error.problem, location.source)));
    } catch (const client::NoDaemon& error) {
      if (Clock::now() >= give_up)
        throw subject.error(Kind::unreachable,
                            fmt::format("nobody answers at {} ({}); is the plugin running?",
                                        location.url, error.reason));
    } catch (const std::invalid_argument& error) {
      throw subject.error(Kind::unreachable, fmt::format("{}: {}", location.source, error.what()));
    } catch (const PluginError&) {
      throw;
    } catch (const std::exception& error) {
      throw subject.error(Kind::silent, error.what());
    }
    std::this_thread::sleep_for(pause);
  }
}

Capabilities Plugins::shake_hands(const std::string& name) {
  Capabilities capabilities;
  capabilities.implements = ask(name, "Plugin.Activate", nullptr, read_implements);
  if (capabilities.implements.network_driver)
    capabilities.driver =
        ask(name, "NetworkDriver.GetCapabilities", nullptr, read_driver_capabilities);
  if (capabilities.implements.ipam_driver) {
    try {
      capabilities.ipam = ask(name, "IpamDriver.GetCapabilities", nullptr, read_ipam_capabilities);
    } catch (const PluginError& error) {
      if (error.is_absent() || error.kind() == Kind::malformed) throw;
      // Older ones have no capabilities; that is an answer as well.
    }
  }
  return capabilities;
}

Capabilities Plugins::activate(const std::string& name) {
  const Location location = locate(name);
  {
    const std::scoped_lock lock(mutex_);
    if (const auto found = known_.find(name); found != known_.end()) return found->second;
  }
  const Capabilities capabilities = shake_hands(name);
  if (const auto options = options_for(location, patience_.call);
      options.tls && !options.tls->verify)
    log::warn("a plugin's certificate is not verified: anybody on the way could answer for it",
              {{"plugin", name}, {"address", location.url}, {"file", location.source}});
  const std::scoped_lock lock(mutex_);
  return known_[name] = capabilities;
}

}  // namespace netd::plugin
