#include "tests/e2e/end_to_end.h"

#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace e2e {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr const char* log_path = "/run/netd.log";
constexpr const char* notify_path = "/run/notify.sock";

int milliseconds_until(steady_clock::time_point end) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(end - steady_clock::now());
  return left.count() > 0 ? static_cast<int>(left.count()) : 0;
}

/// The socket that netd reports READY=1 to.
class Notifications {
 public:
  Notifications() {
    unlink(notify_path);
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s", notify_path);
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::system_error(errno, std::system_category(), "bind the notification socket");
  }
  ~Notifications() { close(fd_); }

  bool wait_for(std::string_view text, seconds limit) const {
    const auto end = steady_clock::now() + limit;
    std::array<char, 1024> buffer{};
    for (;;) {
      pollfd ready{fd_, POLLIN, 0};
      if (poll(&ready, 1, milliseconds_until(end)) <= 0) return false;
      const ssize_t count = recv(fd_, buffer.data(), buffer.size(), 0);
      if (count <= 0) return false;
      const std::string_view message(buffer.data(), static_cast<std::size_t>(count));
      if (message.find(text) != std::string_view::npos) return true;
    }
  }

 private:
  int fd_ = -1;
};

void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

void bind_mount(const std::string& from, const std::string& to) {
  if (mount(from.c_str(), to.c_str(), nullptr, MS_BIND, nullptr) != 0)
    throw std::system_error(errno, std::system_category(), "mount " + from + " on " + to);
}

/// The host's resolv.conf names the outside server, in this mount namespace.
void point_resolver_outside() {
  write_file("/run/resolv.conf", std::string("nameserver ") + outside_address + "\n");
  const auto target = std::filesystem::weakly_canonical("/etc/resolv.conf");
  if (target.string().starts_with("/run/")) {  // systemd-resolved's, hidden by our tmpfs
    std::filesystem::create_directories(target.parent_path());
    std::filesystem::copy_file("/run/resolv.conf", target);
  } else {
    bind_mount("/run/resolv.conf", target);
  }
}

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text)
    result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

std::string in_sandbox(const std::string& sandbox, const std::string& command) {
  return "netctl sandbox exec " + sandbox + " -- sh -c " + quoted(command);
}

std::string from_outside(const std::string& command) {
  return "ip netns exec outside sh -c " + quoted(command);
}

}  // namespace

void EndToEnd::SetUp() {
  NamespaceTest::SetUp();
  const std::string path = std::string(NETD_PROGRAMS) + ":" + getenv("PATH");
  setenv("PATH", path.c_str(), 1);
  std::string state_dir = "/tmp/netd-e2e-XXXXXX";
  ASSERT_NE(mkdtemp(state_dir.data()), nullptr);
  state_dir_ = state_dir;
  make_machine();
  traces_before_ = traces();
  start_netd();
}

void EndToEnd::TearDown() {
  if (netd_) stop_netd();
  name_server_.reset();
  if (HasFailure()) {
    std::ifstream log(log_path);
    std::cerr << "--- netd's log\n" << log.rdbuf() << "---\n";
  }
  if (!state_dir_.empty()) std::filesystem::remove_all(state_dir_);
}

void EndToEnd::make_machine() {
  const std::string host = host_address, host_v6 = host_address_v6, neighbour = outside_address;
  shell(
      "ip netns add outside; ip -n outside link set lo up;"
      "ip link add uplink type veth peer name uplink netns outside;"
      "ip address add " +
      host + "/24 dev uplink; ip address add " + host_v6 +
      "/64 dev uplink nodad;"
      "ip link set uplink up; ip -n outside address add " +
      neighbour +
      "/24 dev uplink;"
      "ip -n outside address add 2001:db8::2/64 dev uplink nodad; ip -n outside link set uplink "
      "up");
  point_resolver_outside();
  name_server_ =
      std::make_unique<NameServer>("/run/netns/outside", outside_name, outside_name_address);
  prepare_machine();
}

void EndToEnd::start_netd(const std::vector<std::string>& more) {
  write_file("/run/netd.json", config_);  // not this machine's
  std::vector<std::string> arguments{"netd",     "--config",    "/run/netd.json", "--state-dir",
                                     state_dir_, "--log-level", "debug"};
  for (const auto& flags : {netd_flags(), more})
    arguments.insert(arguments.end(), flags.begin(), flags.end());
  netd_ = start_program(arguments);
}

std::unique_ptr<Process> EndToEnd::start_program(const std::vector<std::string>& arguments) {
  const Notifications notifications;
  auto program = std::make_unique<Process>(
      arguments, std::vector<std::string>{std::string("NOTIFY_SOCKET=") + notify_path}, log_path);
  EXPECT_TRUE(notifications.wait_for("READY=1", seconds(60))) << arguments[0] << " is not ready";
  return program;
}

std::string EndToEnd::netd_log() {
  std::ifstream log(log_path);
  return {std::istreambuf_iterator<char>(log), {}};
}

void EndToEnd::stop_netd() {
  stop_program(std::move(netd_));
}

void EndToEnd::stop_program(std::unique_ptr<Process> program) {
  program->signal(SIGTERM);
  const auto status = program->wait(seconds(10));
  EXPECT_TRUE(status.has_value()) << "netd does not end on SIGTERM";
  if (status) {
    EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 0) << "status " << *status;
  }
}

void EndToEnd::crash_netd() {
  netd_->signal(SIGKILL);
  ASSERT_TRUE(netd_->wait(seconds(10)).has_value());
  netd_.reset();
}

void EndToEnd::restart_netd() {
  stop_netd();
  start_netd();
}

void EndToEnd::reboot() {
  crash_netd();
  name_server_.reset();
  umount2("/run", MNT_DETACH);  // and with it all pinned namespaces
  enter_fresh_namespaces();
  write_file("/run/boot_id", "5f1d6a0e-0000-4000-8000-0123456789ab\n");
  bind_mount("/run/boot_id", "/proc/sys/kernel/random/boot_id");
  make_machine();
  start_netd();
}

Result EndToEnd::attempt(const std::string& command) {
  FILE* pipe = popen(("{ " + command + "\n} 2>&1").c_str(), "r");
  if (!pipe) throw std::system_error(errno, std::system_category(), "popen");
  Result result;
  std::array<char, 4096> buffer{};
  while (const std::size_t count = fread(buffer.data(), 1, buffer.size(), pipe))
    result.output.append(buffer.data(), count);
  const int status = pclose(pipe);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::string EndToEnd::in(const std::string& sandbox, const std::string& command) {
  return shell(in_sandbox(sandbox, command));
}

Result EndToEnd::attempt_in(const std::string& sandbox, const std::string& command) {
  return attempt(in_sandbox(sandbox, command));
}

std::string EndToEnd::outside(const std::string& command) {
  return shell(from_outside(command));
}

Result EndToEnd::attempt_outside(const std::string& command) {
  return attempt(from_outside(command));
}

nlohmann::json EndToEnd::api(const std::string& path) {
  const std::string text =
      shell("curl -sS --max-time 20 --unix-socket /run/netd/netd.sock http://netd" + path);
  auto json = nlohmann::json::parse(text, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << path << " says: " << text;
  return json;
}

std::string EndToEnd::netns_of(const std::string& sandbox) {
  return api("/sandboxes/" + sandbox).at("NetnsPath");
}

nlohmann::json EndToEnd::attachment(const std::string& sandbox, const std::string& network) {
  return api("/sandboxes/" + sandbox).at("Networks").at(network);
}

std::string EndToEnd::address_of(const std::string& sandbox, const std::string& network) {
  return attachment(sandbox, network).at("IPAddress");
}

std::string EndToEnd::address_v6_of(const std::string& sandbox, const std::string& network) {
  return attachment(sandbox, network).at("GlobalIPv6Address");
}

std::string EndToEnd::traces() {
  return shell(
      "echo links:; ip -o link show | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/' | sort;"
      "echo tables:; nft list tables | sort;"
      "echo pins:; grep ' /run/netd/' /proc/self/mountinfo | grep nsfs | cut -d' ' -f5 || true;"
      "echo files:; find /run/netd -mindepth 1 ! -type d 2>/dev/null || true;"
      "find /run/netd/netns /run/netd/sandboxes -mindepth 1 2>/dev/null || true");
}

void EndToEnd::expect_nothing_left() {
  shell("netctl system purge --force");
  stop_netd();
  EXPECT_TRUE(eventually([&] { return traces() == traces_before_; }))
      << "before netd's first start:\n"
      << traces_before_ << "now:\n"
      << traces();
}

bool EndToEnd::eventually(const std::function<bool()>& holds) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw std::system_error(errno, std::system_category(), "bind an rtnetlink socket");
  const auto end = steady_clock::now() + seconds(10);
  bool result = holds();
  while (!result) {
    pollfd ready{fd, POLLIN, 0};
    if (poll(&ready, 1, milliseconds_until(end)) <= 0) break;
    std::array<char, 65536> buffer{};
    while (recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {
    }
    result = holds();
  }
  close(fd);
  return result || holds();
}

std::string fetch(const std::string& url) {
  return "curl -sS --connect-timeout 2 --max-time 4 -g '" + url + "'";
}

}  // namespace e2e
