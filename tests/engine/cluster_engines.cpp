#include "tests/engine/cluster_engines.h"

#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace engine {
namespace {

using namespace std::chrono_literals;

std::string host_directory(int host) {
  return "/run/host" + std::to_string(host);
}

std::string cgroup_parent() {
  return "/netd-cluster-engines-" + std::to_string(getpid());
}

/// EndToEnd's helper, which is for its heirs.
struct Shell : e2e::EndToEnd {
  using EndToEnd::attempt;
};

}  // namespace

void ClusterEngines::SetUp() {
  ASSERT_EQ(Shell::attempt("dockerd --version").status, 0) << "no dockerd (package docker.io)";
  Cluster::SetUp();
  // Debian's client before a newer one, which has other rules.
  setenv("PATH", (NETD_PROGRAMS ":/usr/bin:" + std::string(getenv("PATH"))).c_str(), 1);
  setenv("DOCKER_CONFIG", "/run/docker-config", 1);
  std::string data = "/tmp/netd-engines-XXXXXX";
  ASSERT_NE(mkdtemp(data.data()), nullptr);
  data_ = data;
  ASSERT_EQ(mount("tmpfs", data_.c_str(), "tmpfs", 0, "size=512m"), 0);
  for (int host = 1; host <= hosts(); ++host) {
    make_namespace(host);
    ASSERT_NO_FATAL_FAILURE(start_engine(host));
    import_box(client(host));
  }
}

void ClusterEngines::TearDown() {
  for (int host = 1; host <= hosts(); ++host)
    if (namespaces_[host]) kill_engine(host);
  within(10, [] {
    return Shell::attempt("find /sys/fs/cgroup -depth -type d -path '*" + cgroup_parent() +
                          "*' -exec rmdir {} +")
               .status == 0;
  });
  if (HasFailure())
    std::cerr << "--- the engines' logs\n"
              << Shell::attempt("grep -hv level=info /run/host*/dockerd.log | tail -n 40").output;
  Cluster::TearDown();
  if (data_.empty()) return;
  umount2(data_.c_str(), MNT_DETACH);
  std::filesystem::remove(data_);
}

std::vector<std::string> ClusterEngines::flags(int host) const {
  return {"--plugin-dir", host_directory(host) + "/plugins"};
}

/// dockerd looks for plugins in one place only: each has its own there.
void ClusterEngines::make_namespace(int host) {
  const std::string of = host_directory(host);
  shell("mkdir -p /run/docker/plugins; rm -f " + of + "/up; mkfifo " + of + "/up");
  namespaces_[host] = std::make_unique<e2e::Process>(
      std::vector<std::string>{"nsenter", "--net=" + netns(host), "unshare", "--mount", "--pid",
                               "--fork", "--kill-child", "--mount-proc", "sh", "-c",
                               "mount --bind " + of +
                                   "/plugins /run/docker/plugins; mkdir -p /etc/docker; "
                                   "mount -t tmpfs tmpfs /etc/docker; echo up >" +
                                   of + "/up; sleep infinity & wait"},
      std::vector<std::string>{}, of + "/dockerd.log");
  ASSERT_EQ(Shell::attempt("timeout 10 cat " + of + "/up").output, "up\n");
  const std::string unshare = std::to_string(namespaces_[host]->pid());
  shell("tr -d ' ' </proc/" + unshare + "/task/" + unshare + "/children >" + of + "/init.pid");
}

std::string ClusterEngines::init_pid(int host) {
  std::ifstream file(host_directory(host) + "/init.pid");
  std::string line;
  std::getline(file, line);
  return line;
}

void ClusterEngines::start_engine(int host) {
  const std::string of = host_directory(host);
  std::ofstream(of + "/docker.json") << "{}";  // not this machine's
  const std::string data = data_ + "/" + std::to_string(host);
  std::filesystem::create_directories(data);
  engines_[host] =
      std::make_unique<e2e::Process>(std::vector<std::string>{"nsenter",
                                                              "--target",
                                                              init_pid(host),
                                                              "--pid",
                                                              "--mount",
                                                              "--net",
                                                              "--",
                                                              "dockerd",
                                                              "--config-file",
                                                              of + "/docker.json",
                                                              "--data-root",
                                                              data,
                                                              "--exec-root",
                                                              of + "/docker",
                                                              "--pidfile",
                                                              of + "/docker.pid",
                                                              "--host",
                                                              "unix://" + of + "/docker.sock",
                                                              "--cgroup-parent",
                                                              cgroup_parent()},
                                     std::vector<std::string>{}, of + "/dockerd.log");
  ASSERT_TRUE(within(60, [&] {
    return Shell::attempt("curl -sS --max-time 5 --unix-socket " + of +
                          "/docker.sock http://docker/_ping")
               .output == "OK";
  })) << "dockerd does not answer";
}

void ClusterEngines::stop_engine(int host) {
  shell("nsenter --target " + init_pid(host) + " --pid --mount -- sh -c 'kill $(cat " +
        host_directory(host) + "/docker.pid)'");
  EXPECT_TRUE(engines_.at(host)->wait(30s).has_value()) << "dockerd does not end on SIGTERM";
  engines_[host].reset();
}

void ClusterEngines::kill_engine(int host) {
  kill(std::atoi(init_pid(host).c_str()), SIGKILL);
  EXPECT_TRUE(namespaces_.at(host)->wait(20s).has_value());
  namespaces_[host].reset();
  engines_[host].reset();
}

std::string ClusterEngines::client(int host) {
  return "docker -H unix://" + host_directory(host) + "/docker.sock";
}

e2e::Result ClusterEngines::attempt_docker(int host, const std::string& arguments) {
  return Shell::attempt(client(host) + " " + arguments);
}

std::string ClusterEngines::docker(int host, const std::string& arguments) {
  e2e::Result result = attempt_docker(host, arguments);
  EXPECT_EQ(result.status, 0) << arguments << "\n" << result.output;
  while (result.output.ends_with('\n'))
    result.output.pop_back();
  return result.output;
}

void ClusterEngines::bind(int host, const std::string& network, const std::string& options) {
  docker(host, "network create -d netd --ipam-driver netd --ipam-opt io.netd.network=" + network +
                   " -o io.netd.network=" + network + " -o io.netd.engine=unix://" +
                   host_directory(host) + "/docker.sock " + (options.empty() ? network : options));
}

std::string ClusterEngines::address(int host, const std::string& container,
                                    const std::string& network) {
  return docker(host, "inspect --format '{{(index .NetworkSettings.Networks \"" + network +
                          "\").IPAddress}}' " + container);
}

}  // namespace engine
