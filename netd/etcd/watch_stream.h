// One stream of watches to one member, on the calling thread.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_stream.h>

#include <deque>
#include <set>

#include "netd/etcd/etcd.grpc.pb.h"
#include "netd/etcd/watches.h"

namespace netd::etcd {

class WatchStream {
 public:
  WatchStream(Member& member, Members& members, Registry& registry, std::stop_token stop);
  ~WatchStream();
  WatchStream(const WatchStream&) = delete;
  WatchStream& operator=(const WatchStream&) = delete;

  /// Creates the registry's watches and tells them what comes. Returns why the stream broke, or
  /// nothing when nobody watches any more or it is stopped.
  std::optional<Member::Problem> run();

 private:
  enum class Event : std::intptr_t { started = 1, read, written, woken, finished };
  using Response = etcdserverpb::WatchResponse;
  static void* tag(Event event) { return reinterpret_cast<void*>(event); }

  void wake();
  bool step();
  bool on(Event event);
  void send_next();
  bool next_request(etcdserverpb::WatchRequest& request);
  bool is_late() const;
  void close();

  bool handle(Response& response);
  bool handle_end(const Response& response, std::int64_t id);
  void collect(const Response& response);
  void tell(Watch& watch);
  void mark(Revision revision);

  Member& member_;
  Members& members_;
  Registry& registry_;
  const std::stop_token stop_;

  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  std::unique_ptr<etcdserverpb::Watch::Stub> stub_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<etcdserverpb::WatchRequest, Response>> stream_;
  Response response_;
  int pending_ = 0;  // events of ours in the queue
  bool writable_ = false;
  std::optional<Member::Problem> problem_;

  std::set<std::int64_t> sent_;           // to be created
  std::deque<std::int64_t> unconfirmed_;  // of these, in order
  std::set<std::int64_t> created_;
  Time ask_progress_at_;
  std::optional<Time> answer_due_;

  std::mutex wake_mutex_;
  std::unique_ptr<grpc::Alarm> alarm_;  // set = a wake is on its way
  bool closed_ = false;
  std::stop_callback<std::function<void()>> wake_to_stop_;
};

}  // namespace netd::etcd
