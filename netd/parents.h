// Parents of macvlan and ipvlan networks: links of the host's that networks are stacked on. A
// parent was there before (adopted), or netd makes it: an 802.1Q link "eth0.42", or one that leads
// nowhere for an internal network. Several networks may be on one; what netd made belongs to one of
// them, and goes over to another when that one is removed, last of all with the last.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "netd/controller_state.h"

namespace netd {

/// Finds the network's parent, or says how it is to be made; its link, parent and host access are
/// set. Throws std::invalid_argument (no such parent), drivers::Refused (another network's), Error.
void choose_parent(Controller::State& state, drivers::Network& network,
                   std::vector<std::string>& warnings);

/// The network that takes over the parent that netd made for `leaving`, with its new plan; nothing
/// when there is none to take over, or nobody.
std::optional<NetworkRecord> heir_of(const Controller::State& state, const NetworkRecord& leaving);

/// What has changed of the parent since: it may have another index, or be gone. False: the network
/// has no parent now, and can't be given one.
bool find_parent_again(Controller::State& state, drivers::Network& network);

}  // namespace netd
