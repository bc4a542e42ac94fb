// How many addresses a second hosts get from the cluster's books, when all ask at once for any
// address of one network; and that none is given twice. Each host has its own connections to etcd,
// and knows what others have from a watch, as netd does. bench/ledger makes the store.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "netd/cluster/ledger.h"
#include "netd/etcd/load.h"

namespace {

using namespace netd;
using namespace netd::cluster;
using Clock = std::chrono::steady_clock;

struct Options {
  std::vector<std::string> endpoints;
  int hosts = 16;
  int addresses = 500;  // of each host
};

/// Counts what is asked of another store.
class CountingStore final : public Store {
 public:
  CountingStore(Store& store, std::atomic<int>& transactions)
      : store_(store), transactions_(transactions) {}
  std::optional<Entry> get(const std::string& key) override { return store_.get(key); }
  Snapshot snapshot(const std::string& prefix) override { return store_.snapshot(prefix); }
  Outcome txn(const std::vector<Compare>& compares, const std::vector<Change>& changes,
              Durability durability) override {
    ++transactions_;
    return store_.txn(compares, changes, durability);
  }
  std::shared_ptr<void> watch(const std::string& prefix, Revision since, Watcher watcher) override {
    return store_.watch(prefix, since, std::move(watcher));
  }
  Lease grant(std::chrono::seconds time) override { return store_.grant(time); }
  void keep_alive(Lease lease) override { store_.keep_alive(lease); }
  void revoke(Lease lease) override { store_.revoke(lease); }

 private:
  Store& store_;
  std::atomic<int>& transactions_;
};

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options), watcher_(open()) {}

  void run() {
    make_network();
    const auto watch =
        watcher_->watch(keys_.addresses("shop"), 0, {.changed = [this](const Watched& watched) {
                          if (const auto address = keys_.parse_address(watched.change.key)) {
                            const std::lock_guard lock(mutex_);
                            taken_.push_back(*address);
                          }
                        }});
    std::vector<std::thread> hosts;
    std::atomic<int> ready = 0;
    std::atomic<bool> go = false;
    for (int i = 0; i < options_.hosts; ++i)
      hosts.emplace_back([&, i] { be_host(fmt::format("host{:02}", i), ready, go); });
    while (ready < options_.hosts)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const auto begin = Clock::now();
    go = true;
    for (std::thread& host : hosts)
      host.join();
    report(std::chrono::duration<double>(Clock::now() - begin).count());
  }

 private:
  std::unique_ptr<SharedStore> open() const {
    return open_etcd({.endpoints = options_.endpoints, .deadline = std::chrono::seconds(2)});
  }

  void make_network() {
    Network shop{.id = "shop",
                 .name = "shop",
                 .vni = 4096,
                 .pools = {{.subnet = *ipam::Prefix::parse("10.0.0.0/16")}}};
    watcher_->txn({}, {{keys_.network("shop"), to_text(shop)}}, Durability::power);
  }

  void be_host(const std::string& name, std::atomic<int>& ready, const std::atomic<bool>& go) {
    const auto store = open();
    CountingStore counted(*store, transactions_);
    const Revision live =
        store->txn({}, {{keys_.host_live(name), "live"}}, Durability::power).revision;
    Ledger ledger(counted, keys_, name, [&] { return Compare{keys_.host_live(name), live}; });
    ++ready;
    while (!go)
      std::this_thread::yield();
    std::vector<double> times;
    std::vector<ipam::Address> given;
    for (int i = 0; i < options_.addresses; ++i) {
      const auto begin = Clock::now();
      TakenAddresses taken;
      {
        const std::lock_guard lock(mutex_);
        taken = taken_;
      }
      try {
        const Endpoint made = ledger.add_endpoint({.id = fmt::format("{}-{}", name, i),
                                                   .network = "shop",
                                                   .names = {"x"},
                                                   .token = make_token()},
                                                  {}, std::move(taken));
        given.push_back(made.ipv4->address);
      } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", name, error.what());
        ++failures_;
      }
      times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
    }
    const std::lock_guard lock(mutex_);
    times_.insert(times_.end(), times.begin(), times.end());
    given_.insert(given_.end(), given.begin(), given.end());
  }

  void report(double seconds) {
    std::ranges::sort(times_);
    const auto at = [&](double share) {
      return times_[static_cast<std::size_t>(share * static_cast<double>(times_.size() - 1))];
    };
    const std::set<ipam::Address> different(given_.begin(), given_.end());
    const auto in_store = watcher_->list(keys_.addresses("shop")).size();
    fmt::print(
        "{} addresses by {} hosts in {:.2f} s: {:.0f} a second, p50 {:.1f} ms, p99 {:.1f} ms, "
        "{:.3f} tries each\n",
        given_.size(), options_.hosts, seconds, static_cast<double>(given_.size()) / seconds,
        at(0.5), at(0.99), static_cast<double>(transactions_) / static_cast<double>(given_.size()));
    fmt::print("given twice: {}, failed: {}, in the books: {}\n", given_.size() - different.size(),
               failures_.load(), in_store);
  }

  Options options_;
  Keys keys_{"/bench"};
  std::unique_ptr<SharedStore> watcher_;
  std::atomic<int> transactions_ = 0;
  std::atomic<int> failures_ = 0;
  std::mutex mutex_;
  TakenAddresses taken_;              // guarded by mutex_
  std::vector<double> times_;         // guarded by mutex_
  std::vector<ipam::Address> given_;  // guarded by mutex_
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Times how hosts get addresses from the cluster's books");
  app.add_option("--store", options.endpoints, "http://HOST:PORT of each member")->required();
  app.add_option("--hosts", options.hosts)->capture_default_str()->check(CLI::Range(1, 256));
  app.add_option("--addresses", options.addresses, "that each host asks for")
      ->capture_default_str()
      ->check(CLI::Range(1, 10000));
  CLI11_PARSE(app, argc, argv);
  try {
    Bench(options).run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "ledger_bench: {}\n", error.what());
    return 1;
  }
}
