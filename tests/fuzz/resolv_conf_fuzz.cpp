// The host's resolv.conf, which anybody may have written: every text gives a file for a sandbox,
// and that file reads as what it says.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sandbox/resolv_conf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const sandbox::HostResolvConf host{"/etc/resolv.conf", sandbox::parse_resolv_conf(text)};
  const std::string internal = sandbox::internal_resolv_conf(host, {});
  const sandbox::ResolvConf read = sandbox::parse_resolv_conf(internal);
  if (read.nameservers.size() != 1 || read.search != host.content.search) std::abort();
  if (sandbox::ndots_of(read.options) < 0) std::abort();
  if (read.other != host.content.other) std::abort();
  sandbox::legacy_resolv_conf(host, {}, true);
  return 0;
}
