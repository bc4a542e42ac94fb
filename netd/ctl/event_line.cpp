#include "netd/ctl/event_line.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "netd/ctl/table.h"

namespace netd::ctl {

std::string format_event(const nlohmann::json& event, bool colour) {
  const nlohmann::json actor = event.value("Actor", nlohmann::json::object());
  const nlohmann::json known = actor.value("Attributes", nlohmann::json::object());
  std::string attributes;
  for (const auto& [key, value] : known.items()) {
    if (!attributes.empty()) attributes += ", ";
    attributes +=
        fmt::format("{}={}", key, value.is_string() ? value.get<std::string>() : value.dump());
  }
  std::string line =
      styled(format_time(event.value("timeNano", std::int64_t{0})), Style::dim, colour);
  line += fmt::format(" {} {} {}", printable(event.value("Type", "")),
                      styled(printable(event.value("Action", "")), Style::bold, colour),
                      printable(actor.value("ID", "")));
  if (!attributes.empty()) line += fmt::format(" ({})", printable(attributes));
  return line;
}

}  // namespace netd::ctl
