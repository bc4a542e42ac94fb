// From a verb on one host to the kernel of another: how long until the other host's table has, or
// has no more, the endpoint. Runs in the other host's network namespace; bench/overlay makes the
// hosts.
#include <fmt/format.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "netd/client/http.h"
#include "sandbox/fd.h"

namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

/// Permanent neighbours that come and go here: the last of the entries that netd makes for an
/// endpoint, the first that goes.
class Neighbours {
 public:
  Neighbours() : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = 1U << (RTNLGRP_NEIGH - 1);
    const int bytes = 8 << 20;
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    if (bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("can't hear of neighbours");
  }

  /// Waits for so many of `type`, ten seconds at most.
  void wait(std::uint16_t type, int count) {
    const auto end = Clock::now() + std::chrono::seconds(10);
    while (count > 0) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
      pollfd ready{fd_.get(), POLLIN, 0};
      if (left.count() <= 0 || poll(&ready, 1, static_cast<int>(left.count())) <= 0)
        throw std::runtime_error(fmt::format("{} entries did not come", count));
      alignas(nlmsghdr) char buffer[65536];
      auto size = static_cast<int>(recv(fd_.get(), buffer, sizeof buffer, 0));
      for (auto* message = reinterpret_cast<nlmsghdr*>(buffer);
           NLMSG_OK(message, static_cast<unsigned>(size)); message = NLMSG_NEXT(message, size)) {
        const auto* neighbour = static_cast<const ndmsg*>(NLMSG_DATA(message));
        if (message->nlmsg_type == type && neighbour->ndm_family == AF_INET &&
            (neighbour->ndm_state & NUD_PERMANENT || type == RTM_DELNEIGH))
          --count;
      }
    }
  }

 private:
  sandbox::Fd fd_;
};

struct Options {
  std::string host;
  std::string network = "shop";
  int samples = 200;
};

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options), client_(options.host) {}

  void run() {
    measure_one_by_one();
    measure_at_once();
  }

 private:
  static void request(netd::client::Client& client, const char* method, const std::string& target,
                      const json& body = nullptr) {
    const auto response = client.request(method, target, body.is_null() ? nullptr : &body);
    if (!response.ok())
      throw std::runtime_error(fmt::format("{} {}: {}", method, target, response.message()));
  }

  static double since(Clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  }

  static void report(const char* what, std::vector<double> times) {
    std::ranges::sort(times);
    const auto at = [&](double share) {
      return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
    };
    fmt::print("{:<44} p50 {:8.3f} ms   p99 {:8.3f} ms   n {}\n", what, at(0.5), at(0.99),
               times.size());
    std::fflush(stdout);
  }

  /// One sandbox joins and leaves; the kernel of this host is looked at.
  void measure_one_by_one() {
    request(client_, "POST", "/sandboxes", {{"Name", "mover"}, {"Networks", json::array()}});
    std::vector<double> answered, programmed, gone;
    for (int i = 0; i < options_.samples; ++i) {
      auto begin = Clock::now();
      std::thread verb([&] {
        request(client_, "POST", "/networks/" + options_.network + "/connect",
                {{"Container", "mover"}});
        answered.push_back(since(begin));
      });
      neighbours_.wait(RTM_NEWNEIGH, 1);
      programmed.push_back(since(begin));
      verb.join();
      begin = Clock::now();
      std::thread leaving([&] {
        request(client_, "POST", "/networks/" + options_.network + "/disconnect",
                {{"Container", "mover"}});
      });
      neighbours_.wait(RTM_DELNEIGH, 1);
      gone.push_back(since(begin));
      leaving.join();
    }
    report("connect on one host, answered", answered);
    report("connect on one host -> kernel of the other", programmed);
    report("disconnect on one -> gone from the other", gone);
    request(client_, "DELETE", "/sandboxes/mover");
  }

  /// 100 sandboxes by 16 clients.
  void measure_at_once() {
    constexpr int count = 100, clients = 16;
    for (int i = 0; i < count; ++i)
      request(client_, "POST", "/sandboxes",
              {{"Name", fmt::format("s{}", i)}, {"Networks", json::array()}});
    const auto begin = Clock::now();
    std::vector<std::thread> threads;
    for (int c = 0; c < clients; ++c)
      threads.emplace_back([&, c] {
        netd::client::Client own(options_.host);
        for (int i = c; i < count; i += clients)
          request(own, "POST", "/networks/" + options_.network + "/connect",
                  {{"Container", fmt::format("s{}", i)}});
      });
    neighbours_.wait(RTM_NEWNEIGH, count);
    fmt::print("{} joined by {} clients, all in the other's kernel after {:.0f} ms\n", count,
               clients, since(begin));
    for (std::thread& thread : threads)
      thread.join();
    for (int i = 0; i < count; ++i)
      request(client_, "DELETE", fmt::format("/sandboxes/s{}", i));
  }

  Options options_;
  netd::client::Client client_;
  Neighbours neighbours_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Times how one host's verbs reach another host's kernel");
  app.add_option("--host", options.host, "API of the host where sandboxes join")->required();
  app.add_option("--network", options.network, "an overlay network that is up on both")
      ->capture_default_str();
  app.add_option("--samples", options.samples, "joins, one after the other")
      ->check(CLI::Range(2, 2000));
  CLI11_PARSE(app, argc, argv);
  try {
    Bench(options).run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "overlay_bench: {}\n", error.what());
    return 1;
  }
}
