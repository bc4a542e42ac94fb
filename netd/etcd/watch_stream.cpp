#include "netd/etcd/watch_stream.h"

#include <algorithm>

namespace netd::etcd {
namespace {

using Kind = StoreError::Kind;

Time now() {
  return std::chrono::system_clock::now();
}

}  // namespace

WatchStream::WatchStream(Member& member, Members& members, Registry& registry, std::stop_token stop)
    : member_(member),
      members_(members),
      registry_(registry),
      stop_(std::move(stop)),
      ask_progress_at_(now() + members.options().progress_interval),
      wake_to_stop_(stop_, [this] { wake(); }) {
  require_leader(context_);
  stub_ = etcdserverpb::Watch::NewStub(member.channel());
  stream_ = stub_->PrepareAsyncWatch(&context_, &queue_);
  stream_->StartCall(tag(Event::started));
  pending_ = 1;
  answer_due_ = now() + members.options().deadline;
  registry_.set_wake([this] { wake(); });
}

WatchStream::~WatchStream() {
  registry_.set_wake({});
  {
    const std::lock_guard lock(wake_mutex_);
    closed_ = true;
    if (alarm_) alarm_->Cancel();
  }
  close();
}

/// From any thread.
void WatchStream::wake() {
  const std::lock_guard lock(wake_mutex_);
  if (alarm_ || closed_) return;
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(&queue_, gpr_now(GPR_CLOCK_REALTIME), tag(Event::woken));
}

std::optional<Member::Problem> WatchStream::run() {
  while (!stop_.stop_requested() && !registry_.ids().empty()) {
    send_next();
    if (!step()) return problem_ ? problem_ : Member::Problem{Kind::unreachable, "it broke"};
  }
  return std::nullopt;
}

/// Waits for one event, or the time to ask for progress. False when the stream is of no more use.
bool WatchStream::step() {
  void* what = nullptr;
  bool ok = false;
  const Time until = answer_due_ ? std::min(*answer_due_, ask_progress_at_) : ask_progress_at_;
  switch (queue_.AsyncNext(&what, &ok, std::max(until, now() + std::chrono::milliseconds(1)))) {
    case grpc::CompletionQueue::SHUTDOWN:
      return false;
    case grpc::CompletionQueue::TIMEOUT:
      return !is_late();
    case grpc::CompletionQueue::GOT_EVENT:
      break;
  }
  const auto event = static_cast<Event>(reinterpret_cast<std::intptr_t>(what));
  if (event == Event::woken) {
    const std::lock_guard lock(wake_mutex_);
    alarm_.reset();
    return true;
  }
  --pending_;
  return ok && on(event);
}

bool WatchStream::is_late() const {
  return answer_due_ && now() >= *answer_due_;
}

bool WatchStream::on(Event event) {
  if (event == Event::read) {
    answer_due_.reset();
    if (!handle(response_)) return false;
    response_.Clear();
  }
  if (event == Event::read || event == Event::started) {
    stream_->Read(&response_, tag(Event::read));
    ++pending_;
  }
  if (event == Event::written || event == Event::started) writable_ = true;
  return true;
}

void WatchStream::send_next() {
  if (!writable_) return;
  etcdserverpb::WatchRequest request;
  if (!next_request(request)) return;
  stream_->Write(request, tag(Event::written));
  ++pending_;
  writable_ = false;
  if (!answer_due_ && !request.has_cancel_request())
    answer_due_ = now() + members_.options().deadline;
}

/// False when there is nothing to ask for.
bool WatchStream::next_request(etcdserverpb::WatchRequest& request) {
  const auto wanted = registry_.ids();  // sorted
  for (const std::int64_t id : sent_)
    if (!std::ranges::binary_search(wanted, id)) {
      request.mutable_cancel_request()->set_watch_id(id);
      sent_.erase(id);
      created_.erase(id);
      return true;
    }
  for (const std::int64_t id : wanted) {
    if (sent_.contains(id)) continue;
    auto& creation = *request.mutable_create_request();
    creation.set_watch_id(id);
    creation.set_progress_notify(true);
    creation.set_fragment(true);
    registry_.visit(id, [&](Watch& watch) {
      creation.set_key(watch.key);
      creation.set_range_end(watch.range_end);
      creation.set_start_revision(watch.next);
      watch.fragments.clear();
      watch.held_mark.reset();
    });
    sent_.insert(id);
    unconfirmed_.push_back(id);
    return true;
  }
  if (now() < ask_progress_at_) return false;
  ask_progress_at_ = now() + members_.options().progress_interval;
  request.mutable_progress_request();
  return true;
}

/// All of the call's events have to come before its objects go.
void WatchStream::close() {
  context_.TryCancel();
  grpc::Status status;
  bool finishing = false;
  void* what = nullptr;
  bool ok = false;
  for (;;) {
    if (pending_ == 0 && !finishing) {
      stream_->Finish(&status, tag(Event::finished));
      finishing = true;
      pending_ = 1;
    }
    if (pending_ == 0) break;
    if (!queue_.Next(&what, &ok)) return;
    if (what != tag(Event::woken)) --pending_;
  }
  queue_.Shutdown();
  while (queue_.Next(&what, &ok)) {
  }
}

}  // namespace netd::etcd
