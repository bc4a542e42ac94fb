// Events as GET /events writes and filters them (libnetwork.md 3.8). Pure functions.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "netd/api/filters.h"
#include "netd/api/router.h"
#include "netd/events.h"

namespace netd::api {

/// How one event follows another on the wire.
enum class EventFormat { json, json_lines, ndjson, json_sequence };

/// What `accept` asks for; otherwise JSON lines, called application/json before version 1.52.
EventFormat event_format(ApiVersion version, std::string_view accept);
std::string content_type(EventFormat format);
/// One object as it is sent (RFC 7464 for json_sequence).
std::string to_line(EventFormat format, const nlohmann::json& object);

/// {"Type","Action","Actor":{"ID","Attributes"},"scope","time","timeNano"}; containers' events also
/// have status, id and from before 1.52.
nlohmann::json event_json(const Event& event, ApiVersion version);

/// Keys: container, daemon, event, label, network, scope, type, and those of things netd does not
/// have (image, volume, …), which fit nothing.
class EventFilter {
 public:
  /// Throws Error(invalid) `invalid filter 'x'`.
  explicit EventFilter(Filters filters);
  bool accepts(const Event& event) const;

 private:
  bool accepts_actor(const std::string& type, const Event& event) const;

  Filters filters_;
};

}  // namespace netd::api
