// Times the verbs of a running netd over its API, one request after another: what a user waits for.
// bench/run starts netd in namespaces of its own and sets the limit programs beside these numbers.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "netd/client/http.h"

namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string host{netd::client::default_host};
  int endpoints = 0;      // on the measured network already
  int idle_networks = 0;  // beside it
  int samples = 200;
};

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options), client_(options.host) {}

  void run() {
    prepare();
    measure_networks();
    measure_attachments();
    measure_while_reaping();
    clean_up();
  }

 private:
  /// Milliseconds of one request that must succeed.
  double request(const char* method, const std::string& target, const json& body = nullptr) {
    const auto begin = Clock::now();
    const auto response = client_.request(method, target, body.is_null() ? nullptr : &body);
    const std::chrono::duration<double, std::milli> taken = Clock::now() - begin;
    if (!response.ok())
      throw std::runtime_error(fmt::format("{} {}: {}", method, target, response.message()));
    return taken.count();
  }

  static void report(const char* what, std::vector<double> times) {
    std::ranges::sort(times);
    const auto at = [&](double share) {
      return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
    };
    fmt::print("{:<28} p50 {:8.3f} ms   p99 {:8.3f} ms   n {}\n", what, at(0.5), at(0.99),
               times.size());
    std::fflush(stdout);
  }

  double create_network(const std::string& name, int number) {
    const std::string subnet = fmt::format("10.{}.{}.0/20", 64 + number / 16, number % 16 * 16);
    return request("POST", "/networks/create",
                   {{"Name", name}, {"IPAM", {{"Config", {{{"Subnet", subnet}}}}}}});
  }

  double connect(const std::string& sandbox) {
    return request("POST", "/networks/bench/connect", {{"Container", sandbox}});
  }
  double disconnect(const std::string& sandbox) {
    return request("POST", "/networks/bench/disconnect", {{"Container", sandbox}});
  }
  void create_sandbox(const std::string& name, const json& networks) {
    request("POST", "/sandboxes", {{"Name", name}, {"Networks", networks}});
    sandboxes_.push_back(name);
  }

  void prepare() {
    create_network("bench", 0);
    for (int i = 1; i <= options_.idle_networks; ++i)
      create_network(fmt::format("idle{}", i), i);
    for (int i = 0; i < options_.endpoints; ++i)
      create_sandbox(fmt::format("there{}", i), json::array({{{"Network", "bench"}}}));
    for (int i = 0; i < options_.samples; ++i)
      create_sandbox(fmt::format("s{}", i), json::array());
  }

  void measure_networks() {
    std::vector<double> create, remove;
    const int count = std::min(options_.samples, 100);
    for (int i = 0; i < count; ++i)
      create.push_back(create_network(fmt::format("n{}", i), 1000 + i));
    for (int i = 0; i < count; ++i)
      remove.push_back(request("DELETE", fmt::format("/networks/n{}", i)));
    report("network create", create);
    report("network rm", remove);
  }

  /// A sandbox's first named network also opens its DNS listener; the second time it is there.
  void measure_attachments() {
    for (const char* what : {"first network connect", "network connect"}) {
      std::vector<double> joined, left;
      for (int i = 0; i < options_.samples; ++i)
        joined.push_back(connect(fmt::format("s{}", i)));
      report(what, joined);
      for (int i = 0; i < options_.samples; ++i)
        left.push_back(disconnect(fmt::format("s{}", i)));
      report("network disconnect", left);
      wait_for_reaper();
    }
  }

  /// What is measured next begins with no dying link.
  void wait_for_reaper() {
    const auto until = Clock::now() + std::chrono::seconds(30);
    while (client_.request("GET", "/system").json().at("ReaperWaiting") != 0)
      if (Clock::now() > until) throw std::runtime_error("links are not deleted within 30 s");
  }

  /// Half of the sandboxes leave, and the other half joins while their links are being reaped.
  void measure_while_reaping() {
    const int half = std::min(options_.samples / 2, 100);
    for (int i = 0; i < half; ++i)
      connect(fmt::format("s{}", i));
    for (int i = 0; i < half; ++i)
      disconnect(fmt::format("s{}", i));
    std::vector<double> joined;
    for (int i = half; i < 2 * half; ++i)
      joined.push_back(connect(fmt::format("s{}", i)));
    report("connect while reaping", joined);
  }

  void clean_up() {
    std::vector<double> removed;
    for (const std::string& name : sandboxes_)
      removed.push_back(request("DELETE", "/sandboxes/" + name));
    report("sandbox rm", removed);
    for (int i = 1; i <= options_.idle_networks; ++i)
      request("DELETE", fmt::format("/networks/idle{}", i));
    request("DELETE", "/networks/bench");
  }

  Options options_;
  netd::client::Client client_;
  std::vector<std::string> sandboxes_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Times netd's verbs over its API");
  app.add_option("--host", options.host, "API socket")->capture_default_str();
  app.add_option("--endpoints", options.endpoints, "endpoints on the network already");
  app.add_option("--idle-networks", options.idle_networks, "networks beside it");
  app.add_option("--samples", options.samples, "times each verb is measured")
      ->check(CLI::Range(2, 900));
  CLI11_PARSE(app, argc, argv);
  try {
    Bench(options).run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "endpoint_bench: {}\n", error.what());
    return 1;
  }
}
