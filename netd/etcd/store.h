// The Store on etcd v3 (etcd.io/docs/v3.4/learning/api). From any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "netd/etcd/member.h"
#include "netd/etcd/watches.h"
#include "netd/store.h"

namespace netd::etcd {

class EtcdStore final : public SharedStore {
 public:
  /// As open_etcd (load.h).
  explicit EtcdStore(const EtcdOptions& options);

  std::optional<Entry> get(const std::string& key) override;
  /// Pages of a thousand keys, all at the revision of the first.
  Snapshot snapshot(const std::string& prefix) override;
  /// etcd takes one change a key: of several in one transaction, the last is made. Always durable.
  Outcome txn(const std::vector<Compare>& compares, const std::vector<Change>& changes,
              Durability durability) override;
  std::shared_ptr<void> watch(const std::string& prefix, Revision since, Watcher watcher) override;
  Lease grant(std::chrono::seconds time_to_live) override;
  void keep_alive(Lease lease) override;
  void revoke(Lease lease) override;
  Status status() override;

 private:
  etcdserverpb::RangeResponse range(const std::string& act,
                                    const etcdserverpb::RangeRequest& request);
  Snapshot read_pages(const std::string& prefix);
  Member status_of(etcd::Member& member, std::uint64_t& cluster);
  void accept(const std::string& act, const etcdserverpb::ResponseHeader& header);

  Members members_;
  Watches watches_;
};

/// The key that ends the range of all keys with the prefix: "\0" when that has no end.
std::string range_end(std::string prefix);
/// The key that begins it: an empty one is none.
std::string range_begin(const std::string& prefix);

}  // namespace netd::etcd
