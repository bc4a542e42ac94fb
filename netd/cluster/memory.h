// What this host heard last of its cluster, in its own store: for a netd that starts while the
// cluster's store is away. Changes are gathered in memory and written together, so that it is some
// seconds old after a crash, and no change of another host is a write to the disk.
//
//     cluster/last          Meta of the cluster, and when its store answered last
//     cluster/heard/KEY     hosts and endpoints, under their keys in the cluster's store
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "netd/cluster/values.h"
#include "netd/store.h"

namespace netd::cluster {

/// The control thread's.
class Memory {
 public:
  using Clock = std::chrono::system_clock;  // of the wall: it counts on while netd is away

  explicit Memory(Store& store) : store_(store) {}

  struct Last {
    Meta meta;
    Clock::time_point contact;
  };
  /// Nothing: this host was in no cluster yet, or what is there can't be read.
  std::optional<Last> last() const;
  /// Keys and values as the cluster's store had them.
  std::vector<Entry> recall() const;

  /// A key has that value now, or none. Written with the next save(), or at once where a great many
  /// have gathered.
  void note(const std::string& key, const std::optional<std::string>& value);
  /// Writes what was noted; and `last` now and then even if that is nothing. Throws what the store
  /// throws: what was noted is written later, then.
  void save(const Last& last);

  /// The longest that `last` is older than the truth.
  static constexpr std::chrono::seconds stamp_period{60};

 private:
  void write();

  Store& store_;
  std::map<std::string, std::optional<std::string>> noted_;
  std::optional<Clock::time_point> stamped_;
};

}  // namespace netd::cluster
