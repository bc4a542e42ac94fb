#include "tests/oci/machine.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include "sandbox/fd.h"

namespace oci {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* cgroup_root = "/sys/fs/cgroup";
constexpr const char* pause_here = "/run/pause-here";
constexpr const char* pause_end = "/run/pause-end";

void mount_or_throw(const char* type, const char* target) {
  if (mount("none", target, type, 0, nullptr) != 0)
    throw std::system_error(errno, std::system_category(), std::string("mount ") + type);
}

/// Returns when no process is in the cgroup or below it (cgroups(7): cgroup.events), after five
/// seconds at most.
void await_empty(const std::string& cgroup) {
  const sandbox::Fd events(open((cgroup + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
  char text[256] = {};
  const auto is_populated = [&] {
    const ssize_t size = pread(events.get(), text, sizeof text - 1, 0);
    return size > 0 && std::string_view(text, static_cast<std::size_t>(size)).find("populated 1") !=
                           std::string_view::npos;
  };
  pollfd changed{events.get(), POLLPRI, 0};
  while (is_populated() && poll(&changed, 1, 5000) > 0) {
  }
}

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text)
    result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

/// A static busybox is all that a container needs.
void make_rootfs(const std::string& rootfs) {
  for (const char* directory : {"bin", "proc", "etc", "dev", "sys", "tmp", "www"})
    fs::create_directories(rootfs + "/" + directory);
  fs::copy_file("/bin/busybox", rootfs + "/bin/busybox");
  for (const char* applet : {"sh", "cat", "ip", "sleep", "nslookup", "wget", "httpd", "hostname",
                             "ls", "echo", "ping", "grep", "touch", "stat"})
    fs::create_symlink("busybox", rootfs + "/bin/" + applet);
  std::ofstream(rootfs + "/www/index.html") << "page";
}

void make_pipe(const char* path) {
  if (mkfifo(path, 0600) != 0)
    throw std::system_error(errno, std::system_category(), "make a pipe");
}

void write_program(const std::string& path, const std::string& text) {
  std::ofstream(path) << "#!/bin/sh\n" << text;
  fs::permissions(path, fs::perms::owner_all);
}

}  // namespace

void OciTest::prepare_machine() {
  // This test's part of the machine's control groups; it goes in TearDown.
  cgroup_ = "netd-oci-" + std::to_string(getpid());
  mount_or_throw("tmpfs", cgroup_root);
  mount_or_throw("cgroup2", cgroup_root);
  fs::create_directory(std::string(cgroup_root) + "/" + cgroup_);
  std::ofstream("/run/cgroup") << cgroup_;
  make_pipe(pause_here);
  make_pipe(pause_end);
  // A reader that opens the other end lets it go.
  write_program("/run/pausing-hook", std::string("cat >/dev/null; timeout 60 sh -c 'echo > ") +
                                         pause_here + "; cat " + pause_end + "'\n");
}

void OciTest::TearDown() {
  const std::string root = std::string(cgroup_root) + "/" + cgroup_;
  std::ofstream(root + "/cgroup.kill") << "1";  // cgroups(7): all in it and below
  await_empty(root);
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(root, ignored))
    if (entry.is_directory()) fs::remove(entry.path(), ignored);
  fs::remove(root, ignored);
  EXPECT_FALSE(fs::exists(root)) << "a container is left";
  EndToEnd::TearDown();
}

std::string OciTest::runtime() const {
  return std::string(GetParam()) + " --root /run/oci";
}

std::string OciTest::make_bundle(const std::string& id, const Description& description) {
  const std::string bundle = "/run/bundles/" + id;
  make_rootfs(bundle + "/rootfs");
  const std::string config = bundle + "/config.json";
  const auto edit = [&](const std::string& filter) {
    shell("jq " + quoted(filter) + " " + config + " > " + bundle + "/edited && mv " + bundle +
          "/edited " + config);
  };
  std::string cgroup;
  std::ifstream("/run/cgroup") >> cgroup;
  shell("runc spec -b " + bundle);
  edit(".process.terminal=false | .process.args=[\"sh\",\"-c\"," +
       json(description.command).dump() + "] | del(.linux.resources) | .linux.cgroupsPath=\"/" +
       cgroup + "/" + id + "\" | .root.readonly=false | .hostname=\"host-of-" + id +
       "\" | .annotations=" + json(description.annotations).dump());
  edit(description.change);
  shell("netctl oci add-hooks " + bundle);
  edit(description.change_after_hooks);
  edit(".annotations[\"run.oci.hooks.stderr\"]=\"/run/hook.log\"");
  return bundle;
}

e2e::Result OciTest::create(const std::string& id) const {
  // Into a file: the container keeps the runtime's stdout.
  return attempt(runtime() + " create -b /run/bundles/" + id + " " + id + " </dev/null >/run/" +
                 id + ".log 2>&1; status=$?; cat /run/" + id + ".log; exit $status");
}

std::unique_ptr<e2e::Process> OciTest::begin_create(const std::string& id) const {
  return std::make_unique<e2e::Process>(
      std::vector<std::string>{GetParam(), "--root", "/run/oci", "create", "-b",
                               "/run/bundles/" + id, id},
      std::vector<std::string>{}, "/run/" + id + ".log");
}

std::unique_ptr<e2e::Process> OciTest::begin_start(const std::string& id) const {
  return std::make_unique<e2e::Process>(
      std::vector<std::string>{GetParam(), "--root", "/run/oci", "start", id},
      std::vector<std::string>{}, "/run/" + id + ".log");
}

void OciTest::start(const std::string& id) const {
  shell(runtime() + " start " + id);
}

void OciTest::run(const std::string& id, const Description& description) const {
  make_bundle(id, description);
  const e2e::Result created = create(id);
  ASSERT_EQ(created.status, 0) << created.output;
  start(id);
}

void OciTest::remove(const std::string& id) const {
  shell(runtime() + " delete --force " + id);
}

std::string OciTest::inside(const std::string& id, const std::string& command) const {
  return shell(runtime() + " exec " + id + " sh -c " + quoted(command) + " </dev/null");
}

std::string OciTest::state_of(const std::string& id) const {
  json state = json::parse(shell(runtime() + " state " + id));
  return json{{"ociVersion", "1.0.2"},
              {"id", id},
              {"status", "creating"},
              {"pid", state["pid"]},
              {"bundle", state["bundle"]}}
      .dump();
}

std::string OciTest::words_of(const e2e::Result& created) const {
  return std::string(GetParam()) == "crun" ? shell("cat /run/hook.log") : created.output;
}

int OciTest::pid_of(const std::string& id) const {
  return json::parse(shell(runtime() + " state " + id))["pid"].get<int>();
}

e2e::Result OciTest::hook(const std::string& verb, const std::string& state,
                          const std::string& flags) {
  return attempt("netd-hook " + flags + " " + verb + " <<'END'\n" + state + "\nEND");
}

std::string OciTest::sandboxes() {
  return shell("netctl sandbox ls --format json | jq -r '.[].Name' | sort");
}

bool OciTest::in_time(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  bool result = holds();
  while (!result && std::chrono::steady_clock::now() < end)
    result = holds();
  return result;
}

bool OciTest::all_gone() {
  return in_time([] { return api("/sandboxes").empty(); });
}

std::string OciTest::pausing_hook(const std::string& verb) {
  return ".hooks." + verb + " |= . + [{\"path\":\"/run/pausing-hook\"}]";
}

void OciTest::wait_for_pause() {
  shell(std::string("timeout 20 cat ") + pause_here);
}

void OciTest::end_pause() {
  shell(std::string("timeout 20 sh -c ': > ") + pause_end + "'");
}

}  // namespace oci
