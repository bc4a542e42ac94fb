#include "netd/etcd/verdict.h"

#include <array>
#include <string_view>

namespace netd::etcd {
namespace {

using Kind = StoreError::Kind;

bool says(const grpc::Status& status, std::string_view part) {
  return status.error_message().find(part) != std::string::npos;
}

/// gRPC's words for a connection that was not made in time: packets are dropped on the way.
bool was_slow_to_connect(const grpc::Status& status) {
  return says(status, "tcp handshaker shutdown");
}

bool is_about_identity(const grpc::Status& status) {
  if (was_slow_to_connect(status)) return false;
  for (const char* part : {"andshake", "certificate", "SSL", "ssl_", "TLS", "tls"})
    if (says(status, part)) return true;
  return false;
}

/// gRPC has one code for both what wasn't sent and what wasn't answered.
Verdict judge_unavailable(const grpc::Status& status) {
  if (says(status, "no leader"))
    return {.fate = Fate::unmade, .kind = Kind::unreachable, .leaderless = true};
  if (is_about_identity(status)) return {Fate::unmade, Kind::denied};
  if (was_slow_to_connect(status)) return {Fate::unmade, Kind::unreachable};
  for (const char* part : {"failed to connect", "connections to all backends failing",
                           "resolution failed", "Empty address list"})
    if (says(status, part)) return {Fate::unmade, Kind::unreachable};
  return {Fate::unsure, Kind::unreachable};
}

}  // namespace

Verdict judge(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::NOT_FOUND:
      return {Fate::refused, Kind::no_lease};
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return {Fate::refused, says(status, "space exceeded") ? Kind::full : Kind::failed};
    case grpc::StatusCode::OUT_OF_RANGE:
      return {Fate::refused, Kind::compacted};
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return {Fate::refused, Kind::denied};
    case grpc::StatusCode::INVALID_ARGUMENT:
      return {Fate::refused,
              says(status, "user name") || says(status, "auth") ? Kind::denied : Kind::failed};
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::UNIMPLEMENTED:
    case grpc::StatusCode::DATA_LOSS:
      return {Fate::refused, Kind::failed};
    case grpc::StatusCode::UNAVAILABLE:
      return judge_unavailable(status);
    default:
      return {Fate::unsure, Kind::unreachable};
  }
}

std::string readable(const grpc::Status& status) {
  std::string text = status.error_message();
  // "failed to connect to all addresses; last error: UNKNOWN: ipv4:192.0.2.1:2379: Failed to
  // connect to remote host: Connection refused"
  constexpr std::array<std::string_view, 4> before = {
      "last error: ", "UNKNOWN: ", "Failed to connect to remote host: ", "UNAVAILABLE: "};
  for (const std::string_view part : before)
    if (const auto at = text.find(part); at != std::string::npos) text.erase(0, at + part.size());
  for (const std::string_view scheme : {"ipv4:", "ipv6:"})
    if (text.starts_with(scheme)) text.erase(0, std::min(text.size(), text.find(": ") + 2));
  if (was_slow_to_connect(status)) return "no connection in time";
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) return "no answer in time";
  if (text.find("CERTIFICATE_VERIFY_FAILED") != std::string::npos ||
      text.find("certificate verify failed") != std::string::npos)
    return text +
           " (its certificate is not signed by the authority that netd was given, or not for "
           "this name)";
  if (text.find("ertificate required") != std::string::npos ||
      text.find("CERTIFICATE_REQUIRED") != std::string::npos ||
      text.find("ad certificate") != std::string::npos)
    return text + " (it does not accept netd's client certificate, or wants one)";
  return text;
}

}  // namespace netd::etcd
