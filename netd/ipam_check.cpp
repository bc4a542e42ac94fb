#include "netd/ipam_check.h"

#include <fmt/format.h>

namespace netd {
namespace {

using Problems = std::vector<std::string>;

std::string_view family_name(ipam::Family family) {
  return family == ipam::Family::v4 ? "IPv4" : "IPv6";
}

void check_range(const ipam::Prefix& range, const ipam::Prefix& subnet, Problems& problems) {
  const std::string what = fmt::format("invalid ip-range {}", range.to_string());
  if (range.family() != subnet.family()) {
    problems.push_back(
        fmt::format("{}: parent subnet is an {} block", what, family_name(subnet.family())));
    return;
  }
  if (range.length < subnet.length)
    problems.push_back(fmt::format("{}: CIDR block is bigger than its parent subnet {}", what,
                                   subnet.to_string()));
  if (!range.is_masked())
    problems.push_back(fmt::format("{}: it should be {}", what, range.masked().to_string()));
  if (!subnet.overlaps(range))
    problems.push_back(
        fmt::format("{}: parent subnet {} doesn't contain ip-range", what, subnet.to_string()));
}

void check_address(const std::string& what, const ipam::Address& address,
                   const ipam::Prefix& subnet, Problems& problems) {
  if (address.family() != subnet.family())
    problems.push_back(
        fmt::format("{}: parent subnet is an {} block", what, family_name(subnet.family())));
  else if (!subnet.contains(address))
    problems.push_back(
        fmt::format("{}: parent subnet {} doesn't contain this address", what, subnet.to_string()));
}

/// What belongs to a subnet, without one.
void check_orphans(const PoolRequest& pool, Problems& problems) {
  constexpr std::string_view remedy = "there is no parent subnet: give one with --subnet";
  if (pool.range)
    problems.push_back(fmt::format("invalid ip-range {}: {}", pool.range->to_string(), remedy));
  if (pool.gateway)
    problems.push_back(fmt::format("invalid gateway {}: {}", pool.gateway->to_string(), remedy));
  for (const auto& [name, address] : pool.auxiliary)
    problems.push_back(fmt::format("invalid auxiliary address {}: {}", name, remedy));
}

void check_pool(const PoolRequest& pool, const ipam::Prefix& subnet, Problems& problems) {
  if (!subnet.is_masked())
    problems.push_back(fmt::format("invalid subnet {}: it should be {}", subnet.to_string(),
                                   subnet.masked().to_string()));
  if (pool.range) check_range(*pool.range, subnet, problems);
  if (pool.gateway)
    check_address(fmt::format("invalid gateway {}", pool.gateway->to_string()), *pool.gateway,
                  subnet, problems);
  for (const auto& [name, address] : pool.auxiliary)
    check_address(fmt::format("invalid auxiliary address {}", name), address, subnet, problems);
}

}  // namespace

std::vector<std::string> check_pools(const std::vector<PoolRequest>& pools, bool ipv6) {
  Problems problems;
  for (const PoolRequest& pool : pools) {
    if (!pool.subnet)
      check_orphans(pool, problems);
    else if (ipv6 || pool.subnet->family() == ipam::Family::v4)
      check_pool(pool, *pool.subnet, problems);
  }
  return problems;
}

}  // namespace netd
