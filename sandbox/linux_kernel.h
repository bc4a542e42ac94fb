// The real kernel: steps as rtnetlink requests, nft batches and writes to /proc/sys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sandbox/advertiser.h"
#include "sandbox/flow_forgetter.h"
#include "sandbox/kernel.h"
#include "sandbox/linux_peers.h"
#include "sandbox/linux_wireguard.h"
#include "sandbox/netns_cache.h"
#include "sandbox/nft.h"
#include "sandbox/reaper.h"
#include "sandbox/rtnl.h"

namespace sandbox {

/// "The host" is the network namespace of the thread that constructs it; all calls come from one
/// thread in that namespace (netd's control thread).
///
/// Links die in two parts: `revert` takes both ends down, marks the host end with `dying_group`
/// (links.h) and hands it to the reaper, which deletes it some tens of milliseconds later. In
/// between it is invisible here, and an `apply` that needs its name, index or bridge port waits for
/// it.
class LinuxKernel final : public Kernel {
 public:
  /// Opens the host's sockets and starts the threads; links that an earlier netd left dying are
  /// taken over. Throws std::system_error.
  LinuxKernel();

  void apply(const Step& step) override;
  void settle() noexcept override;
  void revert(const Step& step) override;
  std::optional<LinkFacts> find_link(const Netns& netns, const std::string& name) override;
  std::optional<Vxlan> find_vxlan(const std::string& name) override;
  std::vector<std::string> link_names(const Netns& netns) override;
  std::vector<ipam::Prefix> on_link_routes() override;
  std::optional<std::string> read_sysctl(const Netns& netns, const std::string& key) override;
  bool is_pinned(const std::string& path) override;
  bool is_namespace(const std::string& path, const Netns& netns) override;
  void replace_firewall(const std::vector<Element>& elements) override;
  void remove_firewall() override;
  void forget_flows(const std::vector<ipam::Address>& addresses,
                    const std::vector<Element>& ports) override;
  void sweep(const Netns& netns) override;
  bool has_link_kind(const std::string& kind) override;
  std::size_t dying_links() override;
  void drain() override;
  void advertise(std::uint32_t bridge_index, const ipam::Mac& mac,
                 const std::vector<ipam::Address>& addresses, int count, int interval_ms) override;
  Peers& peers() override { return peers_; }
  Wireguard& wireguard() override { return wireguard_; }

 private:
  void apply_once(const PinNamespace& step);
  void apply_once(const CreateBridge& step);
  void apply_once(const CreateVeth& step);
  void apply_once(const CreateVxlan& step);
  void apply_once(const MoveLink& step);
  void apply_once(const CreateLink& step);
  void apply_once(const SetLink& step);
  void apply_once(const SetBridgePort& step);
  void apply_once(const AddFdbEntry& step);
  void apply_once(const AddAddress& step);
  void apply_once(const AddRoute& step);
  void apply_once(const SetSysctl& step);
  void apply_once(const SetHostSysctl& step);
  void apply_once(const AddElements& step);
  void apply_once(const RedirectDns& step);
  void apply_once(const AdmitForwarding& step);

  void revert_once(const PinNamespace& step);
  void revert_once(const CreateBridge& step);
  void revert_once(const CreateVeth& step);
  void revert_once(const CreateVxlan& step);
  void revert_once(const MoveLink& step);
  void revert_once(const CreateLink& step);
  void revert_once(const AddFdbEntry& step);
  void revert_once(const AddAddress& step);
  void revert_once(const AddRoute& step);
  void revert_once(const AddElements& step);
  void revert_once(const RedirectDns& step);
  void revert_once(const AdmitForwarding& step);
  void revert_once(const SetLink&) {}
  void revert_once(const SetBridgePort&) {}
  void revert_once(const SetSysctl&) {}
  void revert_once(const SetHostSysctl&) {}

  /// The socket of `netns`. Throws std::system_error ENOENT when the namespace is gone.
  RtnlSocket& rtnl(const Netns& netns);
  /// The same, or null when the namespace is gone.
  RtnlSocket* find_rtnl(const Netns& netns);
  /// Takes a host link of netd's making down and leaves it to the reaper; false when it is gone, or
  /// the index is another link's now (neither name nor MAC is what netd gave it).
  bool bury(std::uint32_t index, const std::string& name, const ipam::Mac& mac, Reaper::Kind kind);
  /// Runs `body` in `netns`. Throws std::system_error ENOENT when the namespace is gone.
  void run_in(const Netns& netns, const std::function<void()>& body);

  RtnlSocket host_;
  std::vector<std::pair<Netns, std::uint32_t>> unsettled_;  // links
  Nft nft_;
  FlowForgetter flows_;
  NetnsCache namespaces_;
  std::map<std::string, bool> link_kinds_;
  Reaper reaper_;
  Advertiser advertiser_;
  LinuxPeers peers_;
  LinuxWireguard wireguard_;
};

}  // namespace sandbox
