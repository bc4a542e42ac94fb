#include "tests/overlay/cluster.h"

#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

namespace overlay {
namespace {

using namespace std::chrono_literals;

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text)
    result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

std::string member_address(int member) {
  return "192.0.2." + std::to_string(100 + member);
}

/// EndToEnd's helpers, which are for its heirs.
struct Helpers : e2e::EndToEnd {
  using EndToEnd::attempt;
  using EndToEnd::start_program;
  using EndToEnd::stop_program;
  void TestBody() override {}
};

}  // namespace

void Cluster::SetUp() {
  NamespaceTest::SetUp();
  const std::string path = std::string(NETD_PROGRAMS) + ":" + getenv("PATH");
  setenv("PATH", path.c_str(), 1);
  // Else its address is that of a port, and changes with them: hosts remember the old one.
  shell("ip link add underlay address 02:00:00:00:00:fe type bridge; ip link set underlay up");
  for (int i = 1; i <= members(); ++i)
    shell("ip address add " + member_address(i) + "/24 dev underlay");
  for (int i = 1; i <= hosts(); ++i) {
    const std::string n = std::to_string(i);
    shell("ip netns add h" + n + "; ip -n h" + n + " link set lo up;" + "ip link add to" + n +
          " type veth peer name eth0 netns h" + n + ";" + "ip link set to" + n +
          " master underlay up;" + "ip -n h" + n + " address add 192.0.2." + n + "/24 dev eth0;" +
          "ip -n h" + n + " address add 2001:db8::" + n + "/64 dev eth0 nodad;" + "ip -n h" + n +
          " link set eth0 up; ip -n h" + n + " route add default via 192.0.2.101");
    std::filesystem::create_directories(directory(i));
  }
  prepare_store();
  for (int i = 2; i <= members(); ++i)
    launch_member(i);
  start_member(1);
  for (int i = 1; i <= hosts(); ++i)
    start_netd(i);
  for (int i = 1; i <= hosts(); ++i)
    for (int j = 1; j <= hosts(); ++j)
      EXPECT_TRUE(within(20, [&] { return sees(i, j, "live"); })) << i << " does not see " << j;
}

void Cluster::TearDown() {
  for (auto& [host, netd] : netds_)
    if (netd) Helpers::stop_program(std::move(netd));
  members_.clear();
  if (!HasFailure()) return;
  for (int i = 1; i <= hosts(); ++i)
    std::cerr << "--- log of host " << i << '\n' << log_of(i) << "---\n";
}

std::string Cluster::store_address() const {
  std::string all = "etcd://";
  for (int i = 1; i <= members(); ++i)
    all += (i > 1 ? "," : "") + member_address(i) + ":2379";
  return all;
}

void Cluster::start_netd(int host, const std::vector<std::string>& more) {
  const std::string n = std::to_string(host);
  std::ofstream(directory(host) + "/netd.json") << R"({"bridge": "none"})";
  std::vector<std::string> arguments{"nsenter",
                                     "--net=" + netns(host),
                                     "netd",
                                     "--config",
                                     directory(host) + "/netd.json",
                                     "--state-dir",
                                     directory(host) + "/state",
                                     "--run-dir",
                                     directory(host) + "/run",
                                     "--log-level",
                                     "debug",
                                     "--cluster",
                                     store_address()};
  for (const auto& extra : {store_flags(), flags(host), more})
    arguments.insert(arguments.end(), extra.begin(), extra.end());
  netds_[host] = Helpers::start_program(arguments);
}

void Cluster::stop_netd(int host) {
  Helpers::stop_program(std::move(netds_.at(host)));
}

void Cluster::crash_netd(int host) {
  netd(host).signal(SIGKILL);
  ASSERT_TRUE(netd(host).wait(10s).has_value());
  netds_.at(host).reset();
}

std::string on_host(int host, const std::string& command) {
  const std::string n = std::to_string(host);
  return "NETD_HOST=unix:///run/host" + n + "/run/netd.sock nsenter --net=/run/netns/h" + n +
         " sh -c " + quoted(command);
}

std::string Cluster::on(int host, const std::string& command) {
  return shell(on_host(host, command));
}

e2e::Result Cluster::attempt_on(int host, const std::string& command) {
  return Helpers::attempt(on_host(host, command));
}

std::string Cluster::in(int host, const std::string& sandbox, const std::string& command) {
  return on(host, "netctl sandbox exec " + sandbox + " -- sh -c " + quoted(command));
}

e2e::Result Cluster::attempt_in(int host, const std::string& sandbox, const std::string& command) {
  return attempt_on(host, "netctl sandbox exec " + sandbox + " -- sh -c " + quoted(command));
}

nlohmann::json Cluster::api(int host, const std::string& path) {
  const std::string text = shell("curl -sS --max-time 20 --unix-socket /run/host" +
                                 std::to_string(host) + "/run/netd.sock http://netd" + path);
  auto json = nlohmann::json::parse(text, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << path << " says: " << text;
  return json;
}

std::string Cluster::netns_of(int host, const std::string& sandbox) {
  return api(host, "/sandboxes/" + sandbox).at("NetnsPath");
}

std::string Cluster::address_of(int host, const std::string& sandbox, const std::string& network) {
  return api(host, "/sandboxes/" + sandbox).at("Networks").at(network).at("IPAddress");
}

std::string Cluster::log_of(int) {
  std::ifstream log("/run/netd.log");  // of all of them
  return {std::istreambuf_iterator<char>(log), {}};
}

bool Cluster::within(int seconds, const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(20ms);
  }
  return true;
}

bool Cluster::sees(int host, int other, const std::string& state) {
  const auto status = api(host, "/cluster");
  if (!status.contains("Hosts")) return false;
  for (const auto& one : status.at("Hosts"))
    if (one.at("Vtep") == "192.0.2." + std::to_string(other) ||
        one.at("Vtep") == "2001:db8::" + std::to_string(other))
      return one.at("State") == state;
  return state == "gone";
}

bool Cluster::knows(int host, const std::string& network) {
  for (const auto& one : api(host, "/networks"))
    if (one.at("Name") == network) return true;
  return false;
}

void Cluster::launch_member(int member) {
  const std::string n = std::to_string(member);
  const std::string address = member_address(member);
  std::string all;
  for (int i = 1; i <= members(); ++i)
    all += (i > 1 ? ",m" : "m") + std::to_string(i) + "=http://" + member_address(i) + ":2380";
  std::vector<std::string> arguments{
      "etcd",
      "--name=m" + n,
      "--data-dir=/run/etcd" + n,
      "--listen-client-urls=" + client_scheme() + "://" + address + ":2379",
      "--advertise-client-urls=" + client_scheme() + "://" + address + ":2379",
      "--listen-peer-urls=http://" + address + ":2380",
      "--initial-advertise-peer-urls=http://" + address + ":2380",
      "--initial-cluster=" + all,
      "--pre-vote",
      "--logger=zap",
      "--log-level=error"};
  const auto more = member_flags();
  arguments.insert(arguments.end(), more.begin(), more.end());
  members_[member] = std::make_unique<e2e::Process>(arguments, std::vector<std::string>{},
                                                    "/run/etcd" + n + ".log");
}

void Cluster::start_member(int member) {
  launch_member(member);
  EXPECT_TRUE(within(30,
                     [&] {
                       return Helpers::attempt("ETCDCTL_API=3 etcdctl --command-timeout=1s " +
                                               etcdctl_flags() + " --endpoints=" + client_scheme() +
                                               "://" + member_address(member) + ":2379 get x")
                                  .status == 0;
                     }))
      << "etcd is not up: "
      << Helpers::attempt("cat /run/etcd" + std::to_string(member) + ".log").output;
}

void Cluster::kill_member(int member) {
  members_.at(member)->signal(SIGKILL);
  ASSERT_TRUE(members_.at(member)->wait(10s).has_value());
  members_.erase(member);
}

void Cluster::make_pair() {
  on(1, "netctl network create -d overlay shop");
  EXPECT_TRUE(within(5, [] { return knows(2, "shop"); }));
  on(1, "netctl sandbox create --network shop web");
  on(2, "netctl sandbox create --network shop db");
  EXPECT_TRUE(
      within(5, [] { return attempt_in(1, "web", ping(address_of(2, "db"))).status == 0; }));
}

void Cluster::cut_store(int host) {
  shell("nsenter --net=" + netns(host) +
        " nft 'add table ip cut; add chain ip cut out { type filter hook output priority -300; }; "
        "add rule ip cut out tcp dport 2379 drop; "
        "add chain ip cut in { type filter hook input priority -300; }; "
        "add rule ip cut in tcp sport 2379 drop'");
}

void Cluster::mend_store(int host) {
  shell("nsenter --net=" + netns(host) + " nft delete table ip cut");
}

std::string Cluster::etcdctl(const std::string& arguments, int member) {
  return shell("ETCDCTL_API=3 etcdctl --endpoints=" + member_address(member) + ":2379 " +
               arguments);
}

void Cluster::compact_store() {
  const auto status = nlohmann::json::parse(etcdctl("endpoint status -w json"));
  etcdctl("compact " +
          std::to_string(status.at(0).at("Status").at("header").at("revision").get<long>()) +
          " || true");  // nothing was written since the last time
}

std::vector<std::string> Cluster::keys(const std::string& prefix) {
  std::vector<std::string> found;
  std::istringstream lines(etcdctl("get --prefix --keys-only " + prefix));
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) found.push_back(line);
  return found;
}

std::string ping(const std::string& address) {
  return "busybox ping -q -c 1 -W 1 " + address;
}

Pings::Pings(const std::string& netns, const std::string& address, const std::string& log)
    : process_({"nsenter", "--net=" + netns, "busybox", "ping", "-i", "0.05", address}, {}, log),
      log_(log) {}

std::set<int> Pings::answered() const {
  std::ifstream file(log_);
  std::set<int> numbers;
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (std::regex_search(line, match, std::regex(" seq=(\\d+) ")))
      numbers.insert(std::stoi(match[1]));
  }
  return numbers;
}

/// The ping that is under way when it ends says nothing: what counts is before the last answer.
int Pings::lost() {
  const std::size_t before = answered().size();
  EXPECT_TRUE(Cluster::within(2, [&] { return answered().size() > before; })) << "no more answers";
  process_.signal(SIGINT);
  process_.wait(5s);
  const std::set<int> numbers = answered();
  EXPECT_GT(numbers.size(), 4u) << "hardly a ping was answered";
  return numbers.empty() ? -1 : *numbers.rbegin() + 1 - static_cast<int>(numbers.size());
}

}  // namespace overlay
