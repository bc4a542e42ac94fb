#include "netd/cluster_config.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <charconv>
#include <memory>
#include <stdexcept>

#include "sandbox/host_addresses.h"

namespace netd {
namespace {

constexpr std::string_view scheme = "etcd://";

[[noreturn]] void refuse(const std::string& text) {
  throw std::invalid_argument(text);
}

struct HostPort {
  std::string host;
  std::string port = "2379";
};

/// "host", "host:port", "[::1]:port"
HostPort split(std::string_view text) {
  HostPort parts;
  const bool bracketed = text.starts_with('[');
  const std::size_t end = bracketed ? text.find(']') : text.rfind(':');
  if (bracketed && end == std::string_view::npos)
    refuse(fmt::format("cluster: {}: the ] of an IPv6 address is missing", text));
  if (!bracketed && end != std::string_view::npos && text.find(':') != end)
    refuse(fmt::format("cluster: {}: write an IPv6 address like [2001:db8::1]:2379", text));
  parts.host = text.substr(bracketed ? 1 : 0, bracketed ? end - 1 : end);
  const std::string_view rest =
      end == std::string_view::npos ? std::string_view() : text.substr(end + (bracketed ? 1 : 0));
  if (parts.host.empty()) refuse(fmt::format("cluster: \"{}\" has no host", text));
  if (rest.empty()) return parts;
  std::uint16_t number = 0;
  const char* const begin = rest.data() + 1;
  const auto [last, error] = std::from_chars(begin, rest.data() + rest.size(), number);
  if (rest[0] != ':' || error != std::errc() || last != rest.data() + rest.size() || number == 0)
    refuse(fmt::format("cluster: {}: the port is not a number from 1 to 65535", text));
  parts.port = rest.substr(1);
  return parts;
}

bool is_on_this_host(const HostPort& endpoint) {
  if (endpoint.host == "localhost") return true;
  const auto address = ipam::Address::parse(endpoint.host);
  return address && address->is_loopback();
}

/// What etcd's module would say of these files later, and less clearly.
void check_tls_files(const ClusterConfig& config) {
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()),
                                                             SSL_CTX_free);
  SSL_CTX* const tls = context.get();
  if (!config.ca.empty() && SSL_CTX_load_verify_file(tls, config.ca.c_str()) != 1)
    refuse(
        fmt::format("cluster-cacert: {}: holds no certificate, or can't be read; name the PEM "
                    "file of the store's authority",
                    config.ca));
  if (config.cert.empty()) return;
  if (SSL_CTX_use_certificate_chain_file(tls, config.cert.c_str()) != 1)
    refuse(fmt::format(
        "cluster-cert: {}: holds no certificate, or can't be read; name netd's PEM file",
        config.cert));
  if (SSL_CTX_use_PrivateKey_file(tls, config.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(tls) != 1)
    refuse(fmt::format(
        "cluster-key: {}: is not the key of {}, or can't be read; name the PEM file that "
        "was made with it",
        config.key, config.cert));
}

/// The first address of this namespace, in the kernel's order, that `wanted` wants.
template <class Wanted>
std::optional<Vtep> find_address(const Wanted& wanted) {
  for (const sandbox::HostAddress& one : sandbox::host_addresses())
    if (wanted(std::string_view(one.link), one.address))
      return Vtep{one.address, one.link, sandbox::mtu_of(one.link)};
  return std::nullopt;
}

}  // namespace

std::vector<std::string> store_endpoints(const ClusterConfig& config) {
  std::string_view rest = config.store;
  if (!rest.starts_with(scheme))
    refuse(fmt::format("cluster: \"{}\": write it like etcd://192.0.2.1:2379,192.0.2.2:2379",
                       config.store));
  rest.remove_prefix(scheme.size());
  std::vector<std::string> endpoints;
  while (true) {
    const std::size_t comma = rest.find(',');
    std::string_view one = rest.substr(0, comma);
    if (one.starts_with(scheme)) one.remove_prefix(scheme.size());
    const HostPort parts = split(one);
    const bool is_v6 = parts.host.find(':') != std::string::npos;
    endpoints.push_back(is_v6 ? fmt::format("[{}]:{}", parts.host, parts.port)
                              : fmt::format("{}:{}", parts.host, parts.port));
    if (comma == std::string_view::npos) return endpoints;
    rest.remove_prefix(comma + 1);
  }
}

void check_cluster(const ClusterConfig& config) {
  if (!config.is_member()) {
    const bool has_more = config.has_tls() || !config.key.empty() || config.insecure ||
                          !config.vtep.empty() || config.vxlan_port;
    if (has_more)
      refuse(
          "vtep, vxlan-port, cluster-cacert, cluster-cert, cluster-key, insecure-store: have no "
          "effect without cluster; give it, too");
    return;
  }
  const auto endpoints = store_endpoints(config);
  if (!config.prefix.starts_with('/'))
    refuse(fmt::format("cluster-prefix: \"{}\" has to begin with /, like /netd/v1", config.prefix));
  if (config.cert.empty() != config.key.empty())
    refuse("cluster-cert, cluster-key: one goes with the other; give both");
  if (config.has_tls() && config.insecure)
    refuse("insecure-store, cluster-cacert: they contradict each other; leave one out");
  check_tls_files(config);
  if (config.has_tls() || config.insecure) return;
  for (const std::string& endpoint : endpoints)
    if (!is_on_this_host(split(endpoint)))
      refuse(fmt::format(
          "cluster: {}: whoever reaches it, or is between, rules the networks of all hosts; give "
          "cluster-cacert, cluster-cert and cluster-key, or insecure-store if the network before "
          "it is trusted",
          endpoint));
}

Vtep find_vtep(const ClusterConfig& config) {
  std::optional<Vtep> vtep;
  if (const auto address = ipam::Address::parse(config.vtep)) {
    vtep =
        find_address([&](std::string_view, const ipam::Address& own) { return own == *address; });
    if (!vtep) refuse(fmt::format("vtep: this host has no address {}", config.vtep));
  } else if (!config.vtep.empty()) {
    const auto is_it = [&](std::string_view link, const ipam::Address& own) {
      return link == config.vtep && !own.is_link_local();
    };
    vtep = find_address([&](std::string_view link, const ipam::Address& own) {
      return is_it(link, own) && own.is_v4();
    });
    if (!vtep) vtep = find_address(is_it);
    if (!vtep)
      refuse(fmt::format("vtep: this host has no interface {} with an address", config.vtep));
  } else {
    const std::string endpoint = store_endpoints(config).front();
    const HostPort store = split(endpoint);
    const auto source = sandbox::source_towards(store.host, store.port);
    if (!source)
      refuse(
          fmt::format("vtep: this host has no route to {}; say which address is the other "
                      "hosts' way to it",
                      endpoint));
    if (!source->is_loopback())
      vtep =
          find_address([&](std::string_view, const ipam::Address& own) { return own == *source; });
    if (!vtep)
      refuse(
          fmt::format("vtep: the store at {} is on this host, so it does not say which address "
                      "is the other hosts' way to it; give --vtep",
                      endpoint));
  }
  if (vtep->address.is_loopback())
    refuse(fmt::format("vtep: {} is no address that other hosts could reach",
                       vtep->address.to_string()));
  return *vtep;
}

}  // namespace netd
