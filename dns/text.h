// ASCII case folding, the only one that DNS knows (RFC 4343). Locale-free.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace dns {

constexpr char to_lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte;
}

inline std::string to_lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char byte) { return to_lower(byte); });
  return lower;
}

/// Whether `text` in lower case is `lower`.
inline bool equals_lower(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, {}, [](char byte) { return to_lower(byte); });
}

/// Whether both are the same but for the case of ASCII letters.
inline bool equals_ignoring_case(std::string_view left, std::string_view right) {
  const auto fold = [](char byte) { return to_lower(byte); };
  return std::ranges::equal(left, right, {}, fold, fold);
}

}  // namespace dns
