#include "netd/log.h"

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace netd::log {
namespace {

constexpr std::string_view time_format = "%Y-%m-%dT%H:%M:%S.%e%z";

struct Level {
  std::string_view name;
  spdlog::level::level_enum value;
};
constexpr std::array<Level, 5> levels{{{"trace", spdlog::level::trace},
                                       {"debug", spdlog::level::debug},
                                       {"info", spdlog::level::info},
                                       {"warn", spdlog::level::warn},
                                       {"error", spdlog::level::err}}};

const Level* find_level(std::string_view name) {
  const auto* found =
      std::find_if(levels.begin(), levels.end(), [&](const Level& l) { return l.name == name; });
  return found == levels.end() ? nullptr : found;
}

/// The logger and how it writes what comes after the level.
struct Output {
  std::shared_ptr<spdlog::logger> logger;
  bool json = false;
};

std::string pattern(bool json, std::string_view level) {
  if (json) return fmt::format(R"({{"time":"{}","level":"{}",%v}})", time_format, level);
  return fmt::format("time={} level={} %v", time_format, level);
}

/// spdlog says "warning" where --log-level, the documents and logrus say "warn".
class LevelFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const auto* found = std::find_if(levels.begin(), levels.end(),
                                     [&](const Level& l) { return l.value == message.level; });
    const std::string_view name = found == levels.end() ? "info" : found->name;
    out.append(name.data(), name.data() + name.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<LevelFlag>();
  }
};

Output make_output(bool json, spdlog::level::level_enum level) {
  auto logger =
      std::make_shared<spdlog::logger>("netd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<LevelFlag>('*').set_pattern(pattern(json, "%*"));
  logger->set_formatter(std::move(formatter));
  logger->set_level(level);
  return {std::move(logger), json};
}

// spdlog's registry is process-wide as well; set_up replaces this before there are threads.
Output& output() {
  static Output instance = make_output(false, spdlog::level::info);
  return instance;
}

std::string escape(std::string_view text, std::string_view special) {
  std::string escaped;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos)
      escaped.append({'\\', c});
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      escaped += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    else
      escaped += c;
  }
  return escaped;
}

std::string quoted(std::string_view text) {
  return '"' + escape(text, "\"\\") + '"';
}

/// As it is when that can't be misread, else in quotes.
std::string text_value(std::string_view value) {
  const bool plain = !value.empty() && std::all_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != 0x7f && c != '"' && c != '=' && c != '\\';
  });
  return plain ? std::string(value) : quoted(value);
}

void write(spdlog::level::level_enum level, std::string_view message, Fields fields) {
  const Output& out = output();
  if (!out.logger->should_log(level)) return;
  const std::vector<Field> list(fields);
  out.logger->log(level, out.json ? to_json_members(message, list) : to_text(message, list));
}

}  // namespace

bool is_level(std::string_view level) {
  return find_level(level) != nullptr;
}

bool is_format(std::string_view format) {
  return format == "text" || format == "json";
}

void set_up(std::string_view level, std::string_view format) {
  const Level* found = find_level(level);
  if (!found) throw std::invalid_argument(fmt::format("log level \"{}\" is unknown", level));
  if (!is_format(format))
    throw std::invalid_argument(fmt::format("log format \"{}\" is unknown", format));
  output() = make_output(format == "json", found->value);
}

void debug(std::string_view message, Fields fields) {
  write(spdlog::level::debug, message, fields);
}
void info(std::string_view message, Fields fields) {
  write(spdlog::level::info, message, fields);
}
void warn(std::string_view message, Fields fields) {
  write(spdlog::level::warn, message, fields);
}
void error(std::string_view message, Fields fields) {
  write(spdlog::level::err, message, fields);
}

std::string short_id(std::string_view id) {
  return std::string(id.substr(0, 12));
}

std::string to_text(std::string_view message, const std::vector<Field>& fields) {
  std::string line = "msg=" + quoted(message);
  for (const auto& [key, value] : fields)
    line += fmt::format(" {}={}", key, text_value(value));
  return line;
}

std::string to_json_members(std::string_view message, const std::vector<Field>& fields) {
  std::string line = "\"msg\":" + quoted(message);
  for (const auto& [key, value] : fields)
    line += fmt::format(",{}:{}", quoted(key), quoted(value));
  return line;
}

}  // namespace netd::log
