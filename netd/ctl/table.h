// Text for people: aligned columns, colours, times.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace netd::ctl {

using Row = std::vector<std::string>;

/// Docker's layout: a column is as wide as its longest cell and three spaces, at least ten; the
/// last one isn't padded. Control characters in cells are shown as '?'.
std::string format_table(const Row& headings, const std::vector<Row>& rows);

/// How many columns of a terminal UTF-8 text takes (one a code point).
std::size_t display_width(std::string_view text);

/// The text with control characters replaced by '?': names come from other users.
std::string printable(std::string_view text);

/// The first 12 digits of an id.
std::string short_id(const std::string& id);

enum class Style { bold, dim, green, yellow, cyan };

/// The text in this style when `colour`, else as it is.
std::string styled(std::string_view text, Style style, bool colour);

/// "2026-08-23T10:00:00.000000001Z" (RFC 3339, UTC) of nanoseconds since 1970.
std::string format_time(std::int64_t unix_nanoseconds);

}  // namespace netd::ctl
