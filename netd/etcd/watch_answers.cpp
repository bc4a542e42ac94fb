// WatchStream: what etcd says on it.
#include "netd/etcd/watch_stream.h"

namespace netd::etcd {
namespace {

using Kind = StoreError::Kind;

constexpr std::int64_t nobody = -1;

}  // namespace

/// False when the stream is of no more use.
bool WatchStream::handle(Response& response) {
  if (!members_.cluster().is_same(response.header())) {
    problem_ = {Kind::other_cluster, "it belongs to another cluster than before"};
    return false;
  }
  std::int64_t id = response.watch_id();
  if (response.created() && !unconfirmed_.empty()) {
    // A creation that is refused may come without the id (from 3.5 on), but comes in order.
    if (id == nobody) id = unconfirmed_.front();
    std::erase(unconfirmed_, id);
    if (!response.canceled()) created_.insert(id);
  }
  if (response.canceled()) return handle_end(response, id);
  if (response.created()) return true;
  if (id == nobody) {
    mark(response.header().revision());
  } else if (response.events().empty() && !response.fragment()) {
    // A watch's own notification comes after all that it has to be told before.
    registry_.visit(id, [&](Watch& watch) {
      const Revision revision = response.header().revision();
      if (revision < watch.next) return;
      watch.next = revision + 1;
      if (watch.watcher.progressed) watch.watcher.progressed(revision);
    });
  } else {
    collect(response);
  }
  return true;
}

bool WatchStream::handle_end(const Response& response, std::int64_t id) {
  if (!sent_.contains(id)) return true;  // we have asked for it
  const std::string act = "watch etcd at " + member_.endpoint() + ": ";
  const std::string& reason = response.cancel_reason();
  if (response.compact_revision() > 0) {
    registry_.end(id, StoreError(Kind::compacted, act + "changes up to revision " +
                                                      std::to_string(response.compact_revision()) +
                                                      " are not kept"));
  } else if (reason.find("ermission") != std::string::npos ||
             reason.find("auth") != std::string::npos) {
    registry_.end(
        id, StoreError(Kind::denied, act + reason + "; look at the role of netd's user in etcd"));
  } else {
    problem_ = {Kind::unreachable, "it ended a watch: " + reason};
    return false;
  }
  sent_.erase(id);
  created_.erase(id);
  return true;
}

void WatchStream::collect(const Response& response) {
  registry_.visit(response.watch_id(), [&](Watch& watch) {
    for (const auto& event : response.events()) {
      const auto& entry = event.kv();
      if (entry.mod_revision() < watch.next) continue;
      Watched& watched = watch.fragments.emplace_back();
      watched.revision = entry.mod_revision();
      watched.change.key = entry.key();
      watched.change.lease = entry.lease();
      if (event.type() == etcdserverpb::Event::PUT) watched.change.value = entry.value();
    }
    if (!response.fragment()) tell(watch);
  });
}

void WatchStream::tell(Watch& watch) {
  const auto changes = std::exchange(watch.fragments, {});
  if (changes.empty()) return;
  // Before they are told: if the watcher throws, the watch is over anyway.
  watch.next = changes.back().revision + 1;
  members_.cluster().note(changes.back().revision);
  if (watch.held_mark && changes.front().revision <= *watch.held_mark) watch.held_mark.reset();
  for (const Watched& change : changes) {
    watch.watcher.changed(change);
    if (!registry_.has(watch.id)) return;
  }
}

/// The answer to a progress request. etcd before 3.4.25 and 3.5.8 may send it before changes that
/// it counts in (etcd issue 15220). So a mark is told only when the next one comes and no such
/// change came between, and no watch goes on from it.
void WatchStream::mark(Revision revision) {
  for (const std::int64_t id : created_)
    registry_.visit(id, [&](Watch& watch) {
      if (watch.held_mark && watch.watcher.progressed) watch.watcher.progressed(*watch.held_mark);
      watch.held_mark = revision;
    });
}

}  // namespace netd::etcd
