#include "netd/etcd/watches.h"

#include <algorithm>
#include <random>

#include "netd/etcd/etcd.grpc.pb.h"
#include "netd/etcd/watch_stream.h"

namespace netd::etcd {
namespace {

using Kind = StoreError::Kind;
using std::chrono::milliseconds;

constexpr auto patience = milliseconds(2000);  // for a connection, and for a first answer
// After each member has failed; longer each time.
constexpr auto shortest_pause = milliseconds(100);
constexpr auto longest_pause = milliseconds(1000);

}  // namespace

Watches::Watches(Members& members) : members_(members) {}

Watches::~Watches() {
  std::jthread thread;  // joined without the lock: a callback may be adding a watch
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  thread = std::move(thread_);
}

std::shared_ptr<void> Watches::add(std::string key, std::string range_end, Revision since,
                                   Watcher watcher) {
  auto handle = registry_->add({.key = std::move(key),
                                .range_end = std::move(range_end),
                                .watcher = std::move(watcher),
                                .next = since + 1});
  const std::lock_guard lock(mutex_);
  if (!thread_.joinable() && !stopped_)
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  return handle;
}

void Watches::run(const std::stop_token& stop) {
  std::size_t member = std::random_device()() % members_.size();
  std::size_t failures = 0;  // in a row
  std::size_t strangers = 0;
  while (registry_->wait(stop), !stop.stop_requested()) {
    const auto problem = serve(members_[member], stop);
    if (!problem) {
      failures = strangers = 0;
      continue;
    }
    strangers = problem->kind == Kind::other_cluster ? strangers + 1 : 0;
    if (strangers == members_.size())
      registry_->end_all(
          StoreError(Kind::other_cluster,
                     "watch etcd at " + members_[member].endpoint() + ": " + problem->text));
    member = (member + 1) % members_.size();
    if (++failures % members_.size() == 0) {
      const auto rounds = static_cast<int>(std::min<std::size_t>(failures / members_.size(), 10));
      registry_->wait(stop, std::min(longest_pause, rounds * shortest_pause));
    }
  }
}

/// Until the stream breaks, or nobody watches.
std::optional<Member::Problem> Watches::serve(Member& member, const std::stop_token& stop) {
  if (auto problem = look_at(member, stop)) return problem;
  WatchStream stream(member, members_, *registry_, stop);
  auto problem = stream.run();
  if (problem) member.distrust();
  return problem;
}

/// Whether the member can vouch for what it says, and whether time went on for it: an etcd that is
/// older than it was has been restored from a backup, and its changes are others.
std::optional<Member::Problem> Watches::look_at(Member& member, const std::stop_token& stop) {
  const Time deadline = std::chrono::system_clock::now() + patience;
  if (auto problem = member.connect(deadline, stop)) return problem;
  Cluster& cluster = members_.cluster();
  const Revision before = cluster.newest();
  grpc::ClientContext context;
  context.set_deadline(deadline);
  require_leader(context);
  const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
  etcdserverpb::RangeRequest request;
  request.set_key(std::string{'\0'});
  request.set_limit(1);
  request.set_count_only(true);
  etcdserverpb::RangeResponse answer;
  const auto status =
      etcdserverpb::KV::NewStub(member.channel())->Range(&context, request, &answer);
  if (!status.ok()) {
    member.distrust();
    return Member::Problem{judge(status).kind, readable(status)};
  }
  if (!cluster.is_same(answer.header()))
    return Member::Problem{Kind::other_cluster, "it belongs to another cluster than before"};
  const Revision now = answer.header().revision();
  if (now < before) {
    cluster.restart_at(now);
    registry_->end_all(StoreError(
        Kind::compacted, "watch etcd at " + member.endpoint() + ": it is at revision " +
                             std::to_string(now) + " and was at " + std::to_string(before) +
                             ": it was restored from a backup"));
  }
  return std::nullopt;
}

}  // namespace netd::etcd
