#include "runtime-hooks/daemon.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

namespace runtime_hooks {
namespace {

using std::chrono::milliseconds;

/// A socket of a netd that does what a test says with one connection after the other.
class ScriptedDaemon {
 public:
  using Turn = std::function<void(int connection)>;

  explicit ScriptedDaemon(std::vector<Turn> turns) {
    std::string directory = "/tmp/netd-hook-XXXXXX";
    directory_ = mkdtemp(directory.data());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path().c_str());
    socket_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(socket_, 8), 0);
    thread_ = std::thread([this, turns = std::move(turns)] {
      for (const Turn& turn : turns) {
        const int connection = accept(socket_, nullptr, nullptr);
        char request[4096];
        static_cast<void>(read(connection, request, sizeof request));
        turn(connection);
        close(connection);
      }
    });
  }
  ~ScriptedDaemon() {
    thread_.join();
    close(socket_);
    std::filesystem::remove_all(directory_);
  }
  std::string path() const { return directory_ + "/netd.sock"; }

 private:
  std::string directory_;
  int socket_ = -1;
  std::thread thread_;
};

ScriptedDaemon::Turn answer(const std::string& status, const std::string& body) {
  return [text = "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
                 "\r\n\r\n" + body](int connection) {
    EXPECT_EQ(write(connection, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  };
}

void hang_up(int) {}

TEST(Daemon, IsAskedAgainWhenItWentAwayBeforeItAnswered) {
  const ScriptedDaemon netd({hang_up, hang_up, answer("200 OK", R"({"a":1})")});
  Daemon daemon(netd.path(), {});
  EXPECT_EQ(daemon.get("/x")["a"], 1);
}

TEST(Daemon, SaysNoInItsOwnWords) {
  const ScriptedDaemon netd({answer("404 Not Found", R"({"message":"network shop not found"})")});
  Daemon daemon(netd.path(), {});
  try {
    daemon.get("/x");
    FAIL() << "no refusal";
  } catch (const Refusal& refusal) {
    EXPECT_EQ(refusal.status, 404);
    EXPECT_STREQ(refusal.what(), "network shop not found");
  }
}

TEST(Daemon, ThatIsNotThereIsWaitedForButNotForEver) {
  Daemon daemon("/tmp/netd-hook-nobody.sock", {.without_daemon = milliseconds(100)});
  const auto begin = Daemon::Clock::now();
  EXPECT_THROW(daemon.ask("GET", "/x"), netd::client::NoDaemon);
  EXPECT_GE(Daemon::Clock::now() - begin, milliseconds(60));
}

TEST(Daemon, ThatHangsIsGivenUp) {
  const ScriptedDaemon netd({[](int connection) {
    char byte = 0;
    static_cast<void>(read(connection, &byte, 1));  // until the other hangs up
  }});
  Daemon daemon(netd.path(), {.in_all = milliseconds(100)});
  EXPECT_THROW(daemon.ask("GET", "/x"), std::runtime_error);
  EXPECT_FALSE(daemon.wait_a_moment());
}

}  // namespace
}  // namespace runtime_hooks
