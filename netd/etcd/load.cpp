#include "netd/etcd/load.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace netd {
namespace {

namespace fs = std::filesystem;

constexpr const char* file_name = "netd-store-etcd.so";

StoreError failure(const std::string& text) {
  return {StoreError::Kind::failed, text};
}

fs::path find_module() {
  if (const char* directory = std::getenv("NETD_MODULE_DIR"))
    return fs::path(directory) / file_name;
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  const fs::path beside = program.parent_path().parent_path() / "lib/netd" / file_name;
  if (!program.empty() && fs::exists(beside, ignored)) return beside;
  return fs::path("/usr/lib/netd") / file_name;
}

}  // namespace

std::unique_ptr<SharedStore> open_etcd(const EtcdOptions& options) {
  const fs::path file = find_module();
  // Never unloaded: gRPC's threads outlive what it is used for.
  void* module = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!module) {
    const std::string why = dlerror();
    throw failure("load etcd's module: " + why +
                  "; install the package netd-store-etcd, or say in NETD_MODULE_DIR where it is");
  }
  const auto* version = static_cast<const char*>(dlsym(module, "netd_store_etcd_version"));
  using Open = SharedStore*(const EtcdOptions&);
  auto* const open = reinterpret_cast<Open*>(dlsym(module, "netd_store_etcd_open"));
  if (!version || !open || std::string(version) != NETD_VERSION)
    throw failure("load " + file.string() + ": it is of netd " + (version ? version : "(unknown)") +
                  ", this is " NETD_VERSION
                  "; install the package netd-store-etcd of this version");
  return std::unique_ptr<SharedStore>(open(options));
}

}  // namespace netd
