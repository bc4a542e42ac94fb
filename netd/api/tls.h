// The server's side of TLS: certificates as dockerd's --tlsverify names them. A client has to show
// a certificate that the CA signed; there is no TLS without one.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

namespace netd::api {

using TlsContext = std::shared_ptr<boost::asio::ssl::context>;

struct TlsFiles {
  std::string ca;    // --tlscacert: whose clients may come in
  std::string cert;  // --tlscert: ours, with its chain
  std::string key;   // --tlskey: of `cert`
};

/// Reads the files, once: a renewed certificate needs a restart. TLS 1.2 at least; no tickets, no
/// renegotiation: every connection shows its certificate. Throws std::invalid_argument that names
/// flag, file and remedy.
TlsContext make_tls(const TlsFiles& files);

/// The common name of a certificate's subject, "" when it has none.
std::string common_name(const X509* certificate);

}  // namespace netd::api
