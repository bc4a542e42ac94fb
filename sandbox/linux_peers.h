// The kernel's tables of remote endpoints over rtnetlink: dumps of one link, and changes many at a
// time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sandbox/fd.h"
#include "sandbox/peers.h"
#include "sandbox/rtnl.h"

namespace sandbox {

/// Two sockets in the namespace of the thread that constructs it, for good. One thread at a time;
/// it may be another than netd's control thread.
class LinuxPeers final : public Peers {
 public:
  /// Messages in one send: beyond it nothing gets faster, and the kernel's answers would not fit.
  static constexpr std::size_t batch_size = 256;

  /// Throws std::system_error.
  LinuxPeers();
  PeerTables read(const PeerLinks& links) override;
  PeerOutcome change(const PeerLinks& links, const std::vector<PeerChange>& changes) override;

 private:
  void send(const PeerLinks& links, std::span<const PeerChange> changes, PeerOutcome& outcome);
  void receive(std::span<const PeerChange> changes, std::uint32_t first, PeerOutcome& outcome);

  RtnlSocket rtnl_;
  Fd socket_;
  std::uint32_t sequence_ = 0;
  std::vector<char> buffer_;
};

}  // namespace sandbox
