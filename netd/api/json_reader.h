// Typed reading of JSON that strangers sent: a wrong type is refused with the field's name and what
// was expected. Absent and null are the same: the default. Unknown fields are ignored.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace netd::api {

/// The fields of one JSON object. `path` is where it stands ("IPAM.Config[0]"), "" for the body.
/// Throws std::invalid_argument: `invalid JSON: IPAM.Config[0].Subnet: expected a string, found 5`.
class JsonObject {
 public:
  /// `json` outlives this object; null counts as {}.
  JsonObject(const nlohmann::json& json, std::string path);

  /// Null when absent or null. As in Go's decoder, keys also match without regard to case when none
  /// matches exactly.
  const nlohmann::json* find(std::string_view key) const;

  std::string text(std::string_view key) const;
  bool flag(std::string_view key) const;
  std::optional<bool> optional_flag(std::string_view key) const;
  std::optional<int> number(std::string_view key) const;
  std::vector<std::string> texts(std::string_view key) const;
  std::map<std::string, std::string> text_map(std::string_view key) const;
  /// {} when absent.
  JsonObject object(std::string_view key) const;
  /// Empty when absent. Elements may be null.
  std::vector<JsonObject> objects(std::string_view key) const;
  /// All fields in the JSON's order of keys, each an object or null: {"80/tcp": …}.
  const nlohmann::json& json() const { return *json_; }

  /// "IPAM.Config[0]"
  const std::string& path() const { return path_; }
  /// "IPAM.Config[0].Subnet"
  std::string path_of(std::string_view key) const;

 private:
  const nlohmann::json* json_;
  std::string path_;
};

/// "invalid JSON: <path>: expected <what>, found <json, shortened>"
std::invalid_argument wrong_type(const std::string& path, std::string_view what,
                                 const nlohmann::json& found);

}  // namespace netd::api
