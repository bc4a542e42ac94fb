// sandbox NETWORK NAME COMMAND…: runs a command as a container is run, as far as networks see it:
// in a network namespace of its own that is made first, joined to a network of netd's, with the
// sandbox's resolv.conf and hosts. Afterwards nothing of it is left. docs/sandbox-api.md explains
// each step.
//
//   g++ -std=c++20 sandbox.cpp $(pkg-config --cflags --libs netd-client) -o sandbox
//   ./sandbox shop client curl -s http://web/
#include <fcntl.h>
#include <netd/client/http.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

namespace {

using netd::client::Client;
using nlohmann::json;

void check(int result, const std::string& what) {
  if (result < 0) throw std::system_error(errno, std::system_category(), what);
}

/// A network namespace that lives as long as its path is mounted. An engine has one like it, before
/// it starts a container.
class Namespace {
 public:
  explicit Namespace(std::string path) : path_(std::move(path)) {
    if (!std::ofstream(path_)) throw std::runtime_error("create " + path_);
    int error = 0;
    // A thread of its own, so that this program stays where it is.
    std::thread([&] {
      if (unshare(CLONE_NEWNET) != 0 ||
          mount("/proc/thread-self/ns/net", path_.c_str(), nullptr, MS_BIND, nullptr) != 0)
        error = errno;
    }).join();
    if (error == 0) return;
    unlink(path_.c_str());
    throw std::system_error(error, std::system_category(), "make a network namespace at " + path_);
  }
  ~Namespace() {
    umount2(path_.c_str(), MNT_DETACH);
    unlink(path_.c_str());
  }
  Namespace(const Namespace&) = delete;
  Namespace& operator=(const Namespace&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A sandbox of netd's. It goes before its namespace does, so that netd can take down what is in
/// it.
class Sandbox {
 public:
  Sandbox(Client& client, const json& wanted) : client_(client) {
    const auto answer = client_.request("POST", "/sandboxes", &wanted);
    if (answer.status != 201) throw std::runtime_error("create a sandbox: " + answer.message());
    made_ = answer.json();
    for (const json& warning : made_.at("Warnings"))
      std::cerr << "netd warns: " << warning.get<std::string>() << "\n";
  }
  ~Sandbox() {
    try {
      const auto answer =
          client_.request("DELETE", "/sandboxes/" + made_.at("Id").get<std::string>());
      // 404: netd saw that the namespace has gone, and was faster.
      if (!answer.ok() && answer.status != 404)
        std::cerr << "remove the sandbox: " << answer.message() << "\n";
    } catch (const std::exception& error) {
      std::cerr << "remove the sandbox: " << error.what() << "\n";
    }
  }
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  std::string text(const char* key) const { return made_.at(key); }
  const json& network(const std::string& name) const { return made_.at("Networks").at(name); }

 private:
  Client& client_;
  json made_;
};

void bind_over(const std::string& file, const char* target) {
  check(mount(file.c_str(), target, nullptr, MS_BIND, nullptr), "mount " + file + " at " + target);
}

/// In the child, which has one thread. Does not come back.
[[noreturn]] void become(const Sandbox& sandbox, char** command) {
  try {
    const int network = open(sandbox.text("NetnsPath").c_str(), O_RDONLY | O_CLOEXEC);
    check(network, "open " + sandbox.text("NetnsPath"));
    check(setns(network, CLONE_NEWNET), "enter " + sandbox.text("NetnsPath"));
    check(unshare(CLONE_NEWNS), "unshare mounts");
    check(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make mounts private");
    bind_over(sandbox.text("ResolvConfPath"), "/etc/resolv.conf");
    bind_over(sandbox.text("HostsPath"), "/etc/hosts");
    execvp(command[0], command);
    check(-1, command[0]);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
  }
  _exit(127);
}

/// Starts the command and waits for it; a signal that would end us before the teardown is the
/// command's. Returns its exit status.
int run(const Sandbox& sandbox, char** command) {
  sigset_t signals, before;
  sigemptyset(&signals);
  for (const int number : {SIGCHLD, SIGINT, SIGTERM, SIGHUP})
    sigaddset(&signals, number);
  sigprocmask(SIG_BLOCK, &signals, &before);
  const pid_t child = fork();
  check(child, "fork");
  if (child == 0) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    become(sandbox, command);
  }
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    const int number = sigwaitinfo(&signals, nullptr);
    if (number > 0 && number != SIGCHLD) kill(child, number);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 4) {
    std::cerr << "sandbox NETWORK NAME COMMAND…\n";
    return 2;
  }
  const std::string network = argv[1], name = argv[2];
  const char* host = std::getenv("NETD_HOST");
  Client client(host ? host : std::string(netd::client::default_host));

  // Things end in the opposite order: the sandbox, then its namespace.
  const Namespace made("/run/example-" + name);
  const json attachment{{"Network", network}};
  const Sandbox sandbox(client, {{"Name", name},
                                 {"NetnsPath", made.path()},
                                 {"Hostname", name},
                                 {"Networks", json::array({attachment})}});
  std::cerr << name << " is " << sandbox.network(network).at("IPAddress").get<std::string>()
            << " at " << sandbox.network(network).at("Interface").get<std::string>() << "\n";
  return run(sandbox, argv + 3);
} catch (const netd::client::NoDaemon& error) {
  std::cerr << error.what() << "; is netd running?\n";
  return 125;
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 125;
}
