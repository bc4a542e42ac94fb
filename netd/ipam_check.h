// What is wrong with the subnets of a network that is to be created, before anything is allocated
// (libnetwork.md 3.6; moby's api/types/network.ValidateIPAM).
#pragma once

#include <string>
#include <vector>

#include "netd/model.h"

namespace netd {

/// One text for each problem, none when all is well. IPv6 pools are skipped unless `ipv6`: they are
/// kept but not used.
std::vector<std::string> check_pools(const std::vector<PoolRequest>& pools, bool ipv6);

}  // namespace netd
