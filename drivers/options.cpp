#include "drivers/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>

namespace drivers {
namespace {

[[noreturn]] void refuse(std::string_view key, std::string_view value, std::string_view reason) {
  throw std::invalid_argument(fmt::format("failed to parse {} value: {} ({})", key, value, reason));
}

const std::string* find(const Options& options, std::string_view key) {
  const auto found = options.find(std::string(key));
  return found == options.end() ? nullptr : &found->second;
}

/// Levenshtein distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

void check_interface_name(std::string_view what, std::string_view name) {
  constexpr std::size_t longest = 15;
  static constexpr std::array reserved{".", "..", "lo", "all", "default"};
  if (!name.empty() && name.size() <= longest &&
      name.find_first_of("/:% \t\n") == std::string_view::npos &&
      std::ranges::find(reserved, name) == reserved.end())
    return;
  throw std::invalid_argument(
      fmt::format("{} '{}' is no valid interface name: at most 15 characters, no '/', ':', '%' or "
                  "space, and not lo, all or default",
                  what, name));
}

std::string text_option(const Options& options, std::string_view key, std::string_view fallback) {
  const std::string* value = find(options, key);
  return value ? *value : std::string(fallback);
}

bool bool_option(const Options& options, std::string_view key, bool fallback) {
  const std::string* value = find(options, key);
  if (!value) return fallback;
  static constexpr std::array yes{"1", "t", "T", "true", "TRUE", "True"};
  static constexpr std::array no{"0", "f", "F", "false", "FALSE", "False"};
  if (std::ranges::find(yes, *value) != yes.end()) return true;
  if (std::ranges::find(no, *value) != no.end()) return false;
  refuse(key, *value, "expected true or false");
}

int int_option(const Options& options, std::string_view key, int fallback, int low, int high) {
  const std::string* value = find(options, key);
  if (!value) return fallback;
  int number = 0;
  const char* end = value->data() + value->size();
  const auto [parsed, error] = std::from_chars(value->data(), end, number);
  if (error != std::errc() || parsed != end) refuse(key, *value, "expected a whole number");
  if (number < low || number > high)
    refuse(key, *value, fmt::format("expected {} to {}", low, high));
  return number;
}

std::optional<ipam::Address> address_option(const Options& options, std::string_view key) {
  const std::string* value = find(options, key);
  if (!value || value->empty()) return std::nullopt;
  const auto address = ipam::Address::parse(*value);
  if (!address) refuse(key, *value, "expected an IP address");
  return address;
}

std::vector<std::pair<std::string, std::string>> endpoint_sysctls(const Options& options,
                                                                  std::string_view interface) {
  std::vector<std::pair<std::string, std::string>> sysctls;
  const std::string* value = find(options, option_endpoint_sysctls);
  if (!value || value->empty()) return sysctls;
  for (const std::string& setting : split(*value, ',')) {
    const std::size_t equals = setting.find('=');
    const std::vector<std::string> parts = split(setting.substr(0, equals), '.');
    const bool known_form = equals != std::string::npos && parts.size() == 5 && parts[0] == "net" &&
                            (parts[1] == "ipv4" || parts[1] == "ipv6" || parts[1] == "mpls") &&
                            (parts[3] == "IFNAME" || parts[3] == "ifname") && !parts[2].empty() &&
                            !parts[4].empty() && setting.find('/') == std::string::npos;
    if (!known_form)
      throw std::invalid_argument(
          fmt::format("unrecognised network interface sysctl '{}'; represent 'net.X.Y.ethN.Z=V' as "
                      "'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'",
                      setting));
    sysctls.emplace_back(fmt::format("net/{}/{}/{}/{}", parts[1], parts[2], interface, parts[4]),
                         setting.substr(equals + 1));
  }
  return sysctls;
}

std::vector<std::string> warn_unknown(const Options& options,
                                      std::span<const std::string_view> known,
                                      std::string_view driver) {
  std::vector<std::string> warnings;
  for (const auto& [key, value] : options) {
    if (std::ranges::find(known, key) != known.end()) continue;
    std::string warning =
        fmt::format("option {} is not known to driver {} and has no effect", key, driver);
    const auto nearest = std::ranges::min_element(
        known, {}, [&](std::string_view candidate) { return distance(key, candidate); });
    // A label key of another kind is nobody's misspelling: suggest only what is close.
    if (nearest != known.end() && distance(key, *nearest) <= 1 + key.size() / 3)
      warning += fmt::format("; did you mean {}?", *nearest);
    warnings.push_back(std::move(warning));
  }
  return warnings;
}

}  // namespace drivers
