// What load.cpp looks for.
#include <grpc/grpc.h>
#include <grpc/support/log.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "netd/etcd/store.h"

namespace {

/// Static objects go after gRPC has ended: what is under way when the last store goes, as a
/// connection that is being made, ends on gRPC's threads, and nothing tells when.
struct Ending {
  ~Ending() {
    using namespace std::chrono_literals;
    for (auto waited = 0ms; grpc_is_initialized() && waited < 1s; waited += 1ms)
      std::this_thread::sleep_for(1ms);
  }
};

}  // namespace

extern "C" {

[[gnu::visibility("default")]] extern const char netd_store_etcd_version[];
const char netd_store_etcd_version[] = NETD_VERSION;

[[gnu::visibility("default")]] netd::SharedStore* netd_store_etcd_open(
    const netd::EtcdOptions& options) {
  // What gRPC would write to stderr is in the texts of StoreErrors.
  if (!std::getenv("GRPC_VERBOSITY")) gpr_set_log_function([](gpr_log_func_args*) {});
  static const Ending ending;
  return new netd::etcd::EtcdStore(options);
}
}
