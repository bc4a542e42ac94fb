// The files of a sandbox that its runtime bind-mounts over /etc/hosts, /etc/hostname and
// /etc/resolv.conf:
//
//   <run dir>/sandboxes/<id>/hosts
//                            hostname
//                            resolv.conf         (its text: resolv_conf.h)
//                            resolv.conf.hash    of what netd wrote there
//
// They are written in place: a bind mount is of the inode, so a file that is replaced by rename
// would never reach the container.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ipam/address.h"

namespace sandbox {

/// A line of hosts(5).
struct HostsEntry {
  ipam::Address address;
  std::vector<std::string> names;
  friend bool operator==(const HostsEntry&, const HostsEntry&) = default;
};

/// libnetwork.md 5.6
struct Hosts {
  bool ipv6 = false;  // some network of the sandbox has IPv6
  std::vector<HostsEntry> extra;
  std::vector<HostsEntry> own;  // per address of each endpoint; names: own_names()
};

/// Throws std::invalid_argument when a name holds a space, '#' or a control character, which would
/// make further entries of it.
std::string hosts_text(const Hosts& hosts);

/// "web" + "example.com" -> {"web.example.com", "web"}; "web.example.com" + "" -> the same;
/// "web" + "" -> {"web"}; nothing for an empty hostname.
std::vector<std::string> own_names(std::string_view hostname, std::string_view domainname);

/// `--add-host`: "name:ip", "name=ip", "name:[::1]", "name:host-gateway" (an entry for each of
/// `host_gateway`). Throws std::invalid_argument with Docker's texts.
std::vector<HostsEntry> parse_extra_host(std::string_view text,
                                         const std::vector<ipam::Address>& host_gateway);

/// The texts of one sandbox's files.
struct SandboxFiles {
  std::string hostname;  // without a newline
  std::string hosts;
  std::string resolv_conf;
};

/// Writes all of them into `directory`, which is made if need be (0755; files 0644). A resolv.conf
/// that differs from what netd wrote last is the user's and stays: false. Throws std::system_error.
bool write_sandbox_files(const std::string& directory, const SandboxFiles& files);

/// The single ones, for changes. As above.
void write_hosts(const std::string& directory, const std::string& text);
bool write_resolv_conf(const std::string& directory, const std::string& text);

/// Removes the files and the directory; gone = done. A directory with other files in it stays.
/// Throws std::system_error.
void remove_sandbox_files(const std::string& directory);

}  // namespace sandbox
