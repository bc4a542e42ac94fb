#include "tests/plugin/scripted_plugin.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>

namespace tests {
namespace {

using nlohmann::json;

void write_all(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string response(int status, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) +
         " Status\r\nContent-Type: application/vnd.docker.plugins.v1.2+json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// Waits for `socket`; false when `stop` says that all is over.
bool await(int socket, int stop) {
  std::array<pollfd, 2> waiting{pollfd{socket, POLLIN, 0}, pollfd{stop, POLLIN, 0}};
  while (poll(waiting.data(), waiting.size(), -1) < 0 && errno == EINTR) {
  }
  return (waiting[1].revents & POLLIN) == 0;
}

std::size_t content_length(std::string head) {
  std::ranges::transform(head, head.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::size_t at = head.find("content-length:");
  return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + 15, nullptr, 10);
}

int listen_at(const std::string& path) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  unlink(path.c_str());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(fd, 128) != 0)
    throw std::system_error(errno, std::system_category(), "listen at " + path);
  return fd;
}

void run(const std::string& command) {
  if (std::system((command + " 2>/dev/null").c_str()) != 0) return;  // gone is fine
}

std::string short_id(const json& arguments) {
  return arguments.at("EndpointID").get<std::string>().substr(0, 8);
}

}  // namespace

ScriptedPlugin::ScriptedPlugin(std::string path)
    : path_(std::move(path)), listening_(listen_at(path_)), stop_(eventfd(0, EFD_CLOEXEC)) {
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
  unlink(path_.c_str());
}

void ScriptedPlugin::set(const std::string& method, Speak speak) {
  const std::scoped_lock lock(mutex_);
  script_[method] = std::move(speak);
}

void ScriptedPlugin::answer(const std::string& method, json reply) {
  say(method, 200, reply.dump());
}

void ScriptedPlugin::answer_by(const std::string& method, Answer answer) {
  set(method, [answer = std::move(answer)](int socket, const json& arguments) {
    write_all(socket, response(200, answer(arguments).dump()));
  });
}

void ScriptedPlugin::say(const std::string& method, int status, const std::string& body) {
  set(method,
      [status, body](int socket, const json&) { write_all(socket, response(status, body)); });
}

void ScriptedPlugin::hang(const std::string& method) {
  // poll(2) ignores negative descriptors: only the end is waited for.
  set(method, [this](int, const json&) { await(-1, stop_); });
}

void ScriptedPlugin::answer_half(const std::string& method) {
  set(method, [](int socket, const json&) {
    write_all(socket, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Interface");
    shutdown(socket, SHUT_RDWR);
  });
}

void ScriptedPlugin::accept_all() {
  while (await(listening_, stop_)) {
    const int socket = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket >= 0) connections_.emplace_back([this, socket] { serve(socket); });
  }
}

void ScriptedPlugin::serve(int socket) {
  std::string pending;
  while (serve_one(socket, pending)) {
  }
  close(socket);
}

/// Reads a request, writes it down, answers by the script.
bool ScriptedPlugin::serve_one(int socket, std::string& pending) {
  const auto read_until = [&](const auto& complete) {
    while (!complete()) {
      std::array<char, 4096> buffer{};
      if (!await(socket, stop_)) return false;
      const ssize_t count = recv(socket, buffer.data(), buffer.size(), 0);
      if (count <= 0) return false;
      pending.append(buffer.data(), static_cast<std::size_t>(count));
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
    speak(socket, call.arguments);
  else
    write_all(socket, response(404, "404 page not found"));
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
