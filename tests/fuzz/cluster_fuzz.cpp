// What other hosts wrote into the store: keys and values.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "netd/cluster/keys.h"
#include "netd/cluster/values.h"

namespace {

using namespace netd::cluster;

/// What is read comes back as it was written.
template <class Value>
void read(const std::string& text) {
  Value value;
  try {
    from_text(text, value);
  } catch (const BadValue&) {
    return;
  }
  const std::string written = to_text(value);
  if (to_text(parse_value<Value>(written)) != written) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  read<Meta>(text);
  read<Network>(text);
  read<Holder>(text);
  read<Endpoint>(text);
  read<HostInfo>(text);
  read<HostLive>(text);
  token_of(text);
  const Keys keys("/c");
  for (const std::string& key : {text, "/c/" + text}) {
    if (const auto parsed = keys.parse_endpoint(key);
        parsed && keys.endpoint(parsed->network, parsed->host, parsed->endpoint) != key)
      abort();
    if (const auto id = keys.parse_network(key); id && keys.network(*id) != key) abort();
    keys.parse_address(key);
    keys.parse_host(key);
    keys.parse_pool(key);
  }
  return 0;
}
