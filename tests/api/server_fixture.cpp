#include "tests/api/server_fixture.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <filesystem>
#include <future>

namespace tests {
namespace {

netd::api::Response echo(const netd::api::Request& request) {
  return {.status = 200,
          .content_type = "text/plain",
          .body = request.method + " " + request.target + " " + request.body};
}

}  // namespace

void ServerTest::start(netd::api::ServerLimits limits, netd::api::Server::Handler handler) {
  rlimit descriptors{};
  getrlimit(RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = std::min<rlim_t>(descriptors.rlim_max, 16384);
  setrlimit(RLIMIT_NOFILE, &descriptors);
  std::string directory = "/tmp/netd-api-test-XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  path_ = directory + "/netd.sock";
  server_ = std::make_unique<netd::api::Server>(io_, control_, handler ? handler : echo, limits);
  server_->listen_unix(path_, 0600);
  thread_ = std::thread([this] { io_.run(); });
}

void ServerTest::stop() {
  if (!server_) return;
  server_->stop();
  control_.join();
  thread_.join();
  server_.reset();
}

void ServerTest::TearDown() {
  stop();
  if (!path_.empty()) std::filesystem::remove_all(std::filesystem::path(path_).parent_path());
}

int ServerTest::connect_raw() const {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_GE(fd, 0);
  const timeval patience{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(path_.begin(), path_.end(), address.sun_path);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

bool ServerTest::send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::string ServerTest::read_until(int fd, std::string_view until) {
  std::string text;
  char buffer[4096];
  while (until.empty() || text.find(until) == std::string::npos) {
    const ssize_t received = recv(fd, buffer, sizeof buffer, 0);
    if (received <= 0) {
      // An end is an end (also a reset one); ten seconds of silence are a failure.
      EXPECT_TRUE(received == 0 || errno == ECONNRESET) << "nothing came; until now: " << text;
      break;
    }
    text.append(buffer, static_cast<std::size_t>(received));
  }
  return text;
}

std::string ServerTest::read_all(int fd) {
  return read_until(fd, "");
}

std::string ServerTest::ask(std::string_view text) const {
  const int fd = connect_raw();
  send_all(fd, text);
  std::string answer = read_all(fd);
  close(fd);
  return answer;
}

std::size_t ServerTest::connections() {
  std::promise<std::size_t> promise;
  boost::asio::post(io_, [&] { promise.set_value(server_->connections()); });
  return promise.get_future().get();
}

}  // namespace tests
