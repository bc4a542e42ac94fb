#include "netd/api/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "netd/api/message.h"

namespace netd::api {
namespace {

const nlohmann::json nothing = nlohmann::json::object();

bool equal_but_case(std::string_view one, std::string_view other) {
  const auto lower = [](char character) {
    return character >= 'A' && character <= 'Z' ? static_cast<char>(character + 32) : character;
  };
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [&](char a, char b) { return lower(a) == lower(b); });
}

std::string shortened(const nlohmann::json& json) {
  constexpr std::size_t most = 64;
  if (json.is_structured()) return json.is_array() ? "a list" : "an object";
  std::string text = to_text(json);
  if (text.size() > most) text = text.substr(0, most) + "…";
  return text;
}

std::string text_of(const nlohmann::json& json, const std::string& path) {
  if (!json.is_string()) throw wrong_type(path, "a string", json);
  return json.get<std::string>();
}

}  // namespace

std::invalid_argument wrong_type(const std::string& path, std::string_view what,
                                 const nlohmann::json& found) {
  return std::invalid_argument(fmt::format("invalid JSON: {}: expected {}, found {}",
                                           path.empty() ? "request body" : path, what,
                                           shortened(found)));
}

JsonObject::JsonObject(const nlohmann::json& json, std::string path)
    : json_(json.is_null() ? &nothing : &json), path_(std::move(path)) {
  if (!json_->is_object()) throw wrong_type(path_, "an object", json);
}

std::string JsonObject::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

const nlohmann::json* JsonObject::find(std::string_view key) const {
  auto found = json_->find(key);
  if (found == json_->end())
    for (found = json_->begin(); found != json_->end(); ++found)
      if (equal_but_case(found.key(), key)) break;
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

std::string JsonObject::text(std::string_view key) const {
  const auto* json = find(key);
  return json ? text_of(*json, path_of(key)) : std::string();
}

bool JsonObject::flag(std::string_view key) const {
  return optional_flag(key).value_or(false);
}

std::optional<bool> JsonObject::optional_flag(std::string_view key) const {
  const auto* json = find(key);
  if (!json) return std::nullopt;
  if (!json->is_boolean()) throw wrong_type(path_of(key), "true or false", *json);
  return json->get<bool>();
}

std::optional<int> JsonObject::number(std::string_view key) const {
  const auto* json = find(key);
  if (!json) return std::nullopt;
  constexpr auto low = std::numeric_limits<int>::min();
  constexpr auto high = std::numeric_limits<int>::max();
  const bool fits = json->is_number_unsigned()
                        ? json->get<std::uint64_t>() <= high
                        : json->is_number_integer() && json->get<std::int64_t>() >= low;
  if (!fits) throw wrong_type(path_of(key), "a whole number", *json);
  return json->get<int>();
}

std::vector<std::string> JsonObject::texts(std::string_view key) const {
  std::vector<std::string> texts;
  const auto* json = find(key);
  if (!json) return texts;
  if (!json->is_array()) throw wrong_type(path_of(key), "a list of strings", *json);
  for (std::size_t at = 0; at < json->size(); ++at)
    texts.push_back(text_of((*json)[at], fmt::format("{}[{}]", path_of(key), at)));
  return texts;
}

std::map<std::string, std::string> JsonObject::text_map(std::string_view key) const {
  std::map<std::string, std::string> texts;
  const JsonObject inner = object(key);
  for (const auto& [name, value] : inner.json().items())
    texts.emplace(name, text_of(value, inner.path_of(name)));
  return texts;
}

JsonObject JsonObject::object(std::string_view key) const {
  const auto* json = find(key);
  return {json ? *json : nothing, path_of(key)};
}

std::vector<JsonObject> JsonObject::objects(std::string_view key) const {
  std::vector<JsonObject> objects;
  const auto* json = find(key);
  if (!json) return objects;
  if (!json->is_array()) throw wrong_type(path_of(key), "a list of objects", *json);
  for (std::size_t at = 0; at < json->size(); ++at)
    objects.emplace_back((*json)[at], fmt::format("{}[{}]", path_of(key), at));
  return objects;
}

}  // namespace netd::api
