// Percent-encoding and query strings (RFC 3986; '+' in a query is a space, as HTML forms have it).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace netd::api {

/// Absent when a '%' is not followed by two hex digits.
std::optional<std::string> decode_path(std::string_view text);

/// "a=1&b=2": the first of equal keys. Pairs that do not decode are left out, as Go's net/url does.
std::map<std::string, std::string> parse_query(std::string_view text);

}  // namespace netd::api
