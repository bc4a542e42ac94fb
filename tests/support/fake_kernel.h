// A kernel in memory with the real one's rules, for everything above sandbox/kernel.h: names and
// indexes are unique in their namespace, what is there already is EEXIST, what isn't is ENODEV or
// ENOENT, a route wants a link that is up and a gateway in reach, a namespace takes its links and
// their peers along, a deleted link takes its addresses, routes and sysctls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ipam/address.h"
#include "sandbox/kernel.h"
#include "tests/support/fake_peers.h"
#include "tests/support/fake_wireguard.h"

namespace tests {

class FakeKernel : public sandbox::Kernel {
 public:
  /// A host namespace with lo (up) and netd's nft table, empty.
  FakeKernel();

  // ---- the world before netd ----

  /// A namespace somebody else made, which PinNamespace can adopt: "/proc/42/ns/net".
  void add_namespace(const std::string& path);
  /// Somebody else's namespace goes; it lives on when it is pinned.
  void remove_namespace(const std::string& path);
  /// A link that netd didn't make. Returns its index.
  std::uint32_t add_link(const sandbox::Netns& netns, const std::string& name,
                         const std::string& kind = "",
                         const std::vector<ipam::Prefix>& addresses = {}, bool up = true);
  void set_sysctl(const sandbox::Netns& netns, const std::string& key, const std::string& value);
  /// All namespaces but the host's, all of netd's links and elements are gone.
  void reboot();

  /// The kernel has no links of that kind.
  void lack(const std::string& kind) { lacking_.insert(kind); }
  /// Somebody else deletes or renames a link of the host's.
  void remove_link(const std::string& name);
  void rename_link(const std::string& name, const std::string& to);

  // ---- faults ----

  /// The `nth` apply from now (1 = the next) throws EIO and does nothing; 0 = none.
  void fail_at(std::size_t nth) { fail_apply_in_ = nth; }
  /// The next `count` reverts throw EIO and do nothing.
  void fail_reverts(std::size_t count) { reverts_to_fail_ = count; }
  /// False: links are deleted at once. True (the start): they are dying, down and unseen, until
  /// drain() or until their name or index is wanted.
  void reap_later(bool later) { reap_later_ = later; }

  // ---- what is there ----

  /// All that netd can have made and that isn't dying, a line each, sorted: the same text = the
  /// same kernel. Host-global sysctls, which stay by design, are shown as before.
  std::string state() const;

  bool has_firewall() const { return firewall_; }
  std::vector<sandbox::Element> elements() const;

  struct Counters {
    std::size_t applied = 0;
    std::size_t reverted = 0;
    std::size_t firewall_replacements = 0;
    std::size_t drains = 0;
  };
  const Counters& counters() const { return counters_; }

  struct FlowsForgotten {
    std::vector<ipam::Address> addresses;
    std::vector<sandbox::Element> ports;
  };
  const std::vector<FlowsForgotten>& flows_forgotten() const { return flows_forgotten_; }

  struct Advertisement {
    std::uint32_t bridge_index = 0;
    ipam::Mac mac;
    std::vector<ipam::Address> addresses;
  };
  const std::vector<Advertisement>& advertisements() const { return advertisements_; }

  // ---- sandbox::Kernel ----

  void apply(const sandbox::Step& step) override;
  void revert(const sandbox::Step& step) override;
  std::optional<sandbox::LinkFacts> find_link(const sandbox::Netns& netns,
                                              const std::string& name) override;
  std::optional<sandbox::Vxlan> find_vxlan(const std::string& name) override;
  std::vector<std::string> link_names(const sandbox::Netns& netns) override;
  std::vector<ipam::Prefix> on_link_routes() override;
  std::optional<std::string> read_sysctl(const sandbox::Netns& netns,
                                         const std::string& key) override;
  bool is_pinned(const std::string& path) override;
  /// This process lives in the host's namespace.
  bool is_namespace(const std::string& path, const sandbox::Netns& netns) override;
  void replace_firewall(const std::vector<sandbox::Element>& elements) override;
  void remove_firewall() override;
  void forget_flows(const std::vector<ipam::Address>& addresses,
                    const std::vector<sandbox::Element>& ports) override;
  void sweep(const sandbox::Netns&) override {}
  bool has_link_kind(const std::string& kind) override { return !lacking_.contains(kind); }
  std::size_t dying_links() override;
  void drain() override;
  void advertise(std::uint32_t bridge_index, const ipam::Mac& mac,
                 const std::vector<ipam::Address>& addresses, int count, int interval_ms) override;
  FakePeers& peers() override { return peers_; }
  FakeWireguard& wireguard() override { return wireguard_; }

 private:
  using NamespaceId = int;

  struct Link {
    std::string name;
    std::string kind;
    ipam::Mac mac{};
    std::uint32_t mtu = 1500;
    std::string alias{};
    std::uint32_t master = 0;
    std::uint32_t parent = 0;  // in the host's namespace
    std::string detail{};      // what its kind makes of it
    std::optional<std::pair<NamespaceId, std::uint32_t>> peer{};
    bool up = false;
    bool ipv6_link_local = true;
    bool no_snooping = false;
    sandbox::SetBridgePort port{};
    std::optional<sandbox::CreateVxlan> vxlan{};
    std::set<ipam::Mac> fdb{};  // static entries of a bridge port
    bool dying = false;
    std::set<ipam::Prefix> addresses{};
  };

  struct Route {
    ipam::Prefix destination;
    std::uint32_t metric = 0;
    std::uint32_t index = 0;
    std::optional<ipam::Address> gateway;
    std::string type;
  };

  static constexpr NamespaceId host = 0;
  static constexpr std::uint32_t lo_index = 1;

  struct Namespace {
    std::map<std::uint32_t, Link> links;
    std::vector<Route> routes;
    std::map<std::string, std::string> sysctls;
    std::optional<std::uint16_t> dns_port;
  };

  // apply and revert, one overload for each kind of step
  void make(const sandbox::PinNamespace& step);
  void make(const sandbox::CreateBridge& step);
  void make(const sandbox::CreateVeth& step);
  void make(const sandbox::CreateVxlan& step);
  void make(const sandbox::MoveLink& step);
  void make(const sandbox::CreateLink& step);
  void make(const sandbox::SetLink& step);
  void make(const sandbox::SetBridgePort& step);
  void make(const sandbox::AddFdbEntry& step);
  void make(const sandbox::AddAddress& step);
  void make(const sandbox::AddRoute& step);
  void make(const sandbox::SetSysctl& step);
  void make(const sandbox::SetHostSysctl& step);
  void make(const sandbox::AddElements& step);
  void make(const sandbox::RedirectDns& step);
  void make(const sandbox::AdmitForwarding& step) { admitted_.insert(step.link); }
  void unmake(const sandbox::PinNamespace& step);
  void unmake(const sandbox::CreateBridge& step);
  void unmake(const sandbox::CreateVeth& step);
  void unmake(const sandbox::CreateVxlan& step);
  void unmake(const sandbox::MoveLink& step);
  void unmake(const sandbox::CreateLink& step);
  void unmake(const sandbox::AddFdbEntry& step);
  void unmake(const sandbox::AddAddress& step);
  void unmake(const sandbox::AddRoute& step);
  void unmake(const sandbox::AddElements& step);
  void unmake(const sandbox::RedirectDns& step);
  void unmake(const sandbox::AdmitForwarding& step) { admitted_.erase(step.link); }
  void unmake(const auto&) {}  // set and host-global steps

  std::optional<NamespaceId> find_namespace(const sandbox::Netns& netns) const;
  NamespaceId namespace_id(const sandbox::Netns& netns, const std::string& act) const;
  Namespace& namespace_at(const sandbox::Netns& netns, const std::string& act);
  Link& link_at(const sandbox::Netns& netns, std::uint32_t index, const std::string& act);
  NamespaceId create_namespace();
  /// What the kernel gives a link that nobody chose an index for.
  static std::uint32_t free_index(const Namespace& netns);
  void drop_unreferenced_namespaces();

  void check_free(NamespaceId netns, const std::string& name, std::uint32_t index,
                  const std::string& act, int index_error);
  void reap_holders(NamespaceId netns, const std::string& name, std::uint32_t index);
  void set_up(Namespace& netns, std::uint32_t index, bool up);
  void move_link(NamespaceId from, std::uint32_t index, NamespaceId to, const std::string& name,
                 std::uint32_t new_index, const std::string& act);
  void remove_link(std::uint32_t index, const std::string& name);
  void retire_link(NamespaceId where, std::uint32_t index);
  void delete_link(NamespaceId netns, std::uint32_t index);
  void delete_children(std::uint32_t parent);
  void set_sysctl(Namespace& netns, const std::string& key, const std::string& value,
                  const std::string& act);
  static std::pair<std::string, std::string> element_key(const sandbox::Element& element);
  static std::string link_text(std::uint32_t index, const Link& link);
  void dump(const std::string& where, const Namespace& netns, std::set<std::string>& lines) const;

  std::map<NamespaceId, Namespace> namespaces_;
  NamespaceId next_namespace_ = 1;
  std::map<std::string, NamespaceId> pins_;
  std::map<std::string, NamespaceId> outside_;  // other people's namespaces
  /// What SetHostSysctl changed, as it was before.
  std::map<std::string, std::optional<std::string>> host_global_;
  /// By set and key text.
  std::map<std::pair<std::string, std::string>, sandbox::Element> elements_;
  std::set<std::string> admitted_;
  std::set<std::string> lacking_;
  bool firewall_ = true;
  bool reap_later_ = true;
  std::size_t fail_apply_in_ = 0;
  std::size_t reverts_to_fail_ = 0;
  Counters counters_;
  FakePeers peers_;
  FakeWireguard wireguard_;
  std::vector<FlowsForgotten> flows_forgotten_;
  std::vector<Advertisement> advertisements_;
};

}  // namespace tests
