#include "netd/client/address.h"

#include <fmt/format.h>
#include <sys/un.h>

#include <charconv>
#include <stdexcept>
#include <string_view>

namespace netd::client {
namespace {

constexpr std::string_view unix_scheme = "unix://";
constexpr std::string_view tcp_scheme = "tcp://";

[[noreturn]] void refuse(const std::string& host) {
  throw std::invalid_argument(
      fmt::format("address \"{}\": use unix:///path/to/socket or tcp://host:port", host));
}

bool is_port(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

Address parse_tcp(const std::string& host) {
  const std::string_view rest = std::string_view(host).substr(tcp_scheme.size());
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || !is_port(rest.substr(colon + 1))) refuse(host);
  std::string_view name = rest.substr(0, colon);
  if (name.size() > 2 && name.front() == '[' && name.back() == ']')
    name = name.substr(1, name.size() - 2);
  else if (name.find_first_of(":[]/") != std::string_view::npos)
    refuse(host);
  if (name.empty()) refuse(host);
  return {.path = "", .name = std::string(name), .port = std::string(rest.substr(colon + 1))};
}

}  // namespace

Address parse_address(const std::string& host) {
  if (host.starts_with(tcp_scheme)) return parse_tcp(host);
  std::string path = host;
  if (path.starts_with(unix_scheme)) path.erase(0, unix_scheme.size());
  if (!path.starts_with('/')) refuse(host);
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    throw std::invalid_argument(fmt::format("address \"{}\": a socket's path has at most {} bytes",
                                            host, sizeof(sockaddr_un::sun_path) - 1));
  return {.path = path, .name = "", .port = ""};
}

}  // namespace netd::client
