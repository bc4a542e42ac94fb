#include "netd/api/filters.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "netd/api/pattern.h"
#include "netd/api/times.h"
#include "netd/error.h"

namespace netd::api {
namespace {

// Each value can cost a pattern's compilation and search for each network.
constexpr std::size_t most_values = 128;

Error invalid(const std::string& text) {
  return {ErrorKind::invalid, text};
}

std::set<std::string> parse_values(const std::string& key, const nlohmann::json& json) {
  std::set<std::string> values;
  if (json.is_object()) {
    for (const auto& [value, wanted] : json.items()) {
      if (!wanted.is_boolean())
        throw invalid(fmt::format("invalid filter: '{}': expected {{\"value\":true}}", key));
      if (wanted.get<bool>()) values.insert(value);
    }
  } else if (json.is_array()) {
    for (const auto& value : json) {
      if (!value.is_string())
        throw invalid(fmt::format("invalid filter: '{}': expected a list of strings", key));
      values.insert(value.get<std::string>());
    }
  } else {
    throw invalid(
        fmt::format("invalid filter: '{}': expected [\"value\"] or {{\"value\":true}}", key));
  }
  return values;
}

bool has_label(const Labels& labels, const std::string& wanted) {
  const std::size_t equals = wanted.find('=');
  const auto found = labels.find(wanted.substr(0, equals));
  if (found == labels.end()) return false;
  return equals == std::string::npos || found->second == wanted.substr(equals + 1);
}

std::string type_of(const NetworkRecord& record) {
  return record.predefined ? "builtin" : "custom";
}

}  // namespace

Filters Filters::parse(const std::string& text) {
  Filters filters;
  if (text.empty()) return filters;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) throw invalid("invalid filter: not valid JSON");
  if (json.is_null()) return filters;
  if (!json.is_object())
    throw invalid("invalid filter: expected an object such as {\"name\":[\"web\"]}");
  for (const auto& [key, values] : json.items()) {
    auto parsed = parse_values(key, values);
    if (parsed.size() > most_values)
      throw invalid(fmt::format("invalid filter: '{}' has more than {} values", key, most_values));
    if (!parsed.empty()) filters.values_.emplace(key, std::move(parsed));
  }
  return filters;
}

void Filters::check_known(std::initializer_list<std::string_view> known) const {
  for (const auto& [key, values] : values_)
    if (std::find(known.begin(), known.end(), key) == known.end())
      throw invalid(fmt::format("invalid filter '{}'", key));
}

const std::set<std::string>& Filters::values(const std::string& key) const {
  static const std::set<std::string> none;
  const auto found = values_.find(key);
  return found == values_.end() ? none : found->second;
}

bool Filters::matches_exactly(const std::string& key, const std::string& text) const {
  return !has(key) || values(key).contains(text);
}

bool Filters::matches_pattern(const std::string& key, const std::string& text) const {
  if (matches_exactly(key, text)) return true;
  return std::any_of(values(key).begin(), values(key).end(), [&](const std::string& value) {
    const auto pattern = Pattern::compile(value);
    return pattern && pattern->is_found_in(text);
  });
}

bool Filters::matches_labels(const std::string& key, const Labels& labels) const {
  return std::all_of(values(key).begin(), values(key).end(),
                     [&](const std::string& wanted) { return has_label(labels, wanted); });
}

bool Filters::lacks_labels(const std::string& key, const Labels& labels) const {
  return std::none_of(values(key).begin(), values(key).end(),
                      [&](const std::string& wanted) { return has_label(labels, wanted); });
}

std::optional<std::int64_t> Filters::until(std::int64_t now_nano) const {
  if (!has("until")) return std::nullopt;
  if (values("until").size() > 1) throw invalid("more than one until filter specified");
  const std::string& text = *values("until").begin();
  const auto moment = parse_time(text, now_nano);
  if (!moment)
    throw invalid(
        fmt::format("invalid filter 'until': \"{}\" is neither a time such as "
                    "2026-08-23T12:00:00Z nor a duration such as 24h",
                    text));
  return moment;
}

std::optional<bool> Filters::dangling() const {
  if (!has("dangling")) return std::nullopt;
  if (values("dangling").size() > 1)
    throw invalid("got more than one value for filter key \"dangling\"");
  const std::string& text = *values("dangling").begin();
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  throw invalid(
      "invalid value for filter 'dangling', must be \"true\" (or \"1\"), or \"false\" (or \"0\")");
}

NetworkFilter::NetworkFilter(Filters filters) : filters_(std::move(filters)) {
  filters_.check_known({"dangling", "driver", "id", "label", "name", "scope", "type"});
  dangling_ = filters_.dangling();
  for (const std::string& type : filters_.values("type"))
    if (type != "builtin" && type != "custom")
      throw invalid(fmt::format("invalid filter: 'type'='{}'", type));
}

bool NetworkFilter::accepts(const NetworkRecord& record, bool in_use) const {
  if (dangling_ && *dangling_ == (record.predefined || in_use)) return false;
  return filters_.matches_pattern("id", record.network.id) &&
         filters_.matches_pattern("name", record.network.name) &&
         filters_.matches_exactly("driver", record.network.driver) &&
         filters_.matches_exactly("scope", record.scope) &&
         filters_.matches_exactly("type", type_of(record)) &&
         filters_.matches_labels("label", record.labels);
}

PruneFilter::PruneFilter(Filters filters, std::int64_t now_nano) : filters_(std::move(filters)) {
  filters_.check_known({"label", "label!", "until"});
  until_ = filters_.until(now_nano);
}

bool PruneFilter::accepts(const NetworkRecord& record) const {
  if (until_ && record.created_nano > *until_) return false;
  return filters_.matches_labels("label", record.labels) &&
         filters_.lacks_labels("label!", record.labels);
}

}  // namespace netd::api
