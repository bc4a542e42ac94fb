// Reads members of a JSON object that others wrote. What is absent or null reads as empty; what is
// of another kind is an error that names the member.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace runtime_hooks {

/// "ipam.ranges: expected a list of lists of objects"
struct ReadError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Reader {
 public:
  /// `object` is an object, or null. It has to outlive this. `path` names it: "ipam".
  Reader(const nlohmann::json& object, std::string path);

  /// The same object, and what it contains, read as Go's encoding/json does: a member that isn't
  /// there by its name is one whose name differs in case only.
  Reader in_any_case() const;

  bool contains(const std::string& key) const;
  bool is_object(const std::string& key) const;
  std::string text(const std::string& key) const;
  bool flag(const std::string& key, bool otherwise) const;
  /// 0 for what is absent.
  std::int64_t number(const std::string& key) const;
  std::vector<std::string> texts(const std::string& key) const;
  Reader object(const std::string& key) const;
  std::vector<Reader> objects(const std::string& key) const;
  /// A list of lists of objects, as host-local's `ranges`.
  std::vector<std::vector<Reader>> object_lists(const std::string& key) const;
  /// Of texts; numbers and booleans are written out.
  nlohmann::json text_map(const std::string& key) const;

  std::string path_of(const std::string& key) const;

 private:
  std::vector<Reader> readers_of(const nlohmann::json& list, const std::string& path) const;
  const nlohmann::json& find(const std::string& key) const;
  [[noreturn]] void refuse(const std::string& key, const char* expected) const;

  const nlohmann::json* object_;
  std::string path_;
  bool any_case_ = false;
};

}  // namespace runtime_hooks
