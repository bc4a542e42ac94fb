// Many clients at once.
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "tests/e2e/end_to_end.h"

namespace e2e {
namespace {

using Load = EndToEnd;

/// A POST of `body`; writes the HTTP status, one line.
constexpr const char* post =
    "post() { curl -sS -o /run/answer.$$ -w '%{http_code}\\n' --max-time 60 --unix-socket "
    "/run/netd/netd.sock "
    "-H 'Content-Type: application/json' -d \"$2\" \"http://netd$1\"; };\n";

TEST_F(Load, ThirtyTwoClientsConnectAndDisconnectAtOnce) {
  shell(std::string(post) +
        "for n in 1 2 3 4; do post /networks/create '{\"Name\":\"net'$n'\"}'; done;"
        "for s in $(seq 32); do post /sandboxes '{\"Name\":\"box'$s'\",\"Networks\":[]}'; done");
  const std::string statuses = shell(
      std::string(post) +
      "for s in $(seq 32); do (\n"
      "  for round in 1 2 3; do\n"
      "    for n in 1 2 3 4; do post /networks/net$n/connect '{\"Container\":\"box'$s'\"}'; done\n"
      "    for n in 1 2 3 4; do post /networks/net$n/disconnect '{\"Container\":\"box'$s'\"}'; "
      "done\n"
      "  done\n"
      "  post /networks/net$((s % 4 + 1))/connect '{\"Container\":\"box'$s'\"}'\n"
      ") & done; wait");
  std::string expected;
  for (int i = 0; i < 32 * (3 * 8 + 1); ++i)
    expected += "200\n";
  EXPECT_EQ(statuses, expected);
  expect_agreement();
  for (const char* network : {"net1", "net2", "net3", "net4"})
    EXPECT_EQ(api(std::string("/networks/") + network).at("Containers").size(), 8u);
  expect_nothing_left();
}

TEST_F(Load, AThousandIdleConnectionsDoNotHurt) {
  rlimit limit{4096, 4096};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, "/run/netd/netd.sock");
  std::vector<int> connections;
  for (int i = 0; i < 1000; ++i) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0)
        << "connection " << i;
    connections.push_back(fd);
  }
  shell("netctl network create shop && netctl network rm shop");
  for (const int fd : connections)
    close(fd);
}

TEST_F(Load, HalfARequestHoldsNobodyUp) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, "/run/netd/netd.sock");
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string half =
      "POST /networks/create HTTP/1.1\r\nHost: netd\r\nContent-Length: 100\r\n\r\n{";
  ASSERT_EQ(send(fd, half.data(), half.size(), 0), static_cast<ssize_t>(half.size()));
  shell("netctl network create shop && netctl network rm shop");
  close(fd);
}

TEST_F(Load, TheApiSaysWhatIsWrong) {
  const std::string curl = "curl -sS -w ' %{http_code}' --unix-socket /run/netd/netd.sock ";
  EXPECT_EQ(shell(curl + "http://netd/nowhere"), "{\"message\":\"page not found\"}\n 404");
  EXPECT_THAT(
      shell(curl + "-H 'Content-Type: application/json' -d '{' http://netd/networks/create"),
      ::testing::EndsWith(" 400"));
  EXPECT_THAT(shell("head -c 20000000 /dev/zero | " + curl +
                    "-H 'Content-Type: application/json' -H 'Expect:' --data-binary @- "
                    "http://netd/networks/create || true"),
              ::testing::HasSubstr(" 413"));
}

}  // namespace
}  // namespace e2e
