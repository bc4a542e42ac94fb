#include <random>
#include <stdexcept>
#include <thread>

#include "netd/etcd/member.h"

namespace netd::etcd {
namespace {

using Kind = StoreError::Kind;

constexpr auto connecting_at_most = std::chrono::milliseconds(1500);
constexpr auto pause = std::chrono::milliseconds(100);

std::string remedy(Kind kind) {
  switch (kind) {
    case Kind::full:
      return "; etcd is out of space: compact and defragment it (etcdctl compact, defrag), then "
             "etcdctl alarm disarm";
    case Kind::denied:
      return "; look at the store's certificates, and at the role of netd's user in etcd";
    case Kind::unknown:
      return "; it may be made, even later";
    case Kind::unreachable:
      return "; nothing was changed. See that etcd runs, has a majority of its members, and can be "
             "reached from here";
    case Kind::other_cluster:
      return "; netd does not go on with another store. Correct the endpoints, or start netd anew";
    default:
      return {};
  }
}

}  // namespace

/// One try of each member.
struct Members::Round {
  const std::string& act;
  const Repeat repeat;
  const Call& call;
  const Time deadline;
  bool done = false;
  bool worth_another = false;
  std::optional<Kind> kind{};  // of all problems; mixed ones are `unreachable`
  std::string problems{};

  void note(const Member& member, Kind problem, const std::string& text) {
    kind = !kind || *kind == problem ? problem : Kind::unreachable;
    problems += (problems.empty() ? "" : ", ") + member.endpoint() + ": " + text;
  }
  [[noreturn]] void fail(Kind why) const {
    throw StoreError(why, act + ": etcd at " + problems + remedy(why));
  }
};

Members::Members(const EtcdOptions& options) : options_(options) {
  if (options_.endpoints.empty())
    throw std::invalid_argument("etcd has no endpoint: write https://HOST:2379 of each member");
  for (const std::string& endpoint : options_.endpoints)
    members_.push_back(std::make_unique<Member>(endpoint, options_, cluster_));
  preferred_ = std::random_device()() % members_.size();  // members share the hosts
}

void Members::call(const std::string& act, Repeat repeat, const Call& call) {
  const Time deadline = std::chrono::system_clock::now() + options_.deadline;
  for (;;) {
    Round round{.act = act, .repeat = repeat, .call = call, .deadline = deadline};
    ask_each(round);
    if (round.done) return;
    if (!round.worth_another || std::chrono::system_clock::now() + pause >= deadline)
      round.fail(round.kind.value_or(Kind::unreachable));
    std::this_thread::sleep_for(pause);
  }
}

void Members::ask_each(Round& round) {
  // A lost answer to a question may be asked for elsewhere, so less time is waited for each.
  const auto patience = options_.deadline / (round.repeat == Repeat::never ? 2 : 3);
  const std::size_t first = preferred_;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    Member& member = (*this)[first + i];
    const Time now = std::chrono::system_clock::now();
    if (now >= round.deadline) return round.note(member, Kind::unreachable, "no time left");
    if (const auto problem = member.connect(std::min(round.deadline, now + connecting_at_most))) {
      round.note(member, problem->kind, problem->text);
      continue;
    }
    grpc::ClientContext context;
    context.set_deadline(std::min(round.deadline, std::chrono::system_clock::now() + patience));
    require_leader(context);
    const grpc::Status status = round.call(context, member.channel());
    if (status.ok()) {
      member.answered();
      preferred_ = (first + i) % members_.size();
      round.done = true;
      return;
    }
    const Verdict verdict = judge(status);
    round.note(member, verdict.kind, readable(status));
    if (verdict.fate == Fate::refused) round.fail(verdict.kind);
    member.distrust();
    if (verdict.fate == Fate::unsure) {
      if (round.repeat == Repeat::never) round.fail(Kind::unknown);
      round.worth_another = true;
    }
    if (verdict.leaderless) round.worth_another = true;
  }
}

}  // namespace netd::etcd
