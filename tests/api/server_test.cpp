#include "netd/api/server.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>
#include <vector>

#include "tests/api/server_fixture.h"

namespace netd::api {
namespace {

using namespace std::chrono_literals;
using Server = tests::ServerTest;

constexpr std::string_view get = "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view get_and_close =
    "GET /a?b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

bool ends_with(const std::string& text, std::string_view end) {
  return text.ends_with(end);
}

TEST_F(Server, AnswersAndKeepsTheConnection) {
  start();
  const int fd = connect_raw();
  for (int round = 0; round < 3; ++round) {
    send_all(fd, get);
    const std::string answer = read_until(fd, "GET /a?b ");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
    EXPECT_NE(answer.find("Content-Length: 9\r\n"), std::string::npos) << answer;
  }
  close(fd);
}

TEST_F(Server, ClosesWhenAsked) {
  start();
  EXPECT_TRUE(ends_with(ask(get_and_close), "\r\n\r\nGET /a?b "));
  EXPECT_TRUE(ends_with(ask("GET /old HTTP/1.0\r\n\r\n"), "\r\n\r\nGET /old "));
}

TEST_F(Server, AnswersPipelinedRequestsInOrder) {
  start();
  const std::string all =
      ask(std::string("POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none"
                      "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n") +
          std::string(get_and_close));
  const auto first = all.find("POST /1 one");
  const auto second = all.find("GET /2 ");
  const auto third = all.find("GET /a?b ");
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_NE(third, std::string::npos);
}

TEST_F(Server, ReadsChunkedBodies) {
  start();
  EXPECT_TRUE(ends_with(
      ask("POST /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
          "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
      "POST /c abcde"));
}

TEST_F(Server, SendsNoBodyForHead) {
  start();
  const std::string answer = ask("HEAD /h HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("Content-Length: 8\r\n"), std::string::npos);
  EXPECT_TRUE(ends_with(answer, "\r\n\r\n"));
}

TEST_F(Server, SendsNeitherBodyNorLengthFor204) {
  start({}, [](const Request&) { return empty_response(204); });
  const std::string answer = ask(get_and_close);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 204 No Content\r\n"));
  EXPECT_EQ(answer.find("Content-Length"), std::string::npos);
}

TEST_F(Server, TellsClientsToContinue) {
  start();
  const int fd = connect_raw();
  send_all(fd,
           "POST /e HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n"
           "Expect: 100-continue\r\n\r\n");
  EXPECT_TRUE(read_until(fd, "\r\n\r\n").starts_with("HTTP/1.1 100 Continue\r\n"));
  send_all(fd, "ok");
  EXPECT_TRUE(ends_with(read_all(fd), "POST /e ok"));
  close(fd);
}

TEST_F(Server, RefusesOversizedBodiesBeforeReadingThem) {
  start();
  const std::string answer = ask("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n")) << answer;
  EXPECT_TRUE(ends_with(answer, "{\"message\":\"the request's body is too large\"}\n"));
}

TEST_F(Server, AnswersAClientThatSendsAnOversizedBodyWhole) {
  start();
  const std::string answer = ask("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" +
                                 std::string(2000000, 'a'));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 ")) << answer;
}

TEST_F(Server, RefusesOversizedChunkedBodies) {
  start();
  std::string request = "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int chunk = 0; chunk < 20; ++chunk)
    request += "10000\r\n" + std::string(0x10000, 'a') + "\r\n";
  EXPECT_TRUE(ask(request).starts_with("HTTP/1.1 413 "));
}

TEST_F(Server, TakesABodyOfTheLimit) {
  start({}, [](const Request& request) {
    return json_response(200, nlohmann::json(request.body.size()));
  });
  const std::string answer =
      ask("POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1048576\r\n\r\n" +
          std::string(1048576, 'a'));
  EXPECT_TRUE(ends_with(answer, "1048576\n")) << answer.substr(0, 200);
}

TEST_F(Server, RefusesOversizedHeaders) {
  start();
  const std::string large(9000, 'a');
  EXPECT_TRUE(
      ask("GET / HTTP/1.1\r\nHost: x\r\nX: " + large + "\r\n\r\n").starts_with("HTTP/1.1 431 "));
  EXPECT_TRUE(ask("GET /" + large + " HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 431 "));
}

TEST_F(Server, RefusesGarbage) {
  start();
  EXPECT_TRUE(ask("\x16\x03\x01\x02 hello\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(ask("GET / HTTP/9.9\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(ask("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(ends_with(ask(get_and_close), "GET /a?b "));
}

TEST_F(Server, TimesOutSlowHeaders) {
  start({.request_timeout = 100ms});
  const int fd = connect_raw();
  send_all(fd, "GET / HTTP/1.1\r\nHost:");
  EXPECT_TRUE(read_all(fd).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  close(fd);
}

TEST_F(Server, TimesOutSlowBodies) {
  start({.request_timeout = 100ms});
  const int fd = connect_raw();
  send_all(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_TRUE(read_all(fd).starts_with("HTTP/1.1 408 "));
  close(fd);
}

TEST_F(Server, ClosesSilentConnections) {
  start({.request_timeout = 100ms, .idle_timeout = 100ms});
  const int silent = connect_raw();
  EXPECT_EQ(read_all(silent), "");
  close(silent);
  const int idle = connect_raw();
  send_all(idle, get);
  EXPECT_TRUE(ends_with(read_all(idle), "GET /a?b "));
  close(idle);
}

TEST_F(Server, ServesAThousandConnectionsAtOnce) {
  start();
  std::vector<int> open;
  for (int client = 0; client < 1000; ++client)
    open.push_back(connect_raw());
  for (const int fd : open)
    ASSERT_TRUE(send_all(fd, get));
  for (const int fd : open)
    EXPECT_TRUE(ends_with(read_until(fd, "GET /a?b "), "GET /a?b "));
  EXPECT_EQ(connections(), 1000u);
  for (const int fd : open)
    close(fd);
  EXPECT_TRUE(ends_with(ask(get_and_close), "GET /a?b "));
}

TEST_F(Server, TurnsConnectionsAboveTheLimitAway) {
  start({.connections = 2});
  const int first = connect_raw();
  const int second = connect_raw();
  send_all(first, get);
  read_until(first, "GET /a?b ");
  send_all(second, get);
  read_until(second, "GET /a?b ");
  EXPECT_TRUE(ask("").starts_with("HTTP/1.1 503 "));
  close(first);
  close(second);
}

TEST_F(Server, ReplacesAndRemovesItsSocketFile) {
  start();
  EXPECT_TRUE(std::filesystem::exists(path_));
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  server_->listen_unix(path_, 0660);
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0660u);
  EXPECT_TRUE(ends_with(ask(get_and_close), "GET /a?b "));
  stop();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(Server, ItsSocketFileNeverHasAWiderMode) {
  start();
  std::atomic<bool> begun = false, done = false;
  std::set<mode_t> seen;
  std::thread watcher([&] {
    struct stat status {};
    while (!done) {
      if (stat(path_.c_str(), &status) == 0) seen.insert(status.st_mode & 0777);
      begun = true;
      begun.notify_one();
    }
  });
  begun.wait(false);
  for (int round = 0; round < 200; ++round)
    server_->listen_unix(path_, 0600);
  done = true;
  watcher.join();
  seen.erase(0);
  EXPECT_EQ(seen, std::set<mode_t>{0600});
}

TEST_F(Server, EndsOpenConnectionsWhenItStops) {
  start();
  const int fd = connect_raw();
  send_all(fd, get);
  read_until(fd, "GET /a?b ");
  server_->stop();
  EXPECT_EQ(read_all(fd), "");
  close(fd);
}

/// A handler that hands out one queue.
class ServerStream : public tests::ServerTest {
 protected:
  void start_stream(std::size_t limit, ServerLimits limits = {}) {
    queue_ = std::make_shared<LineQueue>(limit, "overflow\n");
    start(limits, [this](const Request&) {
      return Response{.status = 200, .content_type = "application/json", .lines = queue_};
    });
  }

  /// Ready when nobody holds the queue any more: once the test has let it go, when the server has.
  std::future<void> end_of_stream() {
    auto promise = std::make_shared<std::promise<void>>();
    auto future = promise->get_future();
    queue_->keep(std::shared_ptr<void>(nullptr, [promise](void*) { promise->set_value(); }));
    return future;
  }

  std::shared_ptr<LineQueue> queue_;
};

TEST_F(ServerStream, SendsLinesAsTheyCome) {
  start_stream(10);
  queue_->push("early\n");
  const int fd = connect_raw();
  send_all(fd, get);
  const std::string head = read_until(fd, "early\n");
  EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos) << head;
  queue_->push("late\n");
  EXPECT_TRUE(read_until(fd, "late\n\r\n").starts_with("5\r\nlate\n"));
  queue_->close();
  EXPECT_EQ(read_all(fd), "0\r\n\r\n");
  close(fd);
}

TEST_F(ServerStream, EndsAtItsTime) {
  start_stream(10);
  queue_->set_end(std::chrono::system_clock::now() + 50ms);
  EXPECT_TRUE(ends_with(ask(get), "\r\n\r\n0\r\n\r\n"));
}

TEST_F(ServerStream, EndsWhenTheClientGoesAway) {
  start_stream(10);
  auto ended = end_of_stream();
  const int fd = connect_raw();
  send_all(fd, get);
  read_until(fd, "\r\n\r\n");
  EXPECT_EQ(connections(), 1u);
  queue_.reset();
  close(fd);
  EXPECT_EQ(ended.wait_for(10s), std::future_status::ready);
}

TEST_F(ServerStream, DropsASlowReader) {
  start_stream(4, {.write_timeout = 200ms});
  auto ended = end_of_stream();
  const int fd = connect_raw();
  send_all(fd, get);
  read_until(fd, "\r\n\r\n");
  EXPECT_EQ(connections(), 1u);
  const std::string line = std::string(100000, 'x') + "\n";
  for (int lines = 0; lines < 100; ++lines)
    queue_->push(line);
  queue_.reset();
  EXPECT_EQ(ended.wait_for(10s), std::future_status::ready);
  close(fd);
}

TEST_F(ServerStream, DoesNotStreamForHead) {
  start_stream(10);
  const std::string answer = ask("HEAD /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n"));
}

}  // namespace
}  // namespace netd::api
