#include "netd/daemon.h"

#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstring>
#include <filesystem>
#include <future>
#include <memory>
#include <system_error>

#include "dns/server.h"
#include "drivers/registry.h"
#include "netd/api/listen.h"
#include "netd/api/metrics.h"
#include "netd/api/router.h"
#include "netd/api/routes.h"
#include "netd/api/server.h"
#include "netd/cluster_member.h"
#include "netd/controller.h"
#include "netd/ended_sandboxes.h"
#include "netd/events.h"
#include "netd/instance_lock.h"
#include "netd/log.h"
#include "netd/notify.h"
#include "netd/plugin/client.h"
#include "netd/plugin/engine_names.h"
#include "netd/plugin/serve.h"
#include "netd/remote_verbs.h"
#include "netd/sqlite_store.h"
#include "netd/workers.h"
#include "sandbox/linux_kernel.h"
#include "sandbox/netns.h"
#include "sandbox/owner_watch.h"

namespace netd {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr std::string_view unix_scheme = "unix://";
constexpr mode_t socket_mode = 0660;
constexpr mode_t plugin_socket_mode = 0600;  // engines run as root
constexpr const char* socket_group = "netd";

sigset_t handled_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP})
    sigaddset(&signals, signal);
  return signals;
}

/// Blocked here and so in every thread that begins later: no system call of theirs is interrupted,
/// and the signals are read from a descriptor, signalfd(2).
sandbox::Fd take_signals() {
  signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = handled_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  sandbox::Fd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) throw std::system_error(errno, std::system_category(), "take signals");
  return fd;
}

/// Published ports and DNS listeners are a socket each: the usual 1,024 would end netd's growth
/// early.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// With its parents; an existing one keeps its mode.
void make_directory(const std::string& path, fs::perms mode) {
  std::error_code error;
  const bool made = fs::create_directories(path, error);
  if (made && !error) fs::permissions(path, mode, error);
  if (error) throw std::system_error(error, "create directory " + path);
}

InstanceLock make_directories_and_lock(const Config& config) {
  // What is stored is nobody else's business; the run directory is for runtimes too.
  make_directory(config.state_dir, fs::perms::owner_all);
  InstanceLock lock(config.state_dir);
  constexpr auto readable = fs::perms(0755);
  make_directory(config.run_dir, readable);
  make_directory(config.run_dir + "/sandboxes", readable);
  sandbox::make_shared_mount(config.run_dir + "/netns");
  return lock;
}

drivers::BridgeSettings bridge_settings(const Config& config) {
  return {.ip_forward = config.ip_forward, .ipv6_on_host = fs::exists("/proc/net/if_inet6")};
}

plugin::Directories plugin_directories(const Config& config) {
  if (config.plugin_search_dirs.empty()) return {};
  return {.sockets = config.plugin_search_dirs, .files = config.plugin_search_dirs};
}

/// The group whose members may use the API; -1 (leave it root's) when there is none on this
/// machine.
gid_t api_group() {
  const group* entry = getgrnam(socket_group);
  return entry ? entry->gr_gid : static_cast<gid_t>(-1);
}

/// A socket file that nobody listens at is left over from a netd that was killed, and is replaced.
void refuse_live_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return;  // listening refuses it
  std::memcpy(address.sun_path, path.data(), path.size());
  const sandbox::Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return;
  const int result = connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (result == 0 || errno == EAGAIN)  // EAGAIN: its backlog is full
    throw std::runtime_error(
        "listen at unix://" + path +
        ": another program serves there; stop it, or give netd another --host");
}

class Daemon {
 public:
  explicit Daemon(const Config& config);
  void run();

 private:
  std::unique_ptr<ClusterMember> make_cluster();
  api::Router make_router();
  void learn(const plugin::EngineNames::Answer& answer);
  void ask_for_missing_names();
  void log_events();
  void start_controller();
  void listen(const std::vector<int>& passed);
  void listen_at(const std::string& host);
  api::TlsContext protection(const std::string& host) const;
  void wait_for_signal();
  void on_signal();
  void wait_for_links();
  void on_links();
  void wait_for_owners();
  void stop(int signal);

  const Config& config_;
  sandbox::Fd signals_;
  InstanceLock lock_;
  asio::io_context io_{1};
  asio::thread_pool control_{1};
  SqliteStore store_;
  sandbox::LinuxKernel kernel_;
  drivers::Registry drivers_;
  dns::Server dns_;
  Events events_;
  std::shared_ptr<void> event_log_;
  sandbox::OwnerWatch owners_;
  Controller controller_;
  dhcp::Client leases_;
  plugin::Plugins plugins_;
  Workers workers_;
  RemoteVerbs verbs_;
  std::unique_ptr<ClusterMember> cluster_;
  api::Metrics metrics_;
  plugin::EngineNames names_;
  api::Router router_;
  api::Server server_;
  asio::posix::stream_descriptor signal_stream_{io_};
  sandbox::LinkWatch links_;
  asio::posix::stream_descriptor link_stream_{io_};
  EndedSandboxes ended_{controller_, verbs_};
  asio::posix::stream_descriptor owner_stream_{io_};
};

Daemon::Daemon(const Config& config)
    : config_(config),
      signals_(take_signals()),
      lock_(make_directories_and_lock(config)),
      store_(config.state_dir + "/netd.db"),
      drivers_(bridge_settings(config)),
      controller_(config_, store_, kernel_, drivers_, dns_, events_),
      leases_(control_.get_executor(),
              [this](const std::string& endpoint_id, const dhcp::Change& change) {
                controller_.lease_changed(endpoint_id, change);
              }),
      plugins_(plugin_directories(config), {.call = std::chrono::seconds(config.plugin_timeout)}),
      verbs_(controller_, plugins_, ControlGate([this](std::function<void()> act) {
               asio::post(control_, std::move(act));
             }),
             workers_),
      cluster_(make_cluster()),
      names_([this](const plugin::EngineNames::Answer& answer) {
        asio::post(control_, [this, answer] { learn(answer); });
      }),
      router_(make_router()),
      server_(io_, control_,
              [this](const api::Request& request) { return router_.handle(request); }) {}

std::unique_ptr<ClusterMember> Daemon::make_cluster() {
  if (!config_.cluster.is_member()) return nullptr;
  if (config_.cluster.insecure)
    log::warn(
        "INSECURE: the cluster's store is asked without TLS. Whoever is between can change every "
        "overlay network of all hosts",
        {{"store", config_.cluster.store},
         {"remedy",
          "--cluster-cacert, --cluster-cert and --cluster-key instead of "
          "--insecure-store (docs/overlay.md)"}});
  auto cluster = std::make_unique<ClusterMember>(
      config_.cluster, controller_, verbs_.gate(),
      [this](std::function<void()> act) { asio::post(control_, std::move(act)); }, workers_,
      ClusterMember::Verbs{.settle =
                               [this] {
                                 verbs_.strike_doubts();
                                 verbs_.settle_cluster();
                               },
                           .lose = [this](const std::string& id) { verbs_.lose(id); }});
  verbs_.use_cluster(*cluster);
  return cluster;
}

api::Router Daemon::make_router() {
  api::Context context{controller_, events_, config_, metrics_, &verbs_, cluster_.get()};
  context.ask_names = [this](const api::NamesQuestion& question) { names_.ask(question); };
  return api::make_router(context, config_.plugin_dir.empty() ? std::vector<api::Route>{}
                                                              : plugin::plugin_routes(context));
}

/// On the control thread.
void Daemon::learn(const plugin::EngineNames::Answer& answer) {
  try {
    EngineDriver engine = controller_.engine();
    engine.learn_network(answer.question.network_id, answer.network_name);
    if (!answer.container) return;
    engine.learn(answer.question.endpoint_id, *answer.container);
    if (engine.is_bound(answer.question.network_id))
      verbs_.publish_names(answer.question.endpoint_id);
  } catch (const std::exception& error) {
    log::warn("an engine's names are not kept", {{"error", error.what()}});
  }
}

/// Of containers that started, and networks that were made, just before an earlier netd ended. On
/// the control thread.
void Daemon::ask_for_missing_names() {
  for (const NetworkRecord* network : controller_.networks()) {
    if (!network->engine || network->engine->api.empty()) continue;
    const auto& id = network->network.id;
    if (!network->engine->named) names_.ask({network->engine->api, id, ""});
    for (const EndpointRecord* endpoint : controller_.endpoints_of(id))
      if (endpoint->engine && endpoint->engine->container_id.empty())
        names_.ask({network->engine->api, id, endpoint->endpoint.id});
  }
  for (const BoundNetwork* bound : controller_.state().bound.networks())
    for (const EndpointRecord* endpoint : controller_.endpoints_of(bound->cluster))
      if (endpoint->engine && endpoint->engine->network == bound->id && !bound->api.empty() &&
          endpoint->engine->container_id.empty())
        names_.ask({bound->api, bound->id, endpoint->endpoint.id});
}

/// State belongs to the control thread from its first touch on.
void Daemon::start_controller() {
  const std::string identity = sandbox::boot_id() + ":" + std::to_string(sandbox::netns_cookie());
  std::packaged_task<std::vector<std::string>()> start([&] {
    controller_.use_leases(leases_);
    controller_.use_owner_watch(owners_);
    auto problems = controller_.start(identity);
    ask_for_missing_names();
    return problems;
  });
  auto problems = start.get_future();
  asio::post(control_, [&start] { start(); });
  for (const std::string& problem : problems.get())
    log::warn("restore: netd goes on without it", {{"problem", problem}});
}

/// What a TCP listener speaks; null = plain, which the user asked for and is told about.
api::TlsContext Daemon::protection(const std::string& host) const {
  if (config_.tlsverify) return api::make_tls({config_.tlscacert, config_.tlscert, config_.tlskey});
  if (!config_.insecure_tcp)
    throw std::runtime_error("listen at " + host +
                             ": TCP needs tlsverify with its certificates, or insecure-tcp");
  log::warn(
      "INSECURE: the API listens on TCP without TLS. Whoever reaches it can change or remove every "
      "network of this host, see all traffic between containers, and join any of its namespaces",
      {{"host", host},
       {"remedy",
        "--tlsverify with --tlscacert, --tlscert and --tlskey instead of "
        "--insecure-tcp (docs/api-over-tcp.md)"}});
  return {};
}

void Daemon::listen_at(const std::string& host) {
  if (const auto tcp = parse_tcp_host(host)) {
    server_.listen_tcp(tcp->address, tcp->port, protection(host));
  } else {
    const std::string path = host.substr(unix_scheme.size());
    refuse_live_socket(path);
    server_.listen_unix(path, socket_mode, api_group());
  }
  log::info("API listens", {{"host", host}});
}

void Daemon::listen(const std::vector<int>& passed) {
  for (const int fd : passed)
    server_.adopt(fd, api::family_of(fd) == AF_UNIX
                          ? api::TlsContext{}
                          : protection("descriptor " + std::to_string(fd)));
  std::vector<std::string> hosts = config_.hosts;
  if (hosts.empty() && passed.empty())
    hosts.push_back(std::string(unix_scheme) + config_.run_dir + "/netd.sock");
  for (const std::string& host : hosts)
    listen_at(host);
  if (config_.plugin_dir.empty()) return;
  // Engines find a plugin by its socket's name: "-d netd".
  make_directory(config_.plugin_dir, fs::perms::owner_all);
  const std::string path = config_.plugin_dir + "/netd.sock";
  refuse_live_socket(path);
  server_.listen_unix(path, plugin_socket_mode);
  log::info("plugin of container engines", {{"socket", path}});
}

void Daemon::wait_for_signal() {
  signal_stream_.async_wait(asio::posix::stream_descriptor::wait_read,
                            [this](boost::system::error_code error) {
                              if (!error) on_signal();
                            });
}

void Daemon::on_signal() {
  signalfd_siginfo received{};
  if (read(signals_.get(), &received, sizeof received) != sizeof received) return wait_for_signal();
  if (received.ssi_signo != SIGHUP) return stop(static_cast<int>(received.ssi_signo));
  log::info("SIGHUP: nothing happens, the configuration is read at start only");
  wait_for_signal();
}

void Daemon::wait_for_links() {
  link_stream_.async_wait(asio::posix::stream_descriptor::wait_read,
                          [this](boost::system::error_code error) {
                            if (!error) on_links();
                          });
}

void Daemon::on_links() {
  sandbox::LinkNotices notices = links_.read();
  if (cluster_) cluster_->links_changed(notices);
  if (!notices.empty())
    asio::post(control_,
               [this, notices = std::move(notices)] { controller_.links_changed(notices); });
  wait_for_links();
}

/// The watch is the control thread's: it is waited for again when that has looked.
void Daemon::wait_for_owners() {
  owner_stream_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [this](boost::system::error_code error) {
                             if (error) return;
                             asio::post(control_, [this] {
                               ended_.remove();
                               asio::post(io_, [this] {
                                 if (owner_stream_.is_open()) wait_for_owners();
                               });
                             });
                           });
}

/// The io_context runs out of work when the requests under way are answered.
void Daemon::stop(int signal) {
  log::info("stopping, containers' networks stay up", {{"signal", strsignal(signal)}});
  notify_service_manager("STOPPING=1");
  server_.stop();
  link_stream_.close();
  owner_stream_.close();
}

void Daemon::log_events() {
  event_log_ = events_.subscribe([](const Event& event) {
    const auto name = event.attributes.find("name");
    const auto sandbox = event.attributes.find("container");
    log::info(
        event.type + " " + event.action,
        {{"id", log::short_id(event.id)},
         {"name", name == event.attributes.end() ? "" : name->second},
         {"sandbox", sandbox == event.attributes.end() ? "" : log::short_id(sandbox->second)}});
  });
}

void Daemon::run() {
  const std::vector<int> passed = take_activation_sockets();
  log_events();
  start_controller();
  if (cluster_) cluster_->start();
  listen(passed);
  signal_stream_.assign(dup(signals_.get()));
  wait_for_signal();
  link_stream_.assign(dup(links_.fd()));
  wait_for_links();
  owner_stream_.assign(dup(owners_.fd()));
  wait_for_owners();
  log::info("netd is up",
            {{"version", NETD_VERSION}, {"state", config_.state_dir}, {"run", config_.run_dir}});
  notify_service_manager("READY=1");
  verbs_.settle_in_background();
  io_.run();
  if (cluster_) cluster_->stop();
  workers_.stop();
  control_.join();
  // What the control thread handed back meanwhile.
  io_.restart();
  io_.run();
  log::info("netd is down");
}

}  // namespace

ExitCode run_daemon(const Config& config) {
  try {
    raise_descriptor_limit();
    Daemon(config).run();
    return ExitCode::stopped;
  } catch (const std::exception& failure) {
    log::error("netd ends", {{"error", failure.what()}});
    notify_service_manager(std::string("STATUS=") + failure.what());
    return ExitCode::failed;
  }
}

}  // namespace netd
