// Random faults, one after the other, and what has to hold after each (overlay.md 5.3).
// tests/overlay/schedule runs it for longer.
#include <gmock/gmock.h>

#include <cstdlib>
#include <random>
#include <ranges>
#include <set>
#include <sstream>

#include "tests/overlay/cluster.h"

namespace overlay {
namespace {

using ::testing::IsEmpty;

int number_of(const char* variable, int fallback) {
  const char* text = getenv(variable);
  return text ? std::atoi(text) : fallback;
}

class Schedule : public Cluster {
 protected:
  static constexpr int hosts_ = 3;
  void run(int seed);
  int hosts() const override { return hosts_; }
  int members() const override { return 3; }

  struct Container {
    int host;
    std::string name;
  };

  int choose(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  int any_host() { return 1 + choose(hosts_); }

  void say(const std::string& what) { std::cout << "  " << ++steps_ << ". " << what << std::endl; }

  void create(int host) {
    const std::string name = "c" + std::to_string(++made_);
    say("create " + name + " on host " + std::to_string(host));
    const auto result = attempt_on(host, "netctl sandbox create --network shop " + name);
    EXPECT_EQ(result.status, 0) << result.output;
    if (result.status == 0) containers_.push_back({host, name});
  }
  void remove() {
    if (containers_.size() < 3) return;
    const auto place = containers_.begin() + choose(static_cast<int>(containers_.size()));
    say("remove " + place->name);
    on(place->host, "netctl sandbox rm " + place->name);
    containers_.erase(place);
  }
  void crash_host(int host) {
    say("kill netd of host " + std::to_string(host));
    crash_netd(host);
    start_netd(host);
  }
  void pause_host(int host) {
    say("stop netd of host " + std::to_string(host) + ", create elsewhere, go on");
    netd(host).pause();
    create(1 + host % hosts_);
    netd(host).go_on();
  }
  void cut_off(int host) {
    say("cut host " + std::to_string(host) + " off the store");
    cut_store(host);
    // Neither made nor half-made.
    EXPECT_NE(attempt_on(host, "netctl sandbox create --network shop none").status, 0);
    create(1 + host % hosts_);
    mend_store(host);
  }
  void leave_while_cut_off(int host) {
    const auto own = std::ranges::find(containers_, host, &Container::host);
    if (own == containers_.end() || containers_.size() < 3) return;
    say("remove " + own->name + " while its host is cut off the store");
    cut_store(host);
    on(host, "netctl sandbox rm " + own->name);
    containers_.erase(own);
    mend_store(host);
  }
  void crash_member(int member) {
    say("kill etcd " + std::to_string(member) + " and start it again");
    kill_member(member);
    create(any_host());
    start_member(member);
  }
  /// But those of the two that ping each other.
  void spoil_entries(int host) {
    say("delete and invent entries of the tunnel on host " + std::to_string(host) +
        " while its netd is away");
    stop_netd(host);
    on(host,
       "for link in $(ip -o link show type vxlan | grep -o 'nx[0-9a-f]*' | sort -u); do "
       "bridge fdb show dev $link | grep ' dst ' | grep -v '" +
           kept_macs_ +
           "' | while read -r mac rest; do bridge fdb del $mac dev $link self; done;"
           "bridge fdb add 02:42:de:ad:00:01 dev $link dst 192.0.2.99 self permanent; done");
    start_netd(host);
  }
  void compact() {
    say("compact the store");
    compact_store();
  }

  void step() {
    switch (choose(10)) {
      case 0:
      case 1:
        return create(any_host());
      case 2:
        return remove();
      case 3:
        return crash_host(any_host());
      case 4:
        return pause_host(any_host());
      case 5:
        return cut_off(any_host());
      case 6:
        return leave_while_cut_off(any_host());
      case 7:
        return crash_member(1 + choose(3));
      case 8:
        return spoil_entries(any_host());
      default:
        return compact();
    }
  }

  /// The address of each container in the books, by name of its host and itself.
  static std::set<std::string> keys_of(const std::string& what) {
    std::set<std::string> all;
    for (const std::string& key : keys("/netd/v1/" + what + "/"))
      all.insert(key.substr(key.rfind('/') + 1));
    return all;
  }

  /// MACs and hosts in a host's tunnel table.
  static std::set<std::string> tunnels_on(int host) {
    std::set<std::string> all;
    std::istringstream lines(on(host, "bridge fdb show | grep ' dst ' | grep -v '^00:00' || true"));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string mac, word, address;
      words >> mac;
      while (words >> word)
        if (word == "dst") words >> address;
      all.insert(mac + " " + address);
    }
    return all;
  }

  std::set<std::string> wanted_tunnels_on(int host) {
    std::set<std::string> all;
    bool has_own = false;
    for (const Container& one : containers_)
      has_own |= one.host == host;
    if (!has_own) return all;
    for (const Container& one : containers_)
      if (one.host != host) all.insert(macs_.at(one.name) + " 192.0.2." + std::to_string(one.host));
    return all;
  }

  void learn_addresses() {
    addresses_.clear();
    macs_.clear();
    for (const Container& one : containers_) {
      const auto attachment = api(one.host, "/sandboxes/" + one.name).at("Networks").at("shop");
      addresses_[one.name] = attachment.at("IPAddress");
      macs_[one.name] = attachment.at("MacAddress");
    }
  }

  void check() {
    for (int i = 1; i <= hosts_; ++i)
      EXPECT_TRUE(within(40, [&] { return attempt_on(i, "netctl cluster status").status == 0; }))
          << "host " << i << " is not live: " << api(i, "/cluster");
    learn_addresses();
    std::set<std::string> unique;
    for (const auto& [name, address] : addresses_)
      unique.insert(address);
    EXPECT_EQ(unique.size(), containers_.size()) << "an address is given twice";
    EXPECT_TRUE(within(20, [&] { return keys_of("ep").size() == containers_.size(); }))
        << "endpoints in the books: " << keys("/netd/v1/ep/").size()
        << ", containers: " << containers_.size();
    EXPECT_EQ(keys_of("ip").size(), containers_.size());
    EXPECT_EQ(keys_of("mac").size(), containers_.size());
    for (int i = 1; i <= hosts_; ++i)
      EXPECT_TRUE(within(10, [&] { return tunnels_on(i) == wanted_tunnels_on(i); }))
          << "host " << i << " has " << ::testing::PrintToString(tunnels_on(i)) << ", wanted "
          << ::testing::PrintToString(wanted_tunnels_on(i));
    // A ring: each reaches the next one, by address and by name.
    for (std::size_t i = 0; i < containers_.size(); ++i) {
      const Container& from = containers_[i];
      const Container& to = containers_[(i + 1) % containers_.size()];
      EXPECT_TRUE(within(10,
                         [&] {
                           return attempt_in(
                                      from.host, from.name,
                                      ping(addresses_.at(to.name)) + " && getent hosts " + to.name)
                                      .status == 0;
                         }))
          << from.name << " does not reach " << to.name;
    }
  }

  std::mt19937 random_;
  std::vector<Container> containers_;
  std::map<std::string, std::string> addresses_;
  std::map<std::string, std::string> macs_;
  std::string kept_macs_;
  int made_ = 0;
  int steps_ = 0;
};

void Schedule::run(int seed) {
  const auto end = std::chrono::steady_clock::now() +
                   std::chrono::seconds(number_of("NETD_SCHEDULE_SECONDS", 60));
  std::cout << "seed " << seed << std::endl;
  random_.seed(static_cast<unsigned>(seed));
  on(1, "netctl network create -d overlay shop");
  for (int i = 1; i <= hosts_; ++i) {
    EXPECT_TRUE(within(10, [&] { return knows(i, "shop"); }));
    create(i);
  }
  check();
  // Between the two oldest, which no step touches: nothing is ever lost.
  const Container first = containers_[0], second = containers_[1];
  containers_.erase(containers_.begin(), containers_.begin() + 2);
  kept_macs_ = macs_.at(first.name) + "\\|" + macs_.at(second.name);
  Pings pings(netns_of(first.host, first.name), addresses_.at(second.name), "/run/pings.log");
  while (std::chrono::steady_clock::now() < end && !HasFailure()) {
    step();
    containers_.insert(containers_.begin(), {first, second});
    check();
    containers_.erase(containers_.begin(), containers_.begin() + 2);
  }
  EXPECT_EQ(pings.lost(), 0);
  containers_.insert(containers_.begin(), {first, second});
  for (const Container& one : containers_)
    on(one.host, "netctl sandbox rm " + one.name);
  on(2, "netctl network rm shop");
  for (const char* what : {"net", "netname", "vni", "pool", "ep", "ip", "mac"})
    EXPECT_THAT(keys(std::string("/netd/v1/") + what + "/"), IsEmpty());
}

TEST_F(Schedule, OfRandomFaultsLosesAndLeaksNothing) {
  run(number_of("NETD_SCHEDULE_SEED", 1));
}

// A minute of each, side by side where ctest runs several tests at once.
TEST_F(Schedule, OfOtherRandomFaultsLosesAndLeaksNothing) {
  run(2);
}

}  // namespace
}  // namespace overlay
