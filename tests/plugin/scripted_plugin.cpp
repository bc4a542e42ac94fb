#include "tests/plugin/scripted_plugin.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>

namespace tests {
namespace {

using nlohmann::json;

std::string response(int status, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) +
         " Status\r\nContent-Type: application/vnd.docker.plugins.v1.2+json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::size_t content_length(std::string head) {
  std::ranges::transform(head, head.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::size_t at = head.find("content-length:");
  return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + 15, nullptr, 10);
}

void run(const std::string& command) {
  if (std::system((command + " 2>/dev/null").c_str()) != 0) return;  // gone is fine
}

std::string short_id(const json& arguments) {
  return arguments.at("EndpointID").get<std::string>().substr(0, 8);
}

}  // namespace

ScriptedPlugin::ScriptedPlugin(std::string path)
    : path_(std::move(path)), listening_(listen_at_path(path_)) {
  begin();
}

ScriptedPlugin::ScriptedPlugin(const std::string& address, const PluginTls* tls)
    : tls_(make_plugin_tls(tls)), listening_(listen_at_loopback(address, port_)) {
  begin();
}

void ScriptedPlugin::begin() {
  stop_ = eventfd(0, EFD_CLOEXEC);
  answer("Plugin.Activate", {{"Implements", {"NetworkDriver", "IpamDriver"}}});
  acceptor_ = std::thread([this] { accept_all(); });
}

ScriptedPlugin::~ScriptedPlugin() {
  const std::uint64_t one = 1;
  if (write(stop_, &one, sizeof one) != sizeof one) std::abort();
  acceptor_.join();
  for (std::thread& connection : connections_)
    connection.join();
  close(listening_);
  close(stop_);
  if (!path_.empty()) unlink(path_.c_str());
}

void ScriptedPlugin::set(const std::string& method, Speak speak) {
  const std::scoped_lock lock(mutex_);
  script_[method] = std::move(speak);
}

void ScriptedPlugin::answer(const std::string& method, json reply) {
  say(method, 200, reply.dump());
}

void ScriptedPlugin::answer_by(const std::string& method, Answer answer) {
  set(method, [answer = std::move(answer)](PluginWire& wire, const json& arguments) {
    wire.write(response(200, answer(arguments).dump()));
  });
}

void ScriptedPlugin::say(const std::string& method, int status, const std::string& body) {
  set(method,
      [status, body](PluginWire& wire, const json&) { wire.write(response(status, body)); });
}

void ScriptedPlugin::hang(const std::string& method) {
  set(method, [this](PluginWire&, const json&) { await(-1, stop_); });
}

void ScriptedPlugin::answer_half(const std::string& method) {
  set(method, [](PluginWire& wire, const json&) {
    wire.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Interface");
    wire.shut_down();
  });
}

void ScriptedPlugin::accept_all() {
  while (await(listening_, stop_)) {
    const int socket = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket >= 0) connections_.emplace_back([this, socket] { serve(socket); });
  }
}

void ScriptedPlugin::serve(int socket) {
  PluginWire wire(socket, tls_);
  std::string pending;
  while (wire.is_open() && serve_one(wire, pending)) {
  }
}

/// Reads a request, writes it down, answers by the script.
bool ScriptedPlugin::serve_one(PluginWire& wire, std::string& pending) {
  const auto read_until = [&](const auto& complete) {
    while (!complete()) {
      const std::string more = wire.read(stop_);
      if (more.empty()) return false;
      pending += more;
    }
    return true;
  };
  std::size_t end = 0;
  if (!read_until([&] { return (end = pending.find("\r\n\r\n")) != std::string::npos; }))
    return false;
  Call call{.method = {}, .arguments = {}, .head = pending.substr(0, end)};
  const std::size_t length = content_length(call.head);
  if (!read_until([&] { return pending.size() >= end + 4 + length; })) return false;
  const std::string body = pending.substr(end + 4, length);
  pending.erase(0, end + 4 + length);
  const std::size_t slash = call.head.find('/');
  call.method = call.head.substr(slash + 1, call.head.find(' ', slash) - slash - 1);
  call.arguments = body.empty() ? json() : json::parse(body);
  Speak speak;
  {
    const std::scoped_lock lock(mutex_);
    calls_.push_back(call);
    if (const auto found = script_.find(call.method); found != script_.end()) speak = found->second;
  }
  asked_.notify_all();
  if (speak)
    speak(wire, call.arguments);
  else
    wire.write(response(404, "404 page not found"));
  return true;
}

std::vector<ScriptedPlugin::Call> ScriptedPlugin::calls() const {
  const std::scoped_lock lock(mutex_);
  return calls_;
}

std::string ScriptedPlugin::methods() const {
  std::string text;
  for (const Call& call : calls())
    text += call.method + "\n";
  return text;
}

void ScriptedPlugin::forget_calls() {
  const std::scoped_lock lock(mutex_);
  calls_.clear();
}

bool ScriptedPlugin::was_asked(const std::string& method, std::size_t count) const {
  std::unique_lock lock(mutex_);
  return asked_.wait_for(lock, std::chrono::seconds(10), [&] {
    return static_cast<std::size_t>(std::ranges::count(calls_, method, &Call::method)) >= count;
  });
}

json ScriptedPlugin::last(const std::string& method) const {
  json found;
  for (const Call& call : calls())
    if (call.method == method) found = call.arguments;
  return found;
}

void be_good_network_driver(ScriptedPlugin& plugin) {
  plugin.answer("NetworkDriver.GetCapabilities", {{"Scope", "local"}});
  for (const char* method : {"CreateNetwork", "DeleteNetwork", "Leave", "EndpointOperInfo",
                             "ProgramExternalConnectivity", "RevokeExternalConnectivity"})
    plugin.answer(std::string("NetworkDriver.") + method, json::object());
  plugin.answer_by("NetworkDriver.CreateEndpoint", [](const json& arguments) {
    const std::string id = short_id(arguments);
    run("ip link add pl" + id + " type veth peer name pc" + id + " && ip link set pl" + id + " up");
    return json{{"Interface", json::object()}};
  });
  plugin.answer_by("NetworkDriver.DeleteEndpoint", [](const json& arguments) {
    run("ip link del pl" + short_id(arguments));
    return json::object();
  });
  plugin.answer_by("NetworkDriver.Join", [](const json& arguments) {
    return json{{"InterfaceName", {{"SrcName", "pc" + short_id(arguments)}, {"DstPrefix", "eth"}}},
                {"Gateway", "10.77.0.1"}};
  });
}

void be_good_ipam_driver(ScriptedPlugin& plugin) {
  plugin.answer("IpamDriver.GetCapabilities", json::object());
  plugin.answer("IpamDriver.GetDefaultAddressSpaces",
                {{"LocalDefaultAddressSpace", "L"}, {"GlobalDefaultAddressSpace", "G"}});
  plugin.answer_by("IpamDriver.RequestPool", [](const json& arguments) {
    const std::string wanted = arguments.at("Pool");
    return json{{"PoolID", "pool-1"}, {"Pool", wanted.empty() ? "10.77.0.0/24" : wanted}};
  });
  const auto next = std::make_shared<std::atomic<int>>(2);
  plugin.answer_by("IpamDriver.RequestAddress", [next](const json& arguments) {
    const std::string wanted = arguments.at("Address");
    if (!wanted.empty()) return json{{"Address", wanted + "/24"}};
    if (arguments.at("Options").contains("RequestAddressType"))
      return json{{"Address", "10.77.0.1/24"}};
    return json{{"Address", "10.77.0." + std::to_string((*next)++) + "/24"}};
  });
  plugin.answer("IpamDriver.ReleaseAddress", json::object());
  plugin.answer("IpamDriver.ReleasePool", json::object());
}

}  // namespace tests
