// What netd says on stderr: one line an event, with the ids as fields.
//
//   text  time=2026-11-21T07:41:38.120+00:00 level=info msg="network created" network=3f2a91c0d4e7
//   json  {"time":"2026-11-21T07:41:38.120+00:00","level":"info","msg":"network
//   created","network":"3f2a91c0d4e7"}
//
// Call from any thread. A warning says what will happen next; no secret goes in here.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace netd::log {

/// A key of letters, digits and '_', and its value.
using Field = std::pair<std::string_view, std::string>;
using Fields = std::initializer_list<Field>;

/// The levels of --log-level: trace, debug, info, warn, error. The formats of --log-format: text,
/// json. Until this is called: info, text. Throws std::invalid_argument for others.
void set_up(std::string_view level, std::string_view format);
bool is_level(std::string_view level);
bool is_format(std::string_view format);

void debug(std::string_view message, Fields fields = {});
void info(std::string_view message, Fields fields = {});
void warn(std::string_view message, Fields fields = {});
void error(std::string_view message, Fields fields = {});

/// The first 12 characters, as Docker shows ids.
std::string short_id(std::string_view id);

/// The part of a line after the level, as the two formats write it. Control characters are escaped.
std::string to_text(std::string_view message, const std::vector<Field>& fields);
std::string to_json_members(std::string_view message, const std::vector<Field>& fields);

}  // namespace netd::log
