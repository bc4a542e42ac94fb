// The kernel's tables of remote endpoints in memory, with the real ones' rules, and the log of what
// was asked of them.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "sandbox/peers.h"

namespace tests {

class FakePeers final : public sandbox::Peers {
 public:
  sandbox::PeerTables read(const sandbox::PeerLinks& links) override { return tables[links]; }
  sandbox::PeerOutcome change(const sandbox::PeerLinks& links,
                              const std::vector<sandbox::PeerChange>& changes) override;

  /// All changes since the last call, a line each.
  std::string take_log();

  std::map<sandbox::PeerLinks, sandbox::PeerTables> tables;
  std::string fail_on;        // the change with this text fails with EIO
  std::size_t lose_next = 0;  // so many calls do half and lose the answers

 private:
  static void carry_out(sandbox::PeerTables& tables, const sandbox::PeerChange& change);
  static void change_tunnel(sandbox::PeerTables& tables, const sandbox::PeerChange& change);

  std::string log_;
};

}  // namespace tests
