#include "netd/config.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "netd/api/tls.h"
#include "netd/log.h"

namespace netd {
namespace {

constexpr const char* default_file = "/etc/netd/netd.json";
constexpr std::uintmax_t file_limit_bytes = 1 << 20;

/// What the command line says; absent = not given, so that the file's value stands.
struct Flags {
  std::optional<std::string> file;
  bool check_only = false;
  std::optional<std::string> state_dir;
  std::optional<std::string> run_dir;
  std::vector<std::string> hosts;
  std::optional<std::string> plugin_dir;
  bool tlsverify = false;
  bool insecure_tcp = false;
  std::optional<std::string> tlscacert;
  std::optional<std::string> tlscert;
  std::optional<std::string> tlskey;
  std::optional<std::string> log_level;
  std::optional<std::string> log_format;
  std::vector<std::string> plugin_search_dirs;
  std::optional<int> plugin_timeout;
  std::optional<std::string> cluster;
  std::optional<std::string> cluster_prefix;
  std::optional<std::string> cluster_ca;
  std::optional<std::string> cluster_cert;
  std::optional<std::string> cluster_key;
  bool insecure_store = false;
  std::optional<std::string> vtep;
  std::optional<int> vxlan_port;
  std::optional<int> wireguard_port;
  std::optional<int> dead_after;
};

[[noreturn]] void refuse(const std::string& text) {
  throw std::invalid_argument(text);
}

void add_flags(CLI::App& app, Flags& flags) {
  app.add_option("--config", flags.file,
                 fmt::format("Configuration file (default {}); understands netd's flags and "
                             "Docker's daemon.json networking keys",
                             default_file))
      ->type_name("FILE");
  app.add_flag("--check-config", flags.check_only,
               "Say what is wrong with flags and file, and exit");
  app.add_option("--state-dir", flags.state_dir,
                 "What outlives a reboot: netd.db (default /var/lib/netd)")
      ->type_name("DIR");
  app.add_option("--run-dir", flags.run_dir,
                 "Socket, namespaces, sandboxes' files (default /run/netd)")
      ->type_name("DIR");
  app.add_option("-H,--host", flags.hosts,
                 "Serve the API here; may be repeated (default unix://<run-dir>/netd.sock)")
      ->type_name("unix://PATH|tcp://IP:PORT")
      ->allow_extra_args(false);
  app.add_option("--plugin-dir", flags.plugin_dir,
                 "Be a network and IPAM plugin of a container engine: serve netd.sock in this "
                 "directory, for Docker /run/docker/plugins")
      ->type_name("DIR");
  app.add_flag("--tlsverify", flags.tlsverify,
               "On TCP: TLS, for clients with a certificate of --tlscacert");
  app.add_option("--tlscacert", flags.tlscacert, "CA that signs clients' certificates")
      ->type_name("FILE");
  app.add_option("--tlscert", flags.tlscert, "netd's certificate")->type_name("FILE");
  app.add_option("--tlskey", flags.tlskey, "The certificate's key")->type_name("FILE");
  app.add_flag("--insecure-tcp", flags.insecure_tcp,
               "On TCP: no TLS; whoever reaches the port rules this host's network");
  app.add_option("--log-level", flags.log_level, "trace, debug, info, warn or error (default info)")
      ->type_name("LEVEL");
  app.add_option("--log-format", flags.log_format, "text (key=value) or json (default text)")
      ->type_name("FORMAT");
  app.add_option("--plugin-search-dir", flags.plugin_search_dirs,
                 "Look for network and IPAM plugins here; may be repeated (default "
                 "/run/docker/plugins, /etc/docker/plugins, /usr/lib/docker/plugins)")
      ->type_name("DIR")
      ->allow_extra_args(false);
  app.add_option("--plugin-timeout", flags.plugin_timeout,
                 "How long one call to a plugin may take (default 10)")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 600));
  app.set_version_flag("--version", "netd " NETD_VERSION);
}

void add_cluster_flags(CLI::App& app, Flags& flags) {
  app.add_option("--cluster", flags.cluster,
                 "Share overlay networks with the other hosts of this store")
      ->type_name("etcd://HOST:PORT[,HOST:PORT]");
  app.add_option("--cluster-prefix", flags.cluster_prefix,
                 "Where in the store the cluster is (default /netd/v1)")
      ->type_name("PATH");
  app.add_option("--cluster-cacert", flags.cluster_ca, "CA that signs the store's certificates")
      ->type_name("FILE");
  app.add_option("--cluster-cert", flags.cluster_cert, "netd's certificate for the store")
      ->type_name("FILE");
  app.add_option("--cluster-key", flags.cluster_key, "The certificate's key")->type_name("FILE");
  app.add_flag("--insecure-store", flags.insecure_store,
               "A store on another host without TLS; whoever is between rules all hosts' networks");
  app.add_option("--vtep", flags.vtep,
                 "This host's end of tunnels (default: its address towards the store)")
      ->type_name("IP|INTERFACE");
  app.add_option("--vxlan-port", flags.vxlan_port,
                 "UDP port of the tunnels, for the first host of a cluster (default 4789)")
      ->type_name("PORT")
      ->check(CLI::Range(1, 65535));
  app.add_option("--wireguard-port", flags.wireguard_port,
                 "UDP port of this host's encrypted tunnels (default 51871)")
      ->type_name("PORT")
      ->check(CLI::Range(1, 65535));
  app.add_option("--dead-after", flags.dead_after,
                 "Give up a host that was away for so long; 0 = never (default 600)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 31536000));
}

/// Nothing when there is no such file.
std::optional<std::string> read_file(const std::string& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (status.type() == std::filesystem::file_type::not_found) return std::nullopt;
  if (status.type() == std::filesystem::file_type::directory)
    refuse(file + ": is a directory; name the file in it");
  std::ifstream stream(file, std::ios::binary);
  std::string content;
  content.resize(file_limit_bytes + 1);
  stream.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (stream.bad() || !stream.is_open())
    refuse(file + ": can't be read; netd runs as root, is it readable?");
  content.resize(static_cast<std::size_t>(stream.gcount()));
  if (content.size() > file_limit_bytes)
    refuse(file + ": is larger than 1 MiB; this is not a configuration");
  return content;
}

std::vector<std::string> apply_file(const Flags& flags, Config& config) {
  const std::string file = flags.file.value_or(default_file);
  const auto content = read_file(file);
  if (!content) {
    if (flags.file) refuse(file + ": no such file; write it, or leave --config out");
    return {};
  }
  try {
    auto warnings = apply_config_text(*content, config);
    for (std::string& warning : warnings)
      warning = file + ": " + warning;
    return warnings;
  } catch (const std::invalid_argument& error) {
    refuse(file + ": " + error.what());
  }
}

void apply_cluster_flags(const Flags& flags, ClusterConfig& cluster) {
  if (flags.cluster) cluster.store = *flags.cluster;
  if (flags.cluster_prefix) cluster.prefix = *flags.cluster_prefix;
  if (flags.cluster_ca) cluster.ca = *flags.cluster_ca;
  if (flags.cluster_cert) cluster.cert = *flags.cluster_cert;
  if (flags.cluster_key) cluster.key = *flags.cluster_key;
  if (flags.insecure_store) cluster.insecure = true;
  if (flags.vtep && flags.vtep->empty())
    refuse("vtep: is empty; name an address or interface of this host, or leave it out");
  if (flags.vtep) cluster.vtep = *flags.vtep;
  if (flags.vxlan_port) cluster.vxlan_port = static_cast<std::uint16_t>(*flags.vxlan_port);
  if (flags.wireguard_port)
    cluster.wireguard_port = static_cast<std::uint16_t>(*flags.wireguard_port);
  if (flags.dead_after) cluster.dead_after = std::chrono::seconds(*flags.dead_after);
}

void apply_flags(const Flags& flags, Config& config) {
  if (flags.state_dir) config.state_dir = *flags.state_dir;
  if (flags.run_dir) config.run_dir = *flags.run_dir;
  if (!flags.hosts.empty()) config.hosts = flags.hosts;
  if (flags.plugin_dir) config.plugin_dir = *flags.plugin_dir;
  if (flags.tlsverify) config.tlsverify = true;
  if (flags.insecure_tcp) config.insecure_tcp = true;
  if (flags.tlscacert) config.tlscacert = *flags.tlscacert;
  if (flags.tlscert) config.tlscert = *flags.tlscert;
  if (flags.tlskey) config.tlskey = *flags.tlskey;
  if (flags.log_level) config.log_level = *flags.log_level;
  if (flags.log_format) config.log_format = *flags.log_format;
  if (!flags.plugin_search_dirs.empty()) config.plugin_search_dirs = flags.plugin_search_dirs;
  if (flags.plugin_timeout) config.plugin_timeout = *flags.plugin_timeout;
  apply_cluster_flags(flags, config.cluster);
}

void check_directory(const std::string& key, const std::string& value) {
  if (!value.starts_with('/'))
    refuse(fmt::format("{}: \"{}\" is not an absolute path; begin it with /", key, value));
}

void check_host(const std::string& host) {
  if (host.starts_with(tcp_scheme)) {
    if (parse_tcp_host(host)) return;
    refuse(
        fmt::format("host: {}: give IP address and port, like tcp://192.0.2.1:2376 or "
                    "tcp://[::]:2376",
                    host));
  }
  if (!host.starts_with("unix:///"))
    refuse(fmt::format(
        "host: \"{}\" is not an API address; write it like unix:///run/netd/netd.sock", host));
  constexpr std::size_t longest = 107;  // unix(7): sun_path with its final zero
  if (host.size() - std::string_view("unix://").size() > longest)
    refuse(fmt::format("host: {}: a socket's path has at most {} bytes; choose a shorter one", host,
                       longest));
}

/// The API is root's power over the network: on TCP it asks for certificates, or the user has said
/// that it needn't.
void check_tls(const Config& config) {
  const auto tcp = std::find_if(config.hosts.begin(), config.hosts.end(),
                                [](const auto& host) { return host.starts_with(tcp_scheme); });
  if (config.tlsverify && config.insecure_tcp)
    refuse("tlsverify, insecure-tcp: they contradict each other; leave one out");
  if (tcp != config.hosts.end() && !config.tlsverify && !config.insecure_tcp)
    refuse(
        fmt::format("host: {}: whoever reaches it would rule this host's network; give tlsverify "
                    "with tlscacert, tlscert and tlskey, or insecure-tcp if the network before it "
                    "is trusted",
                    *tcp));
  const bool has_files =
      !config.tlscacert.empty() || !config.tlscert.empty() || !config.tlskey.empty();
  if (has_files && !config.tlsverify)
    refuse("tlscacert, tlscert, tlskey: have no effect without tlsverify; give it, too");
  if (config.tlsverify)
    api::make_tls({.ca = config.tlscacert, .cert = config.tlscert, .key = config.tlskey});
}

void check_log(const Config& config) {
  if (!log::is_level(config.log_level))
    refuse(
        fmt::format("log-level: \"{}\" is unknown; choose one of trace, debug, info, warn, error",
                    config.log_level));
  if (!log::is_format(config.log_format))
    refuse(fmt::format("log-format: \"{}\" is unknown; choose text or json", config.log_format));
}

/// The bridge's address has to be one that a host can have.
void check_bridge_address(std::string_view key, const std::optional<ipam::Prefix>& bip) {
  if (!bip) return;
  const ipam::Address& address = bip->address;
  const bool network_only =
      bip->length < address.bits() - 1;  // RFC 3021, RFC 6164: both are usable
  if (network_only && address.value() == bip->network().value())
    refuse(fmt::format(
        "{}: {} is the network's own address; give the bridge's, like {}/{}", key, bip->to_string(),
        ipam::Address::from_value(address.family(), address.value() + 1).to_string(), bip->length));
  if (network_only && address.is_v4() && address.value() == bip->last().value())
    refuse(fmt::format("{}: {} is the network's broadcast address; give the bridge another", key,
                       bip->to_string()));
  if (address.is_multicast() || address.is_loopback())
    refuse(fmt::format("{}: {} can't be a bridge's address; choose a private one", key,
                       bip->to_string()));
}

void check_within(std::string_view key, const ipam::Prefix& inner, std::string_view outer_key,
                  const std::optional<ipam::Prefix>& outer) {
  if (outer && !outer->masked().contains(inner))
    refuse(fmt::format("{}: {} is not within {} {}; choose a part of it", key, inner.to_string(),
                       outer_key, outer->masked().to_string()));
}

void check_gateway(std::string_view key, const std::optional<ipam::Address>& gateway,
                   std::string_view outer_key, const std::optional<ipam::Prefix>& outer) {
  if (gateway && outer && !outer->contains(*gateway))
    refuse(fmt::format("{}: {} is not within {} {}; choose an address there", key,
                       gateway->to_string(), outer_key, outer->masked().to_string()));
}

void check_bridge_name(const std::string& name) {
  constexpr std::size_t longest = 15;  // IFNAMSIZ - 1, linux/if.h
  const bool bad_character = std::any_of(name.begin(), name.end(), [](unsigned char c) {
    return c <= ' ' || c == '/' || c == ':' || c == 0x7f;
  });
  if (name.size() > longest || bad_character || name == "." || name == "..")
    refuse(fmt::format(
        "bridge: \"{}\" can't be an interface's name; give at most {} characters without "
        "space, / or :",
        name, longest));
}

/// The default network's rules, with Docker's texts where it has them (libnetwork.md 1.3).
void check_default_network(const Config& config) {
  // With "none" too, as in Docker.
  const bool own_bridge = !config.bridge.empty();
  if (own_bridge && config.bip)
    refuse("You specified -b & --bip, mutually exclusive options. Please specify only one");
  if (own_bridge && config.bip6)
    refuse("You specified -b & --bip6, mutually exclusive options. Please specify only one");
  check_bridge_name(config.bridge);
  check_bridge_address("bip", config.bip);
  check_bridge_address("bip6", config.bip6);
  if (config.fixed_cidr)
    check_within("fixed-cidr", *config.fixed_cidr, "bip's network", config.bip);
  if (config.fixed_cidr_v6)
    check_within("fixed-cidr-v6", *config.fixed_cidr_v6, "bip6's network", config.bip6);
  check_gateway("default-gateway", config.default_gateway, "bip's network", config.bip);
  check_gateway("default-gateway-v6", config.default_gateway_v6, "bip6's network", config.bip6);
  constexpr int least_mtu = 68;       // RFC 791: every IPv4 host forwards so much
  constexpr int least_mtu_v6 = 1280;  // RFC 8200 5
  if (config.mtu != 0 && config.mtu < least_mtu)
    refuse(fmt::format("mtu: {} is less than IPv4 allows; give {} or more, or 0 for the default",
                       config.mtu, least_mtu));
  if (config.mtu != 0 && config.bridge_ipv6 && config.mtu < least_mtu_v6)
    refuse(fmt::format("mtu: {} is less than IPv6 allows; give {} or more, or leave ipv6 out",
                       config.mtu, least_mtu_v6));
}

void check(const Config& config) {
  check_directory("state-dir", config.state_dir);
  check_directory("run-dir", config.run_dir);
  if (!config.plugin_dir.empty()) check_directory("plugin-dir", config.plugin_dir);
  for (const std::string& directory : config.plugin_search_dirs)
    check_directory("plugin-search-dirs", directory);
  check_log(config);
  for (const std::string& host : config.hosts)
    check_host(host);
  check_tls(config);
  check_default_network(config);
  check_cluster(config.cluster);
}

}  // namespace

std::optional<TcpHost> parse_tcp_host(std::string_view host) {
  if (!host.starts_with(tcp_scheme)) return std::nullopt;
  host.remove_prefix(tcp_scheme.size());
  const std::size_t colon = host.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view digits = host.substr(colon + 1);
  std::string_view address = host.substr(0, colon);
  TcpHost result;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), result.port);
  if (error != std::errc() || end != digits.data() + digits.size() || result.port == 0)
    return std::nullopt;
  const bool bracketed = address.starts_with('[') && address.ends_with(']');
  if (bracketed) address = address.substr(1, address.size() - 2);
  const auto parsed = ipam::Address::parse(address);
  if (!parsed || parsed->is_v4() == bracketed) return std::nullopt;
  result.address = parsed->to_string();
  return result;
}

ParsedConfig parse_config(int argc, const char* const* argv) {
  CLI::App app{
      "netd: container networking as a daemon. It makes networks, connects containers to them, "
      "resolves "
      "their names and publishes their ports; `netctl` and `docker -H unix:///run/netd/netd.sock` "
      "talk to it.",
      "netd"};
  app.footer(
      "SIGTERM stops netd and leaves every container's network up; `netctl system purge` removes "
      "all.");
  Flags flags;
  add_flags(app, flags);
  add_cluster_flags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool helped = app.exit(error) == 0;  // prints
    std::exit(helped ? 0 : 2);
  }
  ParsedConfig parsed;
  parsed.check_only = flags.check_only;
  parsed.warnings = apply_file(flags, parsed.config);
  apply_flags(flags, parsed.config);
  // docker0 is the engine's, unless somebody says that it is netd's.
  if (Config& config = parsed.config;
      !config.plugin_dir.empty() && config.bridge.empty() && !config.bip && !config.bip6)
    config.bridge = "none";
  check(parsed.config);
  return parsed;
}

}  // namespace netd
