#include "netd/api/times.h"

#include <fmt/format.h>
#include <time.h>

#include <array>
#include <charconv>
#include <cmath>

namespace netd::api {
namespace {

constexpr std::int64_t second_nano = 1'000'000'000;
// What int64 nanoseconds can hold: years 1678 to 2262.
constexpr std::int64_t most_seconds = INT64_MAX / second_nano - 1;

/// Reads `count` digits at the front of `text`, in [low, high].
bool take_number(std::string_view& text, std::size_t count, int low, int high, int& value) {
  if (text.size() < count) return false;
  const auto result = std::from_chars(text.data(), text.data() + count, value);
  if (result.ec != std::errc() || result.ptr != text.data() + count || text[0] == '-') return false;
  text.remove_prefix(count);
  return value >= low && value <= high;
}

bool take(std::string_view& text, char character) {
  if (!text.starts_with(character)) return false;
  text.remove_prefix(1);
  return true;
}

/// Digits after a decimal point as nanoseconds; absent when there is none or more than nine.
std::optional<std::int64_t> take_fraction(std::string_view& text) {
  std::int64_t nano = 0;
  std::int64_t unit = second_nano;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    unit /= 10;
    if (unit == 0) return std::nullopt;
    nano += (text[0] - '0') * unit;
    text.remove_prefix(1);
  }
  if (unit == second_nano) return std::nullopt;
  return nano;
}

/// "Z", "+02:00" or nothing, as seconds east of UTC.
std::optional<int> take_zone(std::string_view& text) {
  if (text.empty() || take(text, 'Z')) return 0;
  const int sign = text[0] == '-' ? -1 : 1;
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  int hours = 0;
  int minutes = 0;
  if (!take_number(text, 2, 0, 23, hours) || !take(text, ':') ||
      !take_number(text, 2, 0, 59, minutes))
    return std::nullopt;
  return sign * (hours * 3600 + minutes * 60);
}

std::optional<std::int64_t> parse_date(std::string_view text) {
  int year = 0;
  int month = 0;
  int day = 0;
  if (!take_number(text, 4, 1678, 2261, year) || !take(text, '-') ||
      !take_number(text, 2, 1, 12, month) || !take(text, '-') || !take_number(text, 2, 1, 31, day))
    return std::nullopt;
  tm broken{};
  broken.tm_year = year - 1900;
  broken.tm_mon = month - 1;
  broken.tm_mday = day;
  std::int64_t nano = 0;
  if (take(text, 'T')) {
    if (!take_number(text, 2, 0, 23, broken.tm_hour)) return std::nullopt;
    if (take(text, ':') && !take_number(text, 2, 0, 59, broken.tm_min)) return std::nullopt;
    if (take(text, ':') && !take_number(text, 2, 0, 60, broken.tm_sec)) return std::nullopt;
    if (take(text, '.')) {
      const auto fraction = take_fraction(text);
      if (!fraction) return std::nullopt;
      nano = *fraction;
    }
  }
  const auto zone = take_zone(text);
  if (!zone || !text.empty()) return std::nullopt;
  return (timegm(&broken) - *zone) * second_nano + nano;
}

std::optional<std::int64_t> parse_unix(std::string_view text) {
  std::int64_t seconds = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (result.ec != std::errc() || seconds > most_seconds || seconds < -most_seconds)
    return std::nullopt;
  const bool negative = text.starts_with('-');
  text.remove_prefix(static_cast<std::size_t>(result.ptr - text.data()));
  std::int64_t nano = 0;
  if (take(text, '.')) {
    const auto fraction = take_fraction(text);
    if (!fraction) return std::nullopt;
    nano = *fraction;
  }
  if (!text.empty()) return std::nullopt;
  return seconds * second_nano + (negative ? -nano : nano);
}

/// The seconds of the unit at the front of `text` ("ms" before "m").
std::optional<double> take_unit(std::string_view& text) {
  constexpr std::array<std::pair<std::string_view, double>, 7> units{
      {{"ns", 1e-9}, {"us", 1e-6}, {"µs", 1e-6}, {"ms", 1e-3}, {"h", 3600}, {"m", 60}, {"s", 1}}};
  for (const auto& [name, seconds] : units)
    if (text.starts_with(name)) {
      text.remove_prefix(name.size());
      return seconds;
    }
  return std::nullopt;
}

/// Go's time.ParseDuration.
std::optional<std::int64_t> parse_duration(std::string_view text) {
  const double sign = text.starts_with('-') ? -1 : 1;
  if (!take(text, '-')) take(text, '+');
  if (text.empty()) return std::nullopt;
  double seconds = 0;
  while (!text.empty()) {
    double number = 0;
    const auto result =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (result.ec != std::errc() || number < 0 || !std::isfinite(number)) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(result.ptr - text.data()));
    const auto unit = take_unit(text);
    if (!unit) return std::nullopt;
    seconds += number * *unit;
  }
  if (!(seconds < static_cast<double>(most_seconds))) return std::nullopt;
  return static_cast<std::int64_t>(sign * seconds * 1e9);
}

}  // namespace

std::int64_t now_nano() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string rfc3339(std::int64_t time_nano) {
  std::int64_t seconds = time_nano / second_nano;
  std::int64_t nano = time_nano % second_nano;
  if (nano < 0) {
    nano += second_nano;
    --seconds;
  }
  const time_t unix_seconds = seconds;
  tm broken{};
  gmtime_r(&unix_seconds, &broken);
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", broken.tm_year + 1900, broken.tm_mon + 1,
                  broken.tm_mday, broken.tm_hour, broken.tm_min, broken.tm_sec);
  if (nano != 0) {
    text += fmt::format(".{:09}", nano);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text + "Z";
}

std::optional<std::int64_t> parse_time(std::string_view text, std::int64_t now) {
  if (const auto moment = parse_unix(text)) return moment;
  if (const auto moment = parse_date(text)) return moment;
  const auto duration = parse_duration(text);
  std::int64_t moment = 0;
  if (!duration || __builtin_sub_overflow(now, *duration, &moment)) return std::nullopt;
  return moment;
}

std::string human_duration(std::chrono::nanoseconds duration) {
  // The words and limits of docker/go-units HumanDuration.
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < 60) return fmt::format("{} seconds", seconds);
  const auto minutes = seconds / 60;
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return fmt::format("{} minutes", minutes);
  const auto hours = static_cast<std::int64_t>(std::llround(static_cast<double>(seconds) / 3600));
  if (hours == 1) return "About an hour";
  if (hours < 48) return fmt::format("{} hours", hours);
  if (hours < 24 * 7 * 2) return fmt::format("{} days", hours / 24);
  if (hours < 24 * 30 * 2) return fmt::format("{} weeks", hours / 24 / 7);
  if (hours < 24 * 365 * 2) return fmt::format("{} months", hours / 24 / 30);
  return fmt::format("{} years", hours / 24 / 365);
}

}  // namespace netd::api
