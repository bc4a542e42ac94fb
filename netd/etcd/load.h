// The etcd engine of the store. It is a module, so that a netd of one host needs no gRPC
// (docs/decisions/006-etcd.md).
#pragma once

#include <memory>

#include "netd/etcd/options.h"
#include "netd/store.h"

namespace netd {

/// Loads lib/netd/netd-store-etcd.so, from the directory NETD_MODULE_DIR, or else ../lib/netd
/// beside the running program's directory, or else /usr/lib/netd. Nothing is asked of etcd yet.
/// Throws StoreError: `failed` without the module, or with one of another netd; `denied` when the
/// TLS files can't be read. Throws std::invalid_argument for endpoints that are none.
std::unique_ptr<SharedStore> open_etcd(const EtcdOptions& options);

}  // namespace netd
