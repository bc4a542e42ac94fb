// Where a plugin of Docker's v1 kind is: from its name to the address that it listens at
// (libnetwork.md 2.1). Reads directories and small files; knows nothing of HTTP.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace netd::plugin {

/// In the order of the search: sockets first, by `<name>.sock` and `<name>/<name>.sock`, then
/// `.spec` and `.json` files, by `<name>.spec` and `<name>/<name>.spec`.
struct Directories {
  std::vector<std::string> sockets{"/run/docker/plugins"};
  std::vector<std::string> files{"/etc/docker/plugins", "/usr/lib/docker/plugins"};
};

/// A plugin's address.
struct Location {
  /// TLSConfig of a `.json` file.
  struct Tls {
    bool insecure_skip_verify = false;  // as in Docker also where there is no CA to verify by
    std::string ca_file;
    std::string certificate_file;
    std::string key_file;
  };
  std::string url;  // unix:///path, tcp://host:port, http://…, https://…
  std::optional<Tls> tls;
  std::string source;  // the file that says so
};

/// Only letters, digits, '_', '-' and '.', not a '.' first: a name is never a path. Names of netd's
/// and Docker's own drivers (bridge, host, null, macvlan, ipvlan, overlay, default, …) are none.
bool is_plugin_name(std::string_view name);

/// Nothing when no directory knows the name. Throws std::invalid_argument that names the file that
/// can't be understood.
std::optional<Location> find_plugin(const Directories& directories, std::string_view name);

/// The contents of `<name>.spec`, one URL, and of `<name>.json`. `file` is named in what they throw
/// (std::invalid_argument).
Location parse_spec(std::string_view text, const std::string& file);
Location parse_json(std::string_view text, const std::string& file);

}  // namespace netd::plugin
