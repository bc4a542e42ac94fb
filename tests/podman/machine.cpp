#include "tests/podman/machine.h"

#include <filesystem>
#include <fstream>

namespace podman {
namespace {

namespace fs = std::filesystem;

constexpr const char* rootfs = "/run/rootfs";

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text)
    result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

void make_rootfs() {
  for (const char* directory : {"bin", "proc", "etc", "dev", "sys", "tmp", "run"})
    fs::create_directories(std::string(rootfs) + "/" + directory);
  fs::copy_file("/bin/busybox", std::string(rootfs) + "/bin/busybox");
  for (const char* applet :
       {"sh", "cat", "ip", "sleep", "nslookup", "wget", "httpd", "mkdir", "grep"})
    fs::create_symlink("busybox", std::string(rootfs) + "/bin/" + applet);
}

}  // namespace

void PodmanTest::SetUp() {
  EndToEnd::SetUp();
  // Not this machine's: locks, control groups (crun 1.8 takes version 2 only), what CNI caches.
  shell(
      "mkdir -p /var/lib/cni /var/lib/containers; for place in /dev/shm /sys/fs/cgroup "
      "/var/lib/cni "
      "/var/lib/containers; do mount -t tmpfs none $place; done; mount -t cgroup2 none "
      "/sys/fs/cgroup");
  make_rootfs();
  std::ofstream("/run/containers.conf")
      << "[containers]\ncgroups=\"disabled\"\n"
         "default_ulimits=[\"nofile=1024:1024\",\"nproc=1024:1024\"]\n[network]\n"
      << network_section()
      << "[engine]\ncgroup_manager=\"cgroupfs\"\n"
         "events_logger=\"file\"\nruntime=\"crun\"\n"
         "enable_port_reservation=false\n"
      << engine_section();
  std::ofstream("/run/storage.conf") << "[storage]\ndriver=\"vfs\"\nrunroot=\"/run/storage\"\n"
                                        "graphroot=\"/run/graph\"\n";
  setenv("CONTAINERS_CONF", "/run/containers.conf", 1);
  setenv("CONTAINERS_STORAGE_CONF", "/run/storage.conf", 1);
}

void PodmanTest::TearDown() {
  attempt_podman("rm --all --force --time 0");
  EndToEnd::TearDown();
}

std::string PodmanTest::podman(const std::string& arguments) {
  return shell("podman " + arguments);
}

e2e::Result PodmanTest::attempt_podman(const std::string& arguments) {
  return attempt("timeout 60 podman " + arguments);
}

void PodmanTest::run(const std::string& options, const std::string& command) {
  podman("run --detach " + options + " --rootfs " + rootfs + " " + command);
}

std::string PodmanTest::inside(const std::string& container, const std::string& command) {
  return podman("exec " + container + " sh -c " + quoted(command));
}

void PodmanTest::serve(const std::string& container, const std::string& page) {
  inside(container, "mkdir -p /tmp/" + page + "; echo -n " + page + " >/tmp/" + page +
                        "/index.html; httpd -p 80 -h /tmp/" + page);
}

}  // namespace podman
