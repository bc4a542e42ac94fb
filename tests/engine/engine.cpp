#include "tests/engine/engine.h"

#include <poll.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace engine {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr const char* log_path = "/run/dockerd.log";
constexpr const char* pid_path = "/run/docker.pid";
constexpr const char* init_path = "/run/engine-init.pid";
constexpr const char* clients_path = "/run/engine-clients";

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// The process id, as the test sees it, of the engine's init.
std::string init_pid() {
  return first_line(init_path);
}

std::string without_newline(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

std::vector<std::string> in_namespace_of_init(std::vector<std::string> command) {
  command.insert(command.begin(), {"nsenter", "--target", init_pid(), "--pid", "--mount", "--"});
  return command;
}

/// Another engine than the machine's: the root directory of a system that has one, or "".
std::string engine_root() {
  const char* root = getenv("NETD_TEST_ENGINE_ROOT");
  return root ? root : "";
}

/// Shell commands that make that directory the root of the engine's mount namespace. Of the
/// machine's files the engine sees /run, the image data, devices and control groups.
std::string enter_root(const std::string& root, const std::string& data_root) {
  return "set -e; mount --bind " + root + " " + root + "; cd " + root +
         "; mount --rbind /run run; mount -t sysfs sysfs sys;"
         "mount --rbind /sys/fs/cgroup sys/fs/cgroup; mount --rbind /dev dev;"
         "mount -t proc proc proc; mount -t tmpfs tmpfs tmp; mkdir ." +
         data_root + "; mount --bind " + data_root + " ." + data_root +
         "; touch etc/resolv.conf; mount --bind /run/resolv.conf etc/resolv.conf;"
         "pivot_root . .; umount -l .; cd /; set +e;";
}

/// Programs of the same names for the test, which run the ones in there.
void write_clients() {
  const std::string enter =
      std::string("exec nsenter --target \"$(cat ") + init_path + ")\" --mount -- /usr/bin/";
  std::filesystem::create_directories(clients_path);
  for (const std::string name : {"docker", "docker-compose"}) {
    const std::string path = std::string(clients_path) + "/" + name;
    std::ofstream(path) << "#!/bin/sh\n" << enter << name << " \"$@\"\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }
}

/// EndToEnd's helper, which is for its heirs.
struct BoxImporter : e2e::EndToEnd {
  using EndToEnd::attempt;
};

std::string cgroup_parent() {
  return "/netd-engine-test-" + std::to_string(getpid());
}

}  // namespace

void Engine::SetUp() {
  const std::string root = engine_root();
  const std::string in_root = root.empty() ? "" : "chroot " + root + " ";
  ASSERT_EQ(attempt(in_root + "dockerd --version").status, 0)
      << "no dockerd "
      << (root.empty() ? "(package docker.io)" : "in NETD_TEST_ENGINE_ROOT=" + root);
  EndToEnd::SetUp();
  // The engine's own client, or Debian's, before a newer one, which has other rules.
  const std::string clients = root.empty() ? "" : std::string(clients_path) + ":";
  setenv("PATH", (NETD_PROGRAMS ":" + clients + "/usr/bin:" + getenv("PATH")).c_str(), 1);
  std::string data_root = "/tmp/netd-engine-XXXXXX";
  ASSERT_NE(mkdtemp(data_root.data()), nullptr);
  data_root_ = data_root;
  ASSERT_EQ(mount("tmpfs", data_root_.c_str(), "tmpfs", 0, "size=512m"), 0);
  setenv("DOCKER_HOST", "unix:///run/docker.sock", 1);
  setenv("DOCKER_CONFIG", "/run/docker-config", 1);
  make_namespace();
  ASSERT_NO_FATAL_FAILURE(start_engine());
  import_box("docker");
  traces_before_ = all_traces();
}

void Engine::TearDown() {
  if (data_root_.empty()) return;
  end_namespace();
  remove_cgroups();
  if (HasFailure())
    std::cerr << "--- dockerd's log\n"
              << attempt(std::string("grep -v level=info ") + log_path + " | tail -n 25").output;
  EndToEnd::TearDown();
  umount2(data_root_.c_str(), MNT_DETACH);
  std::filesystem::remove(data_root_);
}

std::vector<std::string> Engine::netd_flags() const {
  return {"--plugin-dir", "/run/docker/plugins"};
}

/// Its init reaps what loses its parent. The engine writes into /etc/docker: not into the
/// machine's.
void Engine::make_namespace() {
  const std::string root = engine_root();
  if (!root.empty()) write_clients();
  shell(std::string("rm -f /run/engine-up; mkfifo /run/engine-up"));
  namespace_ = std::make_unique<e2e::Process>(
      std::vector<std::string>{
          "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
          (root.empty() ? "" : enter_root(root, data_root_)) +
              "mkdir -p /etc/docker; mount -t tmpfs tmpfs /etc/docker; echo up >/run/engine-up;"
              "sleep infinity & wait"},
      std::vector<std::string>{}, log_path);
  ASSERT_EQ(attempt("timeout 10 cat /run/engine-up").output, "up\n");
  const std::string unshare = std::to_string(namespace_->pid());
  shell("tr -d ' ' </proc/" + unshare + "/task/" + unshare + "/children >" + init_path);
}

/// All its processes are gone when its init is reaped, and unshare(1) waits for that.
void Engine::end_namespace() {
  if (!namespace_) return;
  kill(std::atoi(init_pid().c_str()), SIGKILL);
  EXPECT_TRUE(namespace_->wait(seconds(20)).has_value());
  namespace_.reset();
  dockerd_.reset();
}

void Engine::remove_cgroups() const {
  EXPECT_TRUE(soon([] {
    return attempt("find /sys/fs/cgroup -depth -type d -path '*" + cgroup_parent() +
                   "*' -exec rmdir {} +")
               .status == 0;
  }));
}

void Engine::start_engine(const std::vector<std::string>& more) {
  std::ofstream("/run/docker.json") << "{}";  // not this machine's
  std::vector<std::string> command{"dockerd",
                                   "--config-file",
                                   "/run/docker.json",
                                   "--data-root",
                                   data_root_,
                                   "--exec-root",
                                   "/run/docker",
                                   "--pidfile",
                                   pid_path,
                                   "--host",
                                   "unix:///run/docker.sock",
                                   "--cgroup-parent",
                                   cgroup_parent()};
  command.insert(command.end(), more.begin(), more.end());
  dockerd_ = std::make_unique<e2e::Process>(in_namespace_of_init(std::move(command)),
                                            std::vector<std::string>{}, log_path);
  ASSERT_TRUE(soon([] {
    return attempt("curl -sS --max-time 5 --unix-socket /run/docker.sock http://docker/_ping")
               .output == "OK";
  })) << "dockerd does not answer";
}

void Engine::stop_engine() {
  attempt_in_engine(std::string("kill $(cat ") + pid_path + ")");
  EXPECT_TRUE(dockerd_->wait(seconds(30)).has_value()) << "dockerd does not end on SIGTERM";
  dockerd_.reset();
}

void Engine::crash_engine() {
  attempt_in_engine(std::string("kill -9 $(cat ") + pid_path + "); rm -f " + pid_path);
  ASSERT_TRUE(dockerd_->wait(seconds(10)).has_value());
  dockerd_.reset();
}

void Engine::reboot_machine() {
  end_namespace();
  reboot();
  make_namespace();
  start_engine();
}

Result Engine::attempt_in_engine(const std::string& command) {
  return attempt("nsenter --target " + init_pid() + " --pid --mount -- sh -c '" + command + "'");
}

void Engine::kill_container(const std::string& name) {
  EXPECT_EQ(
      attempt_in_engine("kill -9 " + docker("inspect --format {{.State.Pid}} " + name)).status, 0);
}

std::string Engine::netns_of_container(const std::string& name) {
  return "/proc/" + init_pid() + "/root/proc/" + docker("inspect --format {{.State.Pid}} " + name) +
         "/ns/net";
}

std::string Engine::docker(const std::string& arguments) {
  return without_newline(shell("docker " + arguments));
}

std::string Engine::refused(const std::string& arguments) {
  const Result result = attempt("docker " + arguments);
  EXPECT_NE(result.status, 0) << arguments << "\n" << result.output;
  return result.output;
}

void Engine::create_network(const std::string& name, const std::string& options) {
  docker("network create -d netd --ipam-driver netd -o io.netd.engine=unix:///run/docker.sock " +
         options + " " + name);
}

void Engine::run(const std::string& name, const std::string& options) {
  const Result started =
      attempt("docker run -d --name " + name + " --env NAME=" + name + " " + options + " box");
  ASSERT_EQ(started.status, 0) << started.output;
  const std::string netns = netns_of_container(name);
  EXPECT_TRUE(soon([&] {
    return attempt("nsenter --net=" + netns + " " + e2e::fetch("http://127.0.0.1/")).output == name;
  })) << name;
}

Result Engine::run_once(const std::string& options, const std::string& command) {
  return attempt("docker run --rm " + options + " box sh -c '" + command + "'");
}

std::string Engine::in_container(const std::string& name, const std::string& command) {
  return docker("exec " + name + " sh -c '" + command + "'");
}

std::string Engine::container_address(const std::string& name, const std::string& network) {
  return docker("inspect --format '{{(index .NetworkSettings.Networks \"" + network +
                "\").IPAddress}}' " + name);
}

std::string Engine::all_traces() {
  std::string traces = EndToEnd::traces();
  // Docker's: some versions make it at their second start, and leave it.
  const std::string raw = "table ip raw\n";
  if (const auto at = traces.find(raw); at != std::string::npos) traces.erase(at, raw.size());
  return traces + shell(
                      "echo networks:; docker network ls --format '{{.Name}} {{.Driver}}' | sort;"
                      "netctl topology;"
                      "echo containers:; docker ps -a --format '{{.Names}}';"
                      "echo rules:; iptables -S FORWARD | grep netd || true");
}

void Engine::expect_no_trace() {
  shell(
      "containers=$(docker ps -aq); [ -z \"$containers\" ] || docker rm -f $containers >/dev/null;"
      "netctl sandbox ls -q | xargs -r -n1 netctl sandbox rm >/dev/null;"
      "networks=$(docker network ls -q --filter type=custom);"
      "[ -z \"$networks\" ] || docker network rm $networks >/dev/null");
  EXPECT_TRUE(soon([&] { return all_traces() == traces_before_; })) << "before the test:\n"
                                                                    << traces_before_ << "now:\n"
                                                                    << all_traces();
}

bool Engine::is_published(const std::string& page) {
  return soon([&] { return attempt_outside(e2e::fetch("http://192.0.2.1:8080/")).output == page; });
}

bool Engine::soon(const std::function<bool()>& holds) {
  const auto end = steady_clock::now() + seconds(60);
  while (!holds()) {
    if (steady_clock::now() > end) return false;
    poll(nullptr, 0, 30);
  }
  return true;
}

void import_box(const std::string& client) {
  const Result imported = BoxImporter::attempt(
      "mkdir -p /run/image/bin /run/image/etc /run/image/tmp /run/image/www;"
      "cp $(command -v busybox) /run/image/bin/busybox;"
      "for applet in cat hostname httpd ip kill nslookup ping sh sleep timeout true wget;"
      "do ln -sf busybox /run/image/bin/$applet; done;"
      "printf '#!/bin/sh\\nprintf %%s \"$NAME\" >/www/index.html\\nexec httpd -f -p 80 -h /www\\n'"
      " >/run/image/bin/serve; chmod 755 /run/image/bin/serve;"
      "tar -C /run/image -c . | " +
      client + " import -c 'CMD [\"serve\"]' - box >/dev/null; rm -rf /run/image");
  EXPECT_EQ(imported.status, 0) << imported.output;
}

std::string fetch_with_busybox(const std::string& url) {
  return "timeout 5 wget -qO- " + url;  // its own -T crashes in static builds
}

}  // namespace engine
