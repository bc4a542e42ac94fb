#include "netd/ctl/table.h"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>

namespace netd::ctl {
namespace {

constexpr std::size_t padding = 3;
constexpr std::size_t least_width = 10;

void append_line(std::string& text, const Row& row, const std::vector<std::size_t>& widths) {
  for (std::size_t column = 0; column < row.size(); ++column) {
    const std::string cell = printable(row[column]);
    text += cell;
    if (column + 1 < row.size()) text.append(widths[column] - display_width(cell), ' ');
  }
  text += '\n';
}

std::string_view escape_of(Style style) {
  switch (style) {
    case Style::bold:
      return "\033[1m";
    case Style::dim:
      return "\033[2m";
    case Style::green:
      return "\033[32m";
    case Style::yellow:
      return "\033[33m";
    case Style::cyan:
      return "\033[36m";
  }
  return "";
}

}  // namespace

std::string format_table(const Row& headings, const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(headings.size(), least_width);
  const auto widen = [&widths](const Row& row) {
    for (std::size_t column = 0; column < std::min(row.size(), widths.size()); ++column) {
      widths[column] = std::max(widths[column], display_width(row[column]) + padding);
    }
  };
  widen(headings);
  for (const Row& row : rows)
    widen(row);

  std::string text;
  append_line(text, headings, widths);
  for (const Row& row : rows)
    append_line(text, row, widths);
  return text;
}

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;  // not a continuation byte
  }));
}

std::string printable(std::string_view text) {
  std::string result(text);
  std::replace_if(
      result.begin(), result.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return result;
}

std::string short_id(const std::string& id) {
  return id.substr(0, 12);
}

std::string styled(std::string_view text, Style style, bool colour) {
  if (!colour) return std::string(text);
  return fmt::format("{}{}\033[0m", escape_of(style), text);
}

std::string format_time(std::int64_t unix_nanoseconds) {
  constexpr std::int64_t second = 1'000'000'000;
  const std::time_t seconds = unix_nanoseconds / second;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     unix_nanoseconds % second);
}

}  // namespace netd::ctl
