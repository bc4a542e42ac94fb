// The `filters` query parameter of the Engine API (libnetwork.md 3.5).
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "netd/model.h"

namespace netd::api {

/// {"key":{"value":true}} or {"key":["value"]}. A key without values filters nothing.
class Filters {
 public:
  Filters() = default;
  /// "" = no filters. Throws Error(invalid) `invalid filter: …` for anything malformed.
  static Filters parse(const std::string& text);

  /// Throws Error(invalid) `invalid filter 'x'` for the first key not in `known`.
  void check_known(std::initializer_list<std::string_view> known) const;

  bool has(const std::string& key) const { return values_.contains(key); }
  const std::set<std::string>& values(const std::string& key) const;
  const std::map<std::string, std::set<std::string>>& all() const { return values_; }

  /// True when the key is absent or one value is `text`.
  bool matches_exactly(const std::string& key, const std::string& text) const;
  /// True when the key is absent or one value is `text`, or a regular expression found in `text`
  /// (pattern.h). A value that is no valid expression matches only exactly.
  bool matches_pattern(const std::string& key, const std::string& text) const;
  /// True when all values, "k" or "k=v", are there.
  bool matches_labels(const std::string& key, const Labels& labels) const;
  /// `label!`: true when none of the values is there.
  bool lacks_labels(const std::string& key, const Labels& labels) const;
  /// The moment of `until`, which prune compares with: absent without it. Throws Error(invalid).
  std::optional<std::int64_t> until(std::int64_t now_nano) const;
  /// `dangling`. Throws Error(invalid) for several values or one that is no boolean.
  std::optional<bool> dangling() const;

 private:
  std::map<std::string, std::set<std::string>> values_;
};

/// GET /networks. Refuses unknown keys and values when made, before anything is listed.
class NetworkFilter {
 public:
  explicit NetworkFilter(Filters filters);
  bool accepts(const NetworkRecord& record, bool in_use) const;

 private:
  Filters filters_;
  std::optional<bool> dangling_;
};

/// POST /networks/prune: label, label!, until.
class PruneFilter {
 public:
  PruneFilter(Filters filters, std::int64_t now_nano);
  bool accepts(const NetworkRecord& record) const;

 private:
  Filters filters_;
  std::optional<std::int64_t> until_;
};

}  // namespace netd::api
