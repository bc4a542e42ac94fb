// What netd_client_plain has instead of tls.cpp.
#include <stdexcept>

#include "netd/client/tls.h"

namespace netd::client {
namespace {

constexpr const char* refusal = "this program speaks no TLS: name the daemon's unix socket";

}  // namespace

std::shared_ptr<ssl_ctx_st> read_tls(const TlsOptions&) {
  throw std::invalid_argument(refusal);
}

std::unique_ptr<TlsSession> begin_tls(ssl_ctx_st*, int, const Address&, const std::string&) {
  throw std::invalid_argument(refusal);
}

}  // namespace netd::client
