#include "netd/api/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace netd::api {
namespace {

namespace ssl = boost::asio::ssl;

constexpr std::string_view where = "docs/api-over-tcp.md tells how to make it";

[[noreturn]] void refuse(std::string_view flag, const std::string& file, std::string_view problem,
                         std::string_view remedy) {
  throw std::invalid_argument(fmt::format("{}: {}: {}; {}", flag, file, problem, remedy));
}

/// OpenSSL's words for a file that isn't there or isn't readable are hard to understand.
void check_file(std::string_view flag, const std::string& file) {
  if (file.empty())
    throw std::invalid_argument(
        fmt::format("{}: missing; tlsverify needs tlscacert, tlscert and tlskey, {}", flag, where));
  if (!file.starts_with('/')) refuse(flag, file, "is not an absolute path", "begin it with /");
  std::FILE* stream = std::fopen(file.c_str(), "re");
  if (!stream)
    refuse(flag, file, std::system_category().message(errno),
           fmt::format("name the PEM file that is there, {}", where));
  const bool readable = std::fgetc(stream) != EOF;
  std::fclose(stream);
  if (!readable) refuse(flag, file, "is a directory or empty", "name a PEM file");
}

int no_passphrase(char*, int, int, void*) {
  return -1;
}

void read_ca(SSL_CTX* tls, const std::string& file) {
  if (SSL_CTX_load_verify_file(tls, file.c_str()) != 1)
    refuse("tlscacert", file, "holds no certificate in PEM", where);
  // Named to clients, so that one with several certificates knows which to show.
  SSL_CTX_set_client_CA_list(tls, SSL_load_client_CA_file(file.c_str()));
}

void read_certificate(SSL_CTX* tls, const TlsFiles& files) {
  if (SSL_CTX_use_certificate_chain_file(tls, files.cert.c_str()) != 1)
    refuse("tlscert", files.cert, "holds no certificate in PEM", where);
  ERR_clear_error();
  if (SSL_CTX_use_PrivateKey_file(tls, files.key.c_str(), SSL_FILETYPE_PEM) == 1 &&
      SSL_CTX_check_private_key(tls) == 1)
    return;
  if (ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH ||
      ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_TYPE_MISMATCH)
    refuse("tlskey", files.key, "is not the key of tlscert " + files.cert,
           "name the two that were made together");
  refuse("tlskey", files.key, "holds no key in PEM that is readable without a passphrase",
         "`openssl pkey -in KEY -out PLAIN` takes a passphrase off");
}

}  // namespace

TlsContext make_tls(const TlsFiles& files) {
  check_file("tlscacert", files.ca);
  check_file("tlscert", files.cert);
  check_file("tlskey", files.key);
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* tls = context->native_handle();
  SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
  SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_num_tickets(tls, 0);
  SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_default_passwd_cb(tls, no_passphrase);
  read_ca(tls, files.ca);
  read_certificate(tls, files);
  ERR_clear_error();
  return context;
}

std::string common_name(const X509* certificate) {
  char name[256] = "";
  const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
                                             name, sizeof name);
  return size < 0 ? "" : std::string(name);
}

}  // namespace netd::api
