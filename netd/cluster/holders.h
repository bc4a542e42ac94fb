// Whose something is that was asked for and is taken, in words for who asked. The store is asked;
// what it does not say is called by its id.
#pragma once

#include <string>
#include <string_view>

#include "netd/cluster/keys.h"
#include "netd/store.h"

namespace netd::cluster {

/// "shop", or the id's first digits. Does not throw.
std::string network_name(Store& store, const Keys& keys, const std::string& id);

/// Of what stands under an address or a MAC address (Holder): "db on host b", "the network's own".
/// Does not throw.
std::string holder_name(Store& store, const Keys& keys, const std::string& network,
                        std::string_view holder);

}  // namespace netd::cluster
