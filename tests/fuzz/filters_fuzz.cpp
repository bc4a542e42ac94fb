// The `filters` parameter: JSON of strangers with regular expressions in it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "netd/api/event_json.h"
#include "netd/api/filters.h"
#include "netd/error.h"

namespace {

netd::NetworkRecord network() {
  netd::NetworkRecord record;
  record.network.id = "3f2a91c0d4e73f2a91c0d4e73f2a91c0d4e73f2a91c0d4e73f2a91c0d4e73f2a";
  record.network.name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
  record.network.driver = "bridge";
  record.labels = {{"a", "b"}};
  return record;
}

template <class Act>
void expect_error_or_none(Act act) {
  try {
    act();
  } catch (const netd::Error& error) {
    if (error.kind() != netd::ErrorKind::invalid) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  expect_error_or_none([&] {
    const auto filters = netd::api::Filters::parse(text);
    expect_error_or_none([&] { netd::api::NetworkFilter(filters).accepts(network(), true); });
    expect_error_or_none([&] { netd::api::PruneFilter(filters, 1'000'000).accepts(network()); });
    expect_error_or_none([&] { netd::api::EventFilter(filters).accepts({.type = "network"}); });
  });
  return 0;
}
