#include "tests/dhcp/lan.h"

#include "tests/dhcp/values.h"

namespace tests {

using namespace netd::dhcp;
using namespace std::chrono_literals;

void LanTest::SetUp() {
  NamespaceTest::SetUp();
  shell(R"(ip netns add lan
    ip -n lan link add lan0 type bridge
    ip -n lan link set lan0 up
    ip link add eth0 type veth peer name p-host netns lan
    ip -n lan link set p-host master lan0 up
    ip link set eth0 up
    for name in server other; do
      ip netns add $name
      ip -n $name link set lo up
      ip link add eth0 netns $name type veth peer name p-$name netns lan
      ip -n lan link set p-$name master lan0 up
      ip -n $name link set eth0 up
    done
    ip -n server address add 192.0.2.1/24 dev eth0
    ip -n other address add 192.0.2.99/24 dev eth0)");
  restart_client();
}

void LanTest::make_bridge() {
  shell("ip link add br0 type bridge; ip link set eth0 master br0; ip link set br0 up");
}

void LanTest::make_macvlan_endpoint(const std::string& address) {
  shell("ip netns add web; ip link add link eth0 name mv0 address " + std::string(endpoint_mac) +
        " type macvlan mode bridge; ip link set mv0 netns web name eth0; ip -n web address add " +
        address + " dev eth0; ip -n web link set eth0 up");
}

/// The bridge takes the MAC of its new port, the lowest.
void LanTest::make_bridge_endpoint(const std::string& address) {
  shell(
      "ip netns add web; ip link add v-web address 02:00:00:00:00:01 type veth peer name eth0 "
      "address " +
      std::string(endpoint_mac) +
      " netns web; ip link set v-web master br0 up; ip -n web address add " + address +
      " dev eth0; ip -n web link set eth0 up");
}

std::string LanTest::mac_of(const std::string& netns, const std::string& link) {
  std::string text = shell("ip netns exec " + netns + " cat /sys/class/net/" + link + "/address");
  text.pop_back();
  return text;
}

void LanTest::restart_client(const Timing& timing) {
  client_.reset();
  client_ = std::make_unique<Client>(
      control_.get_executor(),
      [this](const std::string&, const Change& change) { changes_.push_back(change); }, timing);
}

Timing LanTest::quick() {
  return {.first_retry = 200ms,
          .longest_retry = 400ms,
          .jitter = 20ms,
          .reboot_wait = 200ms,
          .request_tries = 3,
          .renewal_retry = 200ms,
          .decline_wait = 100ms};
}

Client::Request LanTest::request(const std::string& interface) {
  return {.interface = interface,
          .identity = {.mac = mac(endpoint_mac),
                       .client_id = client_id_of("lan/web"),
                       .hostname = "web"},
          .timeout = 8s};
}

Client::Outcome LanTest::acquire(const Client::Request& request, const std::string& key) {
  std::optional<Client::Outcome> outcome;
  client().acquire(key, request, [&](const Client::Outcome& told) { outcome = told; });
  EXPECT_TRUE(eventually([&] { return outcome.has_value(); })) << "no outcome";
  return outcome.value_or(Client::Outcome{});
}

Lease LanTest::lease(const Client::Request& request) {
  const auto outcome = acquire(request);
  EXPECT_TRUE(outcome.lease) << outcome.error;
  return outcome.lease.value_or(Lease{});
}

Change LanTest::next_change() {
  return next(false);
}

Change LanTest::next_renewal() {
  return next(true);
}

Change LanTest::next(bool renewal) {
  std::optional<Change> found;
  const auto take = [&] {
    while (!changes_.empty() && !found) {
      if ((changes_.front().kind == Change::Kind::renewed) == renewal) found = changes_.front();
      changes_.pop_front();
    }
    return found.has_value();
  };
  EXPECT_TRUE(eventually(take)) << "nothing changed";
  return found.value_or(Change{});
}

bool LanTest::eventually(const std::function<bool()>& is_so) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    control_.restart();
    control_.run_one_for(20ms);
  }
  return true;
}

}  // namespace tests
