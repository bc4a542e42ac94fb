// The server over TLS, asked by netd's own client.
#include "netd/api/tls.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "netd/client/http.h"
#include "tests/api/server_fixture.h"
#include "tests/support/certificates.h"
#include "tests/support/namespace_test.h"

namespace netd::api {
namespace {

using namespace std::chrono_literals;
using client::Client;
using client::NoDaemon;
using ::testing::HasSubstr;

Response tell_peer(const Request& request) {
  const Peer peer = request.peer.value_or(Peer{});
  return json_response(200, {{"certificate", peer.certificate},
                             {"address", peer.address.substr(0, peer.address.rfind(':'))},
                             {"pid", peer.pid},
                             {"uid", static_cast<int>(peer.uid)},
                             {"bytes", request.body.size()}});
}

/// A client that does what it is told: OpenSSL without the client library.
class RawTls {
 public:
  explicit RawTls(int socket)
      : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free),
        session_(nullptr, SSL_free),
        socket_(socket) {}
  ~RawTls() { close(socket_); }

  SSL_CTX* context() { return context_.get(); }
  bool shake_hands() {
    session_.reset(SSL_new(context_.get()));
    SSL_set_fd(session_.get(), socket_);
    return SSL_connect(session_.get()) == 1;
  }
  void send(std::string_view text) {
    EXPECT_GT(SSL_write(session_.get(), text.data(), static_cast<int>(text.size())), 0);
  }
  /// Reads until the server ends TLS, or says nothing for ten seconds.
  std::string read_all() {
    std::string text;
    char buffer[4096];
    int received = 0;
    while ((received = SSL_read(session_.get(), buffer, sizeof buffer)) > 0)
      text.append(buffer, static_cast<std::size_t>(received));
    EXPECT_EQ(SSL_get_error(session_.get(), received), SSL_ERROR_ZERO_RETURN);
    return text;
  }

 private:
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  std::unique_ptr<SSL, void (*)(SSL*)> session_;
  int socket_;
};

struct Fresh : tests::NamespaceTest {
  using tests::NamespaceTest::enter_fresh_namespaces;
};

class Tls : public tests::ServerTest {
 protected:
  void SetUp() override { Fresh::enter_fresh_namespaces(); }
  void start_tls(ServerLimits limits = {}, Server::Handler handler = tell_peer) {
    start(limits, std::move(handler));
    const auto directory = std::filesystem::path(path_).parent_path();
    ours_ = std::make_unique<tests::Certificates>(directory);
    ours_->issue("netd", "serverAuth", "DNS:localhost,IP:127.0.0.1");
    ours_->issue("alice", "clientAuth");
    port_ = server_->listen_tcp("127.0.0.1", 0, make_tls(files()));
  }
  TlsFiles files() const {
    return {ours_->path("ca.pem"), ours_->path("netd.pem"), ours_->path("netd-key.pem")};
  }
  client::ClientOptions options(const std::string& name = "alice") const {
    client::TlsOptions tls{.ca_file = ours_->path("ca.pem"), .cert_file = "", .key_file = ""};
    if (!name.empty()) {
      tls.cert_file = ours_->path(name + ".pem");
      tls.key_file = ours_->path(name + "-key.pem");
    }
    return {.host = "tcp://127.0.0.1:" + std::to_string(port_),
            .deadline = 10s,
            .tls = tls,
            .headers = {}};
  }
  static std::string refusal(const client::ClientOptions& options) {
    try {
      Client(options).request("GET", "/");
    } catch (const NoDaemon& error) {
      return error.what();
    }
    ADD_FAILURE() << "no NoDaemon";
    return "";
  }
  int connect_tcp() const {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{10, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return fd;
  }

  std::unique_ptr<tests::Certificates> ours_;
  std::uint16_t port_ = 0;
};

TEST_F(Tls, KnowsItsClient) {
  start_tls();
  Client alice(options());
  for (int round = 0; round < 3; ++round) {
    const auto answer = alice.request("GET", "/").json();
    EXPECT_EQ(answer["certificate"], "alice");
    EXPECT_EQ(answer["address"], "127.0.0.1");
    EXPECT_EQ(answer["pid"], 0);
    EXPECT_EQ(answer["uid"], -1);
  }
  EXPECT_EQ(connections(), 1u);
}

TEST_F(Tls, KnowsAUnixSocketsClient) {
  start_tls();
  const auto answer = Client("unix://" + path_).request("GET", "/").json();
  EXPECT_EQ(answer["pid"], getpid());
  EXPECT_EQ(answer["uid"], static_cast<int>(getuid()));
}

TEST_F(Tls, TakesLargeBodiesAndRefusesTooLargeOnes) {
  start_tls();
  Client alice(options());
  const nlohmann::json large(std::string(1000000, 'a'));
  EXPECT_EQ(alice.request("POST", "/", &large).json()["bytes"], 1000002);
  const nlohmann::json too_large(std::string(3000000, 'a'));
  EXPECT_EQ(alice.request("POST", "/", &too_large).status, 413);
}

TEST_F(Tls, StreamsLines) {
  auto queue = std::make_shared<LineQueue>(10, "");
  queue->push("{\"a\":1}\n");
  start_tls({}, [&](const Request&) {
    return Response{.status = 200, .content_type = "application/json", .lines = queue};
  });
  std::string seen;
  Client(options()).stream("/events", [&](std::string_view line) {
    seen += line;
    queue->push("{\"a\":2}\n");
    return seen.size() < 14;
  });
  EXPECT_EQ(seen, "{\"a\":1}{\"a\":2}");
  queue->close();
}

TEST_F(Tls, RefusesClientsWithoutCertificate) {
  start_tls();
  EXPECT_THAT(refusal(options("")), HasSubstr("certificate required"));
}

TEST_F(Tls, RefusesExpiredCertificates) {
  start_tls();
  ours_->issue("late", "clientAuth", "", -1);
  EXPECT_THAT(refusal(options("late")), HasSubstr("certificate expired"));
}

TEST_F(Tls, RefusesAServersCertificateAsAClients) {
  start_tls();
  EXPECT_THAT(refusal(options("netd")), HasSubstr("does not accept our certificate"));
}

TEST_F(Tls, RefusesAnotherAuthoritysCertificates) {
  start_tls();
  const auto directory = std::filesystem::path(path_).parent_path() / "other";
  std::filesystem::create_directory(directory);
  const tests::Certificates other(directory);
  other.issue("mallory", "clientAuth");
  auto with = options();
  with.tls->cert_file = other.path("mallory.pem");
  with.tls->key_file = other.path("mallory-key.pem");
  EXPECT_THAT(refusal(with), HasSubstr("does not accept our certificate"));
  with = options();
  with.tls->ca_file = other.path("ca.pem");
  EXPECT_THAT(refusal(with), HasSubstr("its certificate is not valid"));
}

TEST_F(Tls, TheClientChecksTheName) {
  start_tls();
  auto with = options();
  with.host =
      "tcp://127.0.0.2:" + std::to_string(server_->listen_tcp("127.0.0.2", 0, make_tls(files())));
  EXPECT_THAT(refusal(with), HasSubstr("IP address mismatch"));
  with.tls->verify = false;
  EXPECT_EQ(Client(with).request("GET", "/").status, 200);
}

TEST_F(Tls, RefusesTls11) {
  start_tls();
  RawTls old(connect_tcp());
  SSL_CTX_set_security_level(old.context(), 0);
  SSL_CTX_set_min_proto_version(old.context(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(old.context(), TLS1_1_VERSION);
  EXPECT_FALSE(old.shake_hands());
}

TEST_F(Tls, TellsPlainClientsWhatItIs) {
  start_tls();
  const int fd = connect_tcp();
  send_all(fd, "DELETE /networks/a HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string answer = read_all(fd);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << answer;
  EXPECT_THAT(answer, HasSubstr("client sent an HTTP request to an HTTPS server"));
  close(fd);
}

TEST_F(Tls, EndsSlowHandshakes) {
  start_tls({.handshake_timeout = 100ms});
  const int silent = connect_tcp();
  EXPECT_EQ(read_all(silent), "");
  close(silent);
  const int slow = connect_tcp();
  send_all(slow, "\x16\x03\x01\x02");
  EXPECT_EQ(read_all(slow), "");
  close(slow);
}

TEST_F(Tls, EndsIdleConnections) {
  start_tls({.idle_timeout = 50ms});
  RawTls idle(connect_tcp());
  SSL_CTX_use_certificate_chain_file(idle.context(), ours_->path("alice.pem").c_str());
  SSL_CTX_use_PrivateKey_file(idle.context(), ours_->path("alice-key.pem").c_str(),
                              SSL_FILETYPE_PEM);
  ASSERT_TRUE(idle.shake_hands());
  idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(idle.read_all().starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST_F(Tls, ManyRefusedClientsAreOneLineAndACount) {
  start_tls({.refusal_log_interval = 1h});
  testing::internal::CaptureStderr();
  for (int client = 0; client < 50; ++client) {
    const int fd = connect_tcp();
    send_all(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    read_all(fd);
    close(fd);
  }
  stop();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 2) << log;
  EXPECT_THAT(log, HasSubstr("msg=\"API client refused, TLS\" address=127.0.0.1:"));
  EXPECT_THAT(log, HasSubstr("msg=\"API clients refused, TLS\" count=49 address=127.0.0.1:"));
  EXPECT_THAT(log, HasSubstr("reason=\"it speaks plain HTTP\""));
}

TEST_F(Tls, HandshakesLeaveRoomForOthers) {
  start_tls({.handshakes = 2});
  const int first = connect_tcp();
  const int second = connect_tcp();
  const int third = connect_tcp();
  EXPECT_EQ(read_all(third), "");
  EXPECT_EQ(Client("unix://" + path_).request("GET", "/").status, 200);
  for (const int fd : {first, second, third})
    close(fd);
}

TEST_F(Tls, AServerThatNeverShakesHandsIsGivenUp) {
  start_tls();
  const int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listening, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listening, 1), 0);
  getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
  auto with = options();
  with.host = "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  with.deadline = 100ms;
  EXPECT_THAT(refusal(with), HasSubstr("the TLS handshake took too long"));
  close(listening);
}

TEST_F(Tls, RefusesAKeyOfAnotherCertificate) {
  start_tls();
  try {
    make_tls({ours_->path("ca.pem"), ours_->path("netd.pem"), ours_->path("alice-key.pem")});
    FAIL() << "no exception";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), HasSubstr("tlskey: " + ours_->path("alice-key.pem") +
                                        ": is not the key of tlscert"));
  }
}

}  // namespace
}  // namespace netd::api
