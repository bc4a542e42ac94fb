// Where a daemon is, as users write it.
#pragma once

#include <string>

namespace netd::client {

struct Address {
  std::string path;  // of a unix socket; empty = TCP
  std::string name;  // host name or IP address, IPv6 without brackets
  std::string port;

  bool is_unix() const { return !path.empty(); }
};

/// Reads "unix:///path", "/path", "tcp://name:port", "tcp://[::1]:port". Throws
/// std::invalid_argument with the forms that are understood.
Address parse_address(const std::string& host);

}  // namespace netd::client
