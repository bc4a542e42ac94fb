// Regular expressions for filters, safe to take from strangers: time is linear in pattern × text
// and memory is bounded, whatever the pattern. The syntax is the common part of Go's regexp and
// PCRE.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace netd::api {

/// Literals, ".", "[a-z]", "[^a]", "\d \w \s \D \W \S", "* + ? {m} {m,} {m,n}" (and their lazy
/// forms),
/// "|", "( )", "(?: )", "^", "$". Bytes, not runes.
class Pattern {
 public:
  static constexpr std::size_t most_bytes = 256;   // of the pattern
  static constexpr std::size_t most_states = 512;  // after repetitions are written out
  static constexpr int most_depth = 32;            // of parentheses

  /// Absent when it is malformed, uses more than the syntax above, or exceeds a bound.
  static std::optional<Pattern> compile(std::string_view text);

  /// True when the pattern fits anywhere in `text` (unanchored).
  bool is_found_in(std::string_view text) const;

  enum class Kind : std::uint8_t { byte, split, begin, end, match };
  struct State {
    Kind kind = Kind::match;
    std::bitset<256> bytes;  // byte: what it takes
    std::uint32_t next = 0;
    std::uint32_t alternative = 0;  // split: the other way
  };

 private:
  std::vector<State> states_;
  std::uint32_t start_ = 0;
};

}  // namespace netd::api
