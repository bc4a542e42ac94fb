#include "dns/server.h"

#include <pthread.h>
#include <csignal>

#include <algorithm>
#include <thread>
#include <unordered_map>
#include <utility>

#include "dns/service.h"
#include "sandbox/netns.h"

namespace dns {
namespace {

constexpr std::uint16_t dns_port = 53;
const ipam::Address own_address = ipam::Address::v4(0x7f00000b);  // 127.0.0.11

/// The view as the DNS thread wants it: each upstream once, and never ourselves.
std::shared_ptr<const View> prepare(View view) {
  std::vector<ipam::Address> servers;
  for (const ipam::Address& server : view.servers)
    if (server != own_address && std::ranges::find(servers, server) == servers.end())
      servers.push_back(server);
  view.servers = std::move(servers);
  return std::make_shared<const View>(std::move(view));
}

/// A thread that no signal is delivered to: they belong to the daemon's io thread.
std::thread start_thread(Reactor& reactor) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread([&reactor] { reactor.run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread.native_handle(), "netd-dns");
  return thread;
}

}  // namespace

struct Server::State final : ReplySink, DeadlineHandler {
  void reply(const Origin& origin, std::span<const std::uint8_t> response) override {
    const auto service = running.find(origin.sandbox);
    if (service != running.end()) service->second->reply(origin, response);
  }
  void expired(std::uint64_t number) override {
    const auto service = running.find(number);
    if (service != running.end()) service->second->tick();
  }

  Reactor reactor;
  Forwarder forwarder{reactor, *this};
  Counters counters;
  Workshop workshop{reactor, forwarder, counters};

  // The control thread's.
  struct Sandbox {
    std::uint64_t number = 0;
    std::unique_ptr<Service> service;
  };
  std::unordered_map<std::string, Sandbox> sandboxes;
  std::uint64_t next_number = 1;

  // The DNS thread's: the services that are started, by number.
  std::unordered_map<std::uint64_t, Service*> running;

  std::thread thread;
};

Server::Server() : state_(std::make_unique<State>()) {
  state_->thread = start_thread(state_->reactor);
}

Server::~Server() {
  state_->reactor.call([this] {
    for (const auto& [number, service] : std::exchange(state_->running, {}))
      service->stop();
  });
  state_->reactor.stop();
  state_->thread.join();
}

std::uint16_t Server::open(const std::string& sandbox_id, const std::string& netns, View view,
                           std::uint16_t wanted) {
  return start(sandbox_id, netns, {.address = own_address, .device = "lo", .port = wanted},
               std::move(view));
}

void Server::open_gateway(const std::string& network_id, const ipam::Address& address,
                          const std::string& device, View view) {
  open_service(network_id, "/proc/self/ns/net", address, device, std::move(view));
}

void Server::open_service(const std::string& network_id, const std::string& netns,
                          const ipam::Address& address, const std::string& device, View view) {
  // The host's resolv.conf may name this very address: not to be asked in turn.
  std::erase(view.servers, address);
  start(network_id, netns, {.address = address, .device = device, .port = dns_port, .exact = true},
        std::move(view));
}

std::uint16_t Server::start(const std::string& id, const std::string& netns,
                            const ListenPlace& place, View view) {
  auto prepared = prepare(std::move(view));
  if (const auto known = state_->sandboxes.find(id); known != state_->sandboxes.end()) {
    known->second.service->publish(std::move(prepared));
    return known->second.service->port();
  }
  sandbox::Fd pinned = sandbox::open_netns(netns);
  ListenSockets sockets = open_listen_sockets(pinned.get(), place);
  const std::uint64_t number = state_->next_number++;
  auto service = std::make_unique<Service>(number, std::move(sockets), std::move(pinned),
                                           state_->workshop, *state_);
  service->publish(std::move(prepared));
  const std::uint16_t port = service->port();
  State::Sandbox& sandbox = state_->sandboxes[id];
  sandbox = {number, std::move(service)};
  try {
    state_->reactor.call([&] {
      sandbox.service->start();
      state_->running.emplace(number, sandbox.service.get());
    });
  } catch (...) {
    state_->sandboxes.erase(id);
    throw;
  }
  return port;
}

void Server::update(const std::string& sandbox_id, View view) {
  const auto sandbox = state_->sandboxes.find(sandbox_id);
  if (sandbox != state_->sandboxes.end())
    sandbox->second.service->publish(prepare(std::move(view)));
}

void Server::close(const std::string& sandbox_id) {
  const auto sandbox = state_->sandboxes.find(sandbox_id);
  if (sandbox == state_->sandboxes.end()) return;
  state_->reactor.call([&] {
    state_->running.erase(sandbox->second.number);
    sandbox->second.service->stop();
  });
  state_->sandboxes.erase(sandbox);
}

bool Server::is_open(const std::string& sandbox_id) const {
  return state_->sandboxes.contains(sandbox_id);
}

Statistics Server::statistics() const {
  const auto& counters = state_->counters;
  return {counters.queries.load(std::memory_order_relaxed),
          counters.local.load(std::memory_order_relaxed),
          counters.forwarded.load(std::memory_order_relaxed),
          counters.failed.load(std::memory_order_relaxed)};
}

}  // namespace dns
