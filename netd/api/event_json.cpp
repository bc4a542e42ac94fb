#include "netd/api/event_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "netd/api/message.h"

namespace netd::api {
namespace {

constexpr ApiVersion first_with_json_lines{1, 52};

std::string attribute(const Event& event, const std::string& name) {
  const auto found = event.attributes.find(name);
  return found == event.attributes.end() ? "" : found->second;
}

}  // namespace

EventFormat event_format(ApiVersion version, std::string_view accept) {
  const auto asks_for = [&](std::string_view type) {
    return accept.find(type) != std::string_view::npos;
  };
  if (asks_for("application/json-seq")) return EventFormat::json_sequence;
  if (asks_for("application/x-ndjson")) return EventFormat::ndjson;
  if (asks_for("application/jsonl")) return EventFormat::json_lines;
  return version < first_with_json_lines ? EventFormat::json : EventFormat::json_lines;
}

std::string content_type(EventFormat format) {
  switch (format) {
    case EventFormat::json:
      return "application/json";
    case EventFormat::json_lines:
      return "application/jsonl";
    case EventFormat::ndjson:
      return "application/x-ndjson";
    case EventFormat::json_sequence:
      return "application/json-seq";
  }
  return "application/json";
}

std::string to_line(EventFormat format, const nlohmann::json& object) {
  return (format == EventFormat::json_sequence ? "\x1e" : "") + to_text(object) + "\n";
}

nlohmann::json event_json(const Event& event, ApiVersion version) {
  nlohmann::json json{{"Type", event.type},
                      {"Action", event.action},
                      {"Actor", {{"ID", event.id}, {"Attributes", event.attributes}}},
                      {"scope", event.scope},
                      {"time", event.time_nano / 1'000'000'000},
                      {"timeNano", event.time_nano}};
  if (event.type == "container" && version < first_with_json_lines) {
    json["status"] = event.action;
    json["id"] = event.id;
    json["from"] = attribute(event, "image");
  }
  return json;
}

EventFilter::EventFilter(Filters filters) : filters_(std::move(filters)) {
  filters_.check_known({"config", "container", "daemon", "event", "image", "label", "network",
                        "node", "plugin", "scope", "secret", "service", "type", "volume"});
}

/// Filter `type` ("network") names an actor of that type by id, id prefix or name, or, in the
/// events of others, the attribute of that name.
bool EventFilter::accepts_actor(const std::string& type, const Event& event) const {
  if (!filters_.has(type)) return true;
  const auto& wanted = filters_.values(type);
  const bool own = event.type == type;
  const std::string id = own ? event.id : attribute(event, type);
  const std::string name = own ? attribute(event, "name") : "";
  return std::any_of(wanted.begin(), wanted.end(), [&](const std::string& value) {
    return !value.empty() && (name == value || id.starts_with(value));
  });
}

bool EventFilter::accepts(const Event& event) const {
  for (const char* type : {"config", "container", "daemon", "image", "network", "node", "plugin",
                           "secret", "service", "volume"})
    if (!accepts_actor(type, event)) return false;
  return filters_.matches_exactly("type", event.type) &&
         filters_.matches_exactly("event", event.action) &&
         filters_.matches_exactly("scope", event.scope) &&
         filters_.matches_labels("label", event.attributes);
}

}  // namespace netd::api
