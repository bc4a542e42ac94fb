#include "netd/etcd/member.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "netd/etcd/etcd.grpc.pb.h"

namespace netd::etcd {
namespace {

using Kind = StoreError::Kind;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::string read_file(const std::string& file) {
  if (file.empty()) return {};
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream content;
  content << stream.rdbuf();
  if (!stream)
    throw StoreError(Kind::denied, "read " + file +
                                       " for etcd: " + std::system_category().message(errno) +
                                       "; the store's TLS files have to be there");
  return std::move(content).str();
}

/// Dead connections are found in nine seconds, and members that come back within one. etcd takes
/// pings more often than every five seconds for an attack (--grpc-keepalive-min-time).
grpc::ChannelArguments channel_arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 6000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 3000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_MIN_SENT_PING_INTERVAL_WITHOUT_DATA_MS, 6000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);  // also how long connecting may take
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // what is sent again is decided here
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // new certificates, new connection
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  return arguments;
}

/// In TLS 1.3 a server sees the client's certificate when the client is done; gRPC then keeps the
/// alert for itself.
bool is_hung_up(const grpc::Status& status) {
  for (const char* part : {"Endpoint read failed", "Socket closed", "Connection reset"})
    if (status.error_message().find(part) != std::string::npos) return true;
  return false;
}

bool begins(const std::string& endpoint, std::string_view scheme) {
  return endpoint.starts_with(scheme) && endpoint.size() > scheme.size();
}

}  // namespace

bool Cluster::is_same(const etcdserverpb::ResponseHeader& header) {
  std::uint64_t pinned = 0;
  if (!id_.compare_exchange_strong(pinned, header.cluster_id()) && pinned != header.cluster_id())
    return false;
  note(header.revision());
  return true;
}

void Cluster::note(Revision revision) {
  Revision known = newest_;
  while (known < revision && !newest_.compare_exchange_weak(known, revision)) {
  }
}

void require_leader(grpc::ClientContext& context) {
  context.AddMetadata("hasleader", "true");
}

Member::Member(std::string endpoint, const EtcdOptions& options, Cluster& cluster)
    : endpoint_(std::move(endpoint)),
      options_(options),
      cluster_(cluster),
      tls_(begins(endpoint_, "https://")) {
  if (!tls_ && !begins(endpoint_, "http://"))
    throw std::invalid_argument("etcd's endpoint '" + endpoint_ +
                                "' is none: write https://HOST:2379");
  channel_ = make_channel();
  files_ = look_at_files();
}

Member::TlsFiles Member::look_at_files() const {
  TlsFiles files;
  std::error_code ignored;
  std::size_t i = 0;
  for (const std::string* file :
       {&options_.ca_file, &options_.certificate_file, &options_.key_file}) {
    if (!file->empty()) files.times[i] = std::filesystem::last_write_time(*file, ignored);
    ++i;
  }
  return files;
}

std::shared_ptr<grpc::Channel> Member::make_channel() const {
  // Not a scheme of gRPC's own; the name is what the certificate has to be for.
  const std::string target = "dns:///" + endpoint_.substr(endpoint_.find("//") + 2);
  if (!tls_)
    return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(),
                                     channel_arguments());
  grpc::SslCredentialsOptions files;  // TLS 1.2 and later
  files.pem_root_certs = read_file(options_.ca_file);
  files.pem_cert_chain = read_file(options_.certificate_file);
  files.pem_private_key = read_file(options_.key_file);
  return grpc::CreateCustomChannel(target, grpc::SslCredentials(files), channel_arguments());
}

std::shared_ptr<grpc::Channel> Member::channel() {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (!tls_ || now - looked_at_files_ < seconds(1)) return channel_;
  looked_at_files_ = now;
  const TlsFiles files = look_at_files();
  if (files == files_) return channel_;
  try {
    channel_ = make_channel();
    files_ = files;
    trusted_ = false;
  } catch (const StoreError&) {
    // Being replaced right now: what was read before goes on, and they are looked at again.
  }
  return channel_;
}

/// gRPC only looks at connections while a call waits, so a state may be old: a READY one is looked
/// at before it is trusted, and a failed one is not asked for its next try but made anew.
std::shared_ptr<grpc::Channel> Member::fresh_channel() {
  const auto current = channel();
  auto state = current->GetState(true);
  if (state == GRPC_CHANNEL_READY &&
      std::chrono::steady_clock::now() - answered_.load() > seconds(1) &&
      current->WaitForStateChange(state, std::chrono::system_clock::now()))
    state = current->GetState(true);
  if (state != GRPC_CHANNEL_READY) trusted_ = false;
  if (state != GRPC_CHANNEL_TRANSIENT_FAILURE) return current;
  const std::lock_guard lock(mutex_);
  if (channel_ == current) try {
      channel_ = make_channel();
    } catch (const StoreError&) {
      // The TLS files are being replaced.
    }
  return channel_;
}

std::optional<Member::Problem> Member::connect(Time deadline, const std::stop_token& stop) {
  const auto current = fresh_channel();
  constexpr auto slice = milliseconds(100);
  auto state = current->GetState(true);
  if (state == GRPC_CHANNEL_READY && trusted_) return std::nullopt;
  while (state != GRPC_CHANNEL_READY) {
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE) break;  // `verify` is told why
    const Time now = std::chrono::system_clock::now();
    if (now >= deadline || stop.stop_requested())
      return Problem{Kind::unreachable, "no connection in time"};
    current->WaitForStateChange(state, std::min(deadline, now + slice));
    state = current->GetState(true);
  }
  return verify(current, deadline);
}

std::optional<Member::Problem> Member::verify(const std::shared_ptr<grpc::Channel>& channel,
                                              Time deadline) {
  grpc::ClientContext context;
  context.set_deadline(deadline);
  etcdserverpb::StatusResponse answer;
  const auto status = etcdserverpb::Maintenance::NewStub(channel)->Status(&context, {}, &answer);
  if (!status.ok() && tls_ && channel->GetState(false) != GRPC_CHANNEL_READY && is_hung_up(status))
    return Problem{Kind::denied,
                   "it hung up after the handshake: it wants a client certificate, or "
                   "does not accept netd's"};
  if (!status.ok()) return Problem{judge(status).kind, readable(status)};
  if (!cluster_.is_same(answer.header()))
    return Problem{Kind::other_cluster, "it belongs to another cluster than before"};
  trusted_ = true;
  return std::nullopt;
}

}  // namespace netd::etcd
