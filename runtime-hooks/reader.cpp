#include "runtime-hooks/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace runtime_hooks {
namespace {

using nlohmann::json;

const json nothing;

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string element(const std::string& path, std::size_t index) {
  return fmt::format("{}[{}]", path, index);
}

bool is_same_but_case(const std::string& one, const std::string& other) {
  return std::ranges::equal(one, other, {}, to_lower, to_lower);
}

}  // namespace

Reader::Reader(const json& object, std::string path) : object_(&object), path_(std::move(path)) {
  if (!object.is_object() && !object.is_null())
    throw ReadError(fmt::format("{}: expected an object", path_));
}

Reader Reader::in_any_case() const {
  Reader same = *this;
  same.any_case_ = true;
  return same;
}

std::vector<Reader> Reader::readers_of(const json& list, const std::string& path) const {
  std::vector<Reader> readers;
  for (const json& one : list) {
    readers.emplace_back(one, element(path, readers.size()));
    readers.back().any_case_ = any_case_;
  }
  return readers;
}

std::string Reader::path_of(const std::string& key) const {
  return path_.empty() ? key : path_ + "." + key;
}

const json& Reader::find(const std::string& key) const {
  if (object_->is_null()) return nothing;
  if (const auto found = object_->find(key); found != object_->end()) return *found;
  if (!any_case_) return nothing;
  for (const auto& [name, value] : object_->items())
    if (is_same_but_case(name, key)) return value;
  return nothing;
}

void Reader::refuse(const std::string& key, const char* expected) const {
  throw ReadError(fmt::format("{}: expected {}", path_of(key), expected));
}

bool Reader::contains(const std::string& key) const {
  return &find(key) != &nothing;
}

bool Reader::is_object(const std::string& key) const {
  return find(key).is_object();
}

std::string Reader::text(const std::string& key) const {
  const json& value = find(key);
  if (value.is_null()) return "";
  if (!value.is_string()) refuse(key, "a text");
  return value.get<std::string>();
}

bool Reader::flag(const std::string& key, bool otherwise) const {
  const json& value = find(key);
  if (value.is_null()) return otherwise;
  if (!value.is_boolean()) refuse(key, "true or false");
  return value.get<bool>();
}

std::int64_t Reader::number(const std::string& key) const {
  const json& value = find(key);
  if (value.is_null()) return 0;
  if (!value.is_number_integer()) refuse(key, "a whole number");
  return value.get<std::int64_t>();
}

std::vector<std::string> Reader::texts(const std::string& key) const {
  const json& value = find(key);
  std::vector<std::string> texts;
  if (value.is_null()) return texts;
  if (!value.is_array()) refuse(key, "a list of texts");
  for (const json& one : value) {
    if (!one.is_string()) refuse(key, "a list of texts");
    texts.push_back(one.get<std::string>());
  }
  return texts;
}

Reader Reader::object(const std::string& key) const {
  Reader member(find(key), path_of(key));
  member.any_case_ = any_case_;
  return member;
}

std::vector<Reader> Reader::objects(const std::string& key) const {
  const json& value = find(key);
  if (value.is_null()) return {};
  if (!value.is_array()) refuse(key, "a list of objects");
  return readers_of(value, path_of(key));
}

std::vector<std::vector<Reader>> Reader::object_lists(const std::string& key) const {
  const json& value = find(key);
  std::vector<std::vector<Reader>> lists;
  if (value.is_null()) return lists;
  if (!value.is_array()) refuse(key, "a list of lists of objects");
  for (const json& one : value) {
    if (!one.is_array()) refuse(key, "a list of lists of objects");
    lists.push_back(readers_of(one, element(path_of(key), lists.size())));
  }
  return lists;
}

json Reader::text_map(const std::string& key) const {
  const json& value = find(key);
  json map = json::object();
  if (value.is_null()) return map;
  if (!value.is_object()) refuse(key, "an object");
  for (const auto& [name, one] : value.items()) {
    if (one.is_structured() || one.is_null()) refuse(key + "." + name, "a text");
    map[name] = one.is_string() ? one.get<std::string>() : one.dump();
  }
  return map;
}

}  // namespace runtime_hooks
