// One member of etcd, and all of them: connections, and who is asked.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "netd/etcd/etcd.pb.h"
#include "netd/etcd/options.h"
#include "netd/etcd/verdict.h"

namespace netd::etcd {

using Time = std::chrono::system_clock::time_point;  // gRPC's deadlines

/// The cluster that answered first, and its newest revision that was seen. From any thread.
class Cluster {
 public:
  /// Whether the answer is of the cluster that answered first.
  bool is_same(const etcdserverpb::ResponseHeader& header);
  void note(Revision revision);
  /// After etcd was restored from a backup.
  void restart_at(Revision revision) { newest_ = revision; }
  Revision newest() const { return newest_; }

 private:
  std::atomic<std::uint64_t> id_ = 0;
  std::atomic<Revision> newest_ = 0;
};

/// One endpoint with its channel. From any thread.
class Member {
 public:
  Member(std::string endpoint, const EtcdOptions& options, Cluster& cluster);
  const std::string& endpoint() const { return endpoint_; }
  /// With the certificates that are in the files now.
  std::shared_ptr<grpc::Channel> channel();

  struct Problem {
    StoreError::Kind kind;
    std::string text;
  };
  /// Connects unless it is connected, and sees that it is the same cluster behind it. Nothing when
  /// that is so.
  std::optional<Problem> connect(Time deadline, const std::stop_token& stop = {});
  /// The connection broke: whoever answers next may be another.
  void distrust() { trusted_ = false; }
  /// A call was answered: the connection lives.
  void answered() { answered_ = std::chrono::steady_clock::now(); }

 private:
  struct TlsFiles {
    std::array<std::filesystem::file_time_type, 3> times{};
    friend bool operator==(const TlsFiles&, const TlsFiles&) = default;
  };
  TlsFiles look_at_files() const;
  std::shared_ptr<grpc::Channel> make_channel() const;
  std::shared_ptr<grpc::Channel> fresh_channel();
  std::optional<Problem> verify(const std::shared_ptr<grpc::Channel>& channel, Time deadline);

  const std::string endpoint_;
  const EtcdOptions& options_;
  Cluster& cluster_;
  bool tls_;
  std::atomic<bool> trusted_ = false;
  std::atomic<std::chrono::steady_clock::time_point> answered_{};

  std::mutex mutex_;  // of what follows
  std::shared_ptr<grpc::Channel> channel_;
  TlsFiles files_;
  std::chrono::steady_clock::time_point looked_at_files_;
};

enum class Repeat {
  never,   // not unless it is certain that it wasn't made
  always,  // asking twice does no harm
};

class Members {
 public:
  explicit Members(const EtcdOptions& options);

  using Call =
      std::function<grpc::Status(grpc::ClientContext&, const std::shared_ptr<grpc::Channel>&)>;
  /// Asks one member after the other until one did it or refuses, within the deadline. Throws
  /// StoreError; `act` begins its text: "read networks/1".
  void call(const std::string& act, Repeat repeat, const Call& call);

  const EtcdOptions& options() const { return options_; }
  Cluster& cluster() { return cluster_; }
  std::size_t size() const { return members_.size(); }
  Member& operator[](std::size_t index) { return *members_[index % members_.size()]; }

 private:
  struct Round;
  void ask_each(Round& round);

  const EtcdOptions options_;
  Cluster cluster_;
  std::vector<std::unique_ptr<Member>> members_;
  std::atomic<std::size_t> preferred_;
};

/// etcd refuses what it can't vouch for, instead of answering with what it last heard.
void require_leader(grpc::ClientContext& context);

}  // namespace netd::etcd
