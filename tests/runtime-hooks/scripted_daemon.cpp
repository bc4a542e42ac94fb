#include "tests/runtime-hooks/scripted_daemon.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

namespace runtime_hooks {

ScriptedDaemon::ScriptedDaemon(std::vector<Turn> turns) {
  std::string directory = "/tmp/netd-hook-XXXXXX";
  directory_ = mkdtemp(directory.data());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path().c_str());
  socket_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(listen(socket_, 8), 0);
  thread_ = std::thread([this, turns = std::move(turns)] {
    for (std::size_t turn = 0;; turn = std::min(turn + 1, turns.size() - 1)) {
      const int connection = accept(socket_, nullptr, nullptr);
      if (connection < 0) return;
      std::array<char, 4096> buffer{};
      const ssize_t size = read(connection, buffer.data(), buffer.size());
      const std::string request(buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
      asked_.push_back(request.substr(0, request.find(" HTTP/")));
      turns[turn](connection);
      close(connection);
    }
  });
}

ScriptedDaemon::~ScriptedDaemon() {
  end();
  close(socket_);
  std::filesystem::remove_all(directory_);
}

const std::vector<std::string>& ScriptedDaemon::asked() {
  end();
  return asked_;
}

void ScriptedDaemon::end() {
  shutdown(socket_, SHUT_RDWR);  // accept(2) returns
  if (thread_.joinable()) thread_.join();
}

ScriptedDaemon::Turn answer(const std::string& status, const std::string& body) {
  return [text = "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
                 "\r\n\r\n" + body](int connection) {
    // Who asked may have given up.
    send(connection, text.data(), text.size(), MSG_NOSIGNAL);
  };
}

void hang_up(int) {}

void hang(int connection) {
  char byte = 0;
  static_cast<void>(read(connection, &byte, 1));
}

}  // namespace runtime_hooks
