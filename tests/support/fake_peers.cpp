#include "tests/support/fake_peers.h"

#include <utility>

namespace tests {

using sandbox::PeerChange;
using sandbox::PeerTables;
using Act = PeerChange::Act;

void FakePeers::change_tunnel(PeerTables& tables, const PeerChange& change) {
  auto& there = tables.tunnels[change.mac];
  if (change.act == Act::put) {
    if (there.empty()) there.emplace_back();
    there.front() = {.vtep = change.address};
  } else if (change.act == Act::append) {
    there.push_back({.vtep = change.address});
  } else {
    std::erase_if(there, [&](const PeerTables::Tunnel& tunnel) {
      return change.address.is_any() || tunnel.vtep == change.address;
    });
  }
  if (there.empty()) tables.tunnels.erase(change.mac);
}

void FakePeers::carry_out(PeerTables& tables, const PeerChange& change) {
  const bool erases = change.act == Act::erase;
  switch (change.table) {
    case PeerChange::Table::tunnel:
      return change_tunnel(tables, change);
    case PeerChange::Table::forward:
      if (erases)
        tables.forwards.erase(change.mac);
      else
        tables.forwards[change.mac] = {};
      return;
    case PeerChange::Table::neighbour:
      if (erases)
        tables.neighbours.erase(change.address);
      else
        tables.neighbours[change.address] = {.mac = change.mac};
      return;
  }
}

sandbox::PeerOutcome FakePeers::change(const sandbox::PeerLinks& links,
                                       const std::vector<PeerChange>& changes) {
  sandbox::PeerOutcome outcome;
  outcome.lost = lose_next > 0;
  std::size_t left = outcome.lost ? changes.size() / 2 : changes.size();
  if (outcome.lost) --lose_next;
  for (const PeerChange& change : changes) {
    if (left-- == 0) break;
    const std::string text = to_text(change);
    log_ += text + "\n";
    if (text == fail_on) {
      outcome.failures.push_back(text + ": Input/output error");
      continue;
    }
    carry_out(tables[links], change);
  }
  return outcome;
}

std::string FakePeers::take_log() {
  return std::exchange(log_, {});
}

}  // namespace tests
