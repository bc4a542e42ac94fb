// What is in a network namespace, asked of the kernel (rtnetlink(7)): plugins tell their runtimes
// what there is, not what was asked for.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace runtime_hooks {

/// Whether both are there and the same: paths of one namespace differ, the inode tells.
bool is_same_namespace(const std::string& path, const std::string& other);

struct LinkView {
  int index = 0;
  std::string name;
  std::string mac;  // "02:42:…"; empty = none
  int mtu = 0;
  std::string kind;  // "veth", "macvlan", "bridge"; empty = no software's
  int lower = 0;     // IFLA_LINK: a veth's other end, in its own namespace
  int master = 0;    // the bridge that it is a port of
};

struct RouteView {
  std::string destination;  // "0.0.0.0/0"
  std::string gateway;      // empty = on the link
  int metric = 0;
  int link = 0;  // 0: several
};

class NetnsView {
 public:
  /// The namespace that the process is in.
  NetnsView();
  /// That of a path; throws std::system_error "PATH: …".
  explicit NetnsView(const std::string& path);
  ~NetnsView();
  NetnsView(const NetnsView&) = delete;
  NetnsView& operator=(const NetnsView&) = delete;

  std::optional<LinkView> link(const std::string& name);
  std::optional<LinkView> link(int index);
  /// "10.5.0.2/24", without link-local ones of IPv6.
  std::vector<std::string> addresses(int link);
  /// Of the main table, without those that the kernel makes of addresses. `link` 0: of all.
  std::vector<RouteView> routes(int link = 0);

 private:
  struct Message;
  std::vector<Message> ask(int type, int flags, const void* head, std::size_t size,
                           const std::string& name = "");
  std::optional<LinkView> find_link(int index, const std::string& name);

  int socket_ = -1;
  unsigned sequence_ = 0;
};

}  // namespace runtime_hooks
