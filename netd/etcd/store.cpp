#include "netd/etcd/store.h"

#include <grpcpp/client_context.h>

#include <algorithm>
#include <unordered_map>

#include "netd/etcd/etcd.grpc.pb.h"

namespace netd::etcd {
namespace {

using Kind = StoreError::Kind;
using Channel = std::shared_ptr<grpc::Channel>;
namespace pb = etcdserverpb;

constexpr int page = 1000;

Entry to_entry(const pb::KeyValue& found) {
  return {found.key(), found.value(), found.mod_revision()};
}

void fill(const Compare& compare, pb::TxnRequest& request) {
  auto& condition = *request.add_compare();
  auto& question = *request.add_failure()->mutable_request_range();
  question.set_limit(1);
  condition.set_result(pb::Compare::EQUAL);
  if (compare.prefix) {
    for (auto* range : {&question}) {
      range->set_key(range_begin(compare.key));
      range->set_range_end(range_end(compare.key));
    }
    // Of a range, each key has to hold, and no key is created at 0.
    condition.set_key(question.key());
    condition.set_range_end(question.range_end());
    condition.set_target(pb::Compare::CREATE);
    condition.set_create_revision(0);
  } else {
    question.set_key(compare.key);
    condition.set_key(compare.key);
    condition.set_target(pb::Compare::MOD);  // 0 = absent
    condition.set_mod_revision(compare.revision);
  }
}

void fill(const Change& change, pb::TxnRequest& request) {
  auto& operation = *request.add_success();
  if (!change.value) {
    operation.mutable_request_delete_range()->set_key(change.key);
    return;
  }
  auto& put = *operation.mutable_request_put();
  put.set_key(change.key);
  put.set_value(*change.value);
  put.set_lease(change.lease);
}

pb::TxnRequest to_request(const std::vector<Compare>& compares,
                          const std::vector<Change>& changes) {
  pb::TxnRequest request;
  for (const Compare& compare : compares)
    fill(compare, request);
  std::unordered_map<std::string_view, const Change*> last;
  for (const Change& change : changes)
    last[change.key] = &change;
  for (const Change& change : changes)
    if (last[change.key] == &change) fill(change, request);
  return request;
}

std::string writing(const std::vector<Change>& changes) {
  return changes.empty() ? "compare" : "write " + changes.front().key;
}

}  // namespace

std::string range_end(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff)
    prefix.pop_back();
  if (prefix.empty()) return {'\0'};
  prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

std::string range_begin(const std::string& prefix) {
  return prefix.empty() ? std::string{'\0'} : prefix;
}

EtcdStore::EtcdStore(const EtcdOptions& options) : members_(options), watches_(members_) {}

void EtcdStore::accept(const std::string& act, const pb::ResponseHeader& header) {
  if (!members_.cluster().is_same(header))
    throw StoreError(Kind::other_cluster, act + ": another etcd cluster answered than before");
}

pb::RangeResponse EtcdStore::range(const std::string& act, const pb::RangeRequest& request) {
  pb::RangeResponse answer;
  members_.call(act, Repeat::always, [&](grpc::ClientContext& context, const Channel& channel) {
    return pb::KV::NewStub(channel)->Range(&context, request, &answer);
  });
  accept(act, answer.header());
  return answer;
}

std::optional<Entry> EtcdStore::get(const std::string& key) {
  pb::RangeRequest request;
  request.set_key(key);
  const auto answer = range("read " + key, request);
  if (answer.kvs_size() == 0) return std::nullopt;
  return to_entry(answer.kvs(0));
}

Snapshot EtcdStore::snapshot(const std::string& prefix) {
  constexpr int tries = 3;
  for (int i = 1;; ++i)
    try {
      return read_pages(prefix);
    } catch (const StoreError& error) {
      // The revision of the first page was compacted before the last one was read.
      if (error.kind != Kind::compacted || i == tries) throw;
    }
}

Snapshot EtcdStore::read_pages(const std::string& prefix) {
  pb::RangeRequest request;
  request.set_key(range_begin(prefix));
  request.set_range_end(range_end(prefix));
  request.set_limit(page);
  Snapshot snapshot;
  for (;;) {
    const auto answer = range("read " + prefix + "*", request);
    if (snapshot.revision == 0) snapshot.revision = answer.header().revision();
    for (const auto& found : answer.kvs())
      snapshot.entries.push_back(to_entry(found));
    if (!answer.more() || answer.kvs_size() == 0) return snapshot;
    request.set_key(snapshot.entries.back().key + '\0');
    request.set_revision(snapshot.revision);
  }
}

Outcome EtcdStore::txn(const std::vector<Compare>& compares, const std::vector<Change>& changes,
                       Durability) {
  const std::string act = writing(changes);
  const pb::TxnRequest request = to_request(compares, changes);
  const auto operations =
      static_cast<std::size_t>(std::max({request.compare_size(), request.success_size()}));
  if (operations > max_changes)
    throw StoreError(Kind::failed, act + ": " + std::to_string(operations) +
                                       " changes or compares at once, etcd takes " +
                                       std::to_string(max_changes));
  pb::TxnResponse answer;
  members_.call(act, Repeat::never, [&](grpc::ClientContext& context, const Channel& channel) {
    return pb::KV::NewStub(channel)->Txn(&context, request, &answer);
  });
  accept(act, answer.header());
  Outcome outcome;
  if (answer.succeeded()) {
    outcome.revision = answer.header().revision();
    return outcome;
  }
  for (const auto& response : answer.responses())
    for (const auto& found : response.response_range().kvs())
      outcome.found.push_back(to_entry(found));
  return outcome;
}

std::shared_ptr<void> EtcdStore::watch(const std::string& prefix, Revision since, Watcher watcher) {
  if (since == 0) {
    pb::RangeRequest now;
    now.set_key(range_begin(prefix));
    now.set_count_only(true);
    since = range("watch " + prefix + "*", now).header().revision();
  }
  return watches_.add(range_begin(prefix), range_end(prefix), since, std::move(watcher));
}

Lease EtcdStore::grant(std::chrono::seconds time_to_live) {
  pb::LeaseGrantRequest request;
  request.set_ttl(time_to_live.count());
  pb::LeaseGrantResponse answer;
  // If an answer is lost, that lease runs out by itself.
  members_.call("take a lease", Repeat::always,
                [&](grpc::ClientContext& context, const Channel& channel) {
                  return pb::Lease::NewStub(channel)->LeaseGrant(&context, request, &answer);
                });
  accept("take a lease", answer.header());
  return answer.id();
}

void EtcdStore::keep_alive(Lease lease) {
  const std::string act = "keep lease " + std::to_string(lease) + " alive";
  pb::LeaseKeepAliveRequest request;
  request.set_id(lease);
  pb::LeaseKeepAliveResponse answer;
  members_.call(act, Repeat::always, [&](grpc::ClientContext& context, const Channel& channel) {
    const auto stream = pb::Lease::NewStub(channel)->LeaseKeepAlive(&context);
    const bool answered = stream->Write(request) && stream->WritesDone() && stream->Read(&answer);
    if (answered) context.TryCancel();  // etcd 3.4 would wait for more requests
    const grpc::Status status = stream->Finish();
    if (answered) return grpc::Status::OK;
    return status.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "no answer") : status;
  });
  accept(act, answer.header());
  if (answer.ttl() <= 0) throw StoreError(Kind::no_lease, act + ": it has run out");
}

void EtcdStore::revoke(Lease lease) try {
  pb::LeaseRevokeRequest request;
  request.set_id(lease);
  members_.call("end lease " + std::to_string(lease), Repeat::always,
                [&](grpc::ClientContext& context, const Channel& channel) {
                  pb::LeaseRevokeResponse answer;
                  return pb::Lease::NewStub(channel)->LeaseRevoke(&context, request, &answer);
                });
} catch (const StoreError& error) {
  if (error.kind != Kind::no_lease) throw;
}

}  // namespace netd::etcd
