#include "netd/cluster/memory.h"

#include <nlohmann/json.hpp>

#include "netd/log.h"

namespace netd::cluster {
namespace {

constexpr const char* last_key = "cluster/last";
constexpr const char* heard_prefix = "cluster/heard/";
constexpr std::size_t most_noted = 1000;  // some 10 ms of writing

}  // namespace

std::optional<Memory::Last> Memory::last() const {
  const auto entry = store_.get(last_key);
  if (!entry) return std::nullopt;
  try {
    const auto json = nlohmann::json::parse(entry->value);
    return Last{
        .meta = parse_value<Meta>(json.at("meta").get<std::string>()),
        .contact = Clock::time_point(std::chrono::seconds(json.at("contact").get<long long>()))};
  } catch (const std::exception& error) {
    log::warn("what was known of the cluster can't be read, going on without",
              {{"error", error.what()}});
    return std::nullopt;
  }
}

std::vector<Entry> Memory::recall() const {
  std::vector<Entry> entries = store_.list(heard_prefix);
  for (Entry& entry : entries)
    entry.key.erase(0, std::string_view(heard_prefix).size());
  return entries;
}

void Memory::note(const std::string& key, const std::optional<std::string>& value) {
  noted_.insert_or_assign(heard_prefix + key, value);
  if (noted_.size() % most_noted != 0) return;
  try {
    write();
  } catch (const std::exception& error) {  // what is heard counts all the same
    log::warn("what was heard of the cluster is not on disk yet, later again",
              {{"error", error.what()}});
  }
}

void Memory::write() {
  std::vector<Change> changes;
  changes.reserve(noted_.size());
  for (const auto& [key, value] : noted_)
    changes.push_back({key, value});
  if (!changes.empty()) store_.txn({}, changes, Durability::process);
  noted_.clear();
}

void Memory::save(const Last& last) {
  const bool is_due = !stamped_ || last.contact - *stamped_ >= stamp_period;
  if (noted_.empty() && !is_due) return;
  write();
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(last.contact.time_since_epoch());
  const nlohmann::json json = {{"meta", to_text(last.meta)}, {"contact", seconds.count()}};
  store_.txn({}, {{last_key, json.dump()}}, Durability::process);
  stamped_ = last.contact;
}

}  // namespace netd::cluster
