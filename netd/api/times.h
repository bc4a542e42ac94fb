// Times as the Engine API writes and reads them. All times are Unix time in nanoseconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace netd::api {

std::int64_t now_nano();

/// RFC 3339 in UTC as Go's RFC3339Nano: "2026-08-23T12:34:56.0012Z", no trailing zeros.
std::string rfc3339(std::int64_t time_nano);

/// A moment as the API's `since` and `until` take it: "1700000000", "1700000000.000000001", RFC
/// 3339
/// ("2026-08-23", "2026-08-23T12:34", "…:56.5Z", "…+02:00"; without zone: UTC), or a Go duration
/// before `now` ("1h30m", "24h"). Absent when it is none of these.
std::optional<std::int64_t> parse_time(std::string_view text, std::int64_t now);

/// "Less than a second", "3 minutes", "About an hour", "5 days": as `docker ps` words a duration.
std::string human_duration(std::chrono::nanoseconds duration);

}  // namespace netd::api
