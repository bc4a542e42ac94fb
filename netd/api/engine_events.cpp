#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "netd/api/event_json.h"
#include "netd/api/filters.h"
#include "netd/api/handlers.h"
#include "netd/api/times.h"
#include "netd/error.h"
#include "netd/events.h"

namespace netd::api {
namespace {

// How far a reader may fall behind before it is dropped.
constexpr std::size_t most_queued = 4096;

std::optional<std::int64_t> moment_of(const Call& call, const std::string& name, std::int64_t now) {
  const std::string& text = call.parameter(name);
  if (text.empty()) return std::nullopt;
  const auto moment = parse_time(text, now);
  if (!moment)
    throw Error(ErrorKind::invalid, "invalid value for " + name + ": \"" + text +
                                        "\" is neither a time nor a duration");
  return moment;
}

}  // namespace

Response events(const Call& call, Context& context) {
  const std::int64_t now = now_nano();
  const auto since = moment_of(call, "since", now);
  const auto until = moment_of(call, "until", now);
  if (since && until && *since > *until)
    throw Error(ErrorKind::invalid, "`since` time (" + call.parameter("since") +
                                        ") cannot be after `until` time (" +
                                        call.parameter("until") + ")");
  const auto filter =
      std::make_shared<const EventFilter>(Filters::parse(call.parameter("filters")));
  const EventFormat format = event_format(call.version, call.request.accept);
  auto queue = std::make_shared<LineQueue>(
      most_queued, to_line(format, {{"message", "events dropped: the reader was too slow"}}));
  // Publishing happens on this thread, so nothing comes between the history and what follows it.
  if (since)
    for (const Event& event :
         context.events.history(*since, until.value_or(std::numeric_limits<std::int64_t>::max())))
      if (filter->accepts(event)) queue->push(to_line(format, event_json(event, call.version)));
  if (until && *until <= now) {
    queue->close();
  } else {
    const std::weak_ptr<LineQueue> weak = queue;
    queue->keep(context.events.subscribe(
        [weak, filter, format, version = call.version](const Event& event) {
          const auto open = weak.lock();
          if (open && filter->accepts(event))
            open->push(to_line(format, event_json(event, version)));
        }));
    if (until)
      queue->set_end(std::chrono::system_clock::time_point(
          std::chrono::duration_cast<std::chrono::system_clock::duration>(
              std::chrono::nanoseconds(*until))));
  }
  return {.status = 200, .content_type = content_type(format), .lines = std::move(queue)};
}

}  // namespace netd::api
