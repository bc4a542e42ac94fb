#include "tests/support/etcd_cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <thread>

#include "tests/support/pause.h"

namespace tests {
namespace {

namespace fs = std::filesystem;

constexpr uid_t first_user =
    64100;  // member i is user first_user + i: the packet filter knows it so

std::string address(int member) {
  return "127.0.0." + std::to_string(member);
}

std::string run(const std::string& command) {
  FILE* pipe = popen(("{ " + command + "\n} 2>&1").c_str(), "r");
  if (!pipe) throw std::runtime_error("popen failed");
  std::string output;
  char buffer[4096];
  while (const std::size_t got = fread(buffer, 1, sizeof buffer, pipe))
    output.append(buffer, got);
  if (pclose(pipe) != 0) throw std::runtime_error("failed: " + command + "\n" + output);
  return output;
}

/// The answer to GET http://127.0.0.MEMBER:2381PATH, or what there is of it.
std::string fetch(int member, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{.tv_sec = 2, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(2381)};
  inet_pton(AF_INET, address(member).c_str(), &to.sin_addr);
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) {
    const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
    if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
      char buffer[4096];
      for (ssize_t got; (got = recv(fd, buffer, sizeof buffer, 0)) > 0;)
        answer.append(buffer, static_cast<std::size_t>(got));
    }
  }
  close(fd);
  return answer;
}

void wait_for(const std::string& what, const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("etcd: waited in vain: " + what);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

bool is_healthy(int member) {
  return fetch(member, "/health").find(R"("health":"true")") != std::string::npos;
}

/// The value of a metric's line, empty when there is none.
std::string metric(int member, const std::string& name) {
  const std::string text = fetch(member, "/metrics");
  const auto at = text.find("\n" + name + " ");
  if (at == std::string::npos) return {};
  const auto begin = at + name.size() + 2;
  return text.substr(begin, text.find('\n', begin) - begin);
}

}  // namespace

EtcdCluster::EtcdCluster(Options options)
    : options_(std::move(options)), processes_(static_cast<std::size_t>(options_.members), 0) {
  char name[] = "/run/etcd-XXXXXX";
  if (!mkdtemp(name)) throw std::runtime_error("mkdtemp failed");
  directory_ = name;
  fs::permissions(directory_, fs::perms(0755));
  for (int member = 1; member <= options_.members; ++member)
    start(member);
  for (int member = 1; member <= options_.members; ++member)
    await_health(member);
}

EtcdCluster::~EtcdCluster() {
  for (int member = 1; member <= options_.members; ++member)
    kill(member);
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

std::string EtcdCluster::scheme() const {
  return options_.certificates.empty() ? "http://" : "https://";
}

std::string EtcdCluster::endpoint(int member) const {
  return scheme() + address(member) + ":2379";
}

std::vector<std::string> EtcdCluster::endpoints() const {
  std::vector<std::string> all;
  for (int member = 1; member <= options_.members; ++member)
    all.push_back(endpoint(member));
  return all;
}

std::string EtcdCluster::data_of(int member) const {
  return directory_ + "/" + std::to_string(member);
}

std::string EtcdCluster::initial_flags(int member) const {
  std::string all;
  for (int other = 1; other <= options_.members; ++other)
    all +=
        (all.empty() ? "m" : ",m") + std::to_string(other) + "=http://" + address(other) + ":2380";
  return "--name=m" + std::to_string(member) + " --initial-cluster=" + all +
         " --initial-advertise-peer-urls=http://" + address(member) +
         ":2380 --initial-cluster-token=" + options_.token;
}

std::vector<std::string> EtcdCluster::arguments(int member, bool hidden) const {
  const std::string clients =
      (hidden ? "" : endpoint(member) + ",") + scheme() + address(member) + ":2389";
  std::vector<std::string> all = {"etcd",
                                  "--data-dir=" + data_of(member),
                                  "--initial-cluster-state=new",
                                  "--listen-peer-urls=http://" + address(member) + ":2380",
                                  "--listen-client-urls=" + clients,
                                  "--advertise-client-urls=" + endpoint(member),
                                  "--listen-metrics-urls=http://" + address(member) + ":2381",
                                  "--pre-vote",
                                  "--log-level=warn"};
  const std::string initial = initial_flags(member);
  for (std::size_t from = 0; from < initial.size();) {
    const auto end = std::min(initial.find(' ', from), initial.size());
    all.push_back(initial.substr(from, end - from));
    from = end + 1;
  }
  if (const auto& directory = options_.certificates; !directory.empty())
    for (const char* flag :
         {"--cert-file=/server.pem", "--key-file=/server-key.pem", "--trusted-ca-file=/ca.pem"}) {
      std::string text = flag;
      all.push_back(text.insert(text.find('=') + 1, directory));
    }
  if (!options_.certificates.empty()) all.emplace_back("--client-cert-auth");
  all.insert(all.end(), options_.flags.begin(), options_.flags.end());
  return all;
}

void EtcdCluster::start(int member, bool hidden) {
  const uid_t user = first_user + static_cast<uid_t>(member);
  fs::create_directories(data_of(member));
  fs::permissions(data_of(member), fs::perms(0700));
  run("chown -R " + std::to_string(user) + " " + data_of(member));
  auto texts = arguments(member, hidden);
  std::vector<char*> argv;
  for (std::string& text : texts)
    argv.push_back(text.data());
  argv.push_back(nullptr);
  const int log = open((directory_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    dup2(log, 1);
    dup2(log, 2);
    // The user first: changing it takes the death signal back.
    if (setuid(user) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(1);
    execvp("etcd", argv.data());
    _exit(127);
  }
  close(log);
  processes_[static_cast<std::size_t>(member - 1)] = child;
}

void EtcdCluster::kill(int member) {
  pid_t& process = processes_[static_cast<std::size_t>(member - 1)];
  if (process == 0) return;
  ::kill(process, SIGKILL);
  waitpid(process, nullptr, 0);
  process = 0;
}

void EtcdCluster::pause(int member) const {
  pause_process(processes_[static_cast<std::size_t>(member - 1)]);
}

void EtcdCluster::go_on(int member) const {
  ::kill(processes_[static_cast<std::size_t>(member - 1)], SIGCONT);
}

void EtcdCluster::forget(int member) const {
  fs::remove_all(data_of(member));
}

void EtcdCluster::isolate(int member) const {
  // Members' connections come from any loopback address: those that the member opened are known by
  // its user, and their other direction by the connection's mark.
  const std::string user = std::to_string(first_user + static_cast<uid_t>(member));
  const std::string own = address(member);
  run("nft -f - <<END\ntable ip cut {\n chain out {\n  type filter hook output priority 0\n"
      "  meta skuid " +
      user +
      " tcp dport 2380 ct mark set 1\n"
      "  ct mark 1 drop\n"
      "  ip daddr " +
      own +
      " tcp dport 2380 drop\n"
      "  ip saddr " +
      own + " tcp sport 2380 drop\n }\n}\nEND");
}

void EtcdCluster::await_health(int member) const {
  wait_for("member " + std::to_string(member) + " to be healthy; its log:\n" +
               run("tail -n 20 " + directory_ + "/log"),
           [&] { return is_healthy(member); });
}

int EtcdCluster::leader() const {
  int found = 0;
  wait_for("a leader", [&] {
    for (int member = 1; member <= options_.members; ++member)
      if (processes_[static_cast<std::size_t>(member - 1)] != 0 &&
          metric(member, "etcd_server_is_leader") == "1")
        found = member;
    return found != 0;
  });
  return found;
}

int EtcdCluster::follower() const {
  return leader() % options_.members + 1;
}

int EtcdCluster::watched() const {
  int found = 0;
  wait_for("a watch", [&] {
    for (int member = 1; member <= options_.members; ++member)
      if (const auto streams = metric(member, "etcd_debugging_mvcc_watcher_total");
          !streams.empty() && streams != "0")
        found = member;
    return found != 0;
  });
  return found;
}

std::string EtcdCluster::control(const std::string& command, int member) const {
  std::string tls;
  if (const auto& directory = options_.certificates; !directory.empty())
    tls = " --cacert=" + directory + "/ca.pem --cert=" + directory +
          "/client.pem --key=" + directory + "/client-key.pem";
  return run("ETCDCTL_API=3 etcdctl --endpoints=" + scheme() + address(member) + ":2389" + tls +
             " " + command);
}

}  // namespace tests
