// What load.cpp looks for.
#include <grpc/support/log.h>

#include <cstdlib>

#include "netd/etcd/store.h"

extern "C" {

[[gnu::visibility("default")]] extern const char netd_store_etcd_version[];
const char netd_store_etcd_version[] = NETD_VERSION;

[[gnu::visibility("default")]] netd::SharedStore* netd_store_etcd_open(
    const netd::EtcdOptions& options) {
  // What gRPC would write to stderr is in the texts of StoreErrors.
  if (!std::getenv("GRPC_VERBOSITY")) gpr_set_log_function([](gpr_log_func_args*) {});
  return new netd::etcd::EtcdStore(options);
}
}
