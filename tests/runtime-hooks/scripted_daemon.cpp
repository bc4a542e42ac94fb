#include "tests/runtime-hooks/scripted_daemon.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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
    for (const Turn& turn : turns) {
      const int connection = accept(socket_, nullptr, nullptr);
      std::array<char, 4096> buffer{};
      const ssize_t size = read(connection, buffer.data(), buffer.size());
      const std::string request(buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
      asked_.push_back(request.substr(0, request.find(" HTTP/")));
      turn(connection);
      close(connection);
    }
  });
}

ScriptedDaemon::~ScriptedDaemon() {
  if (thread_.joinable()) thread_.join();
  close(socket_);
  std::filesystem::remove_all(directory_);
}

const std::vector<std::string>& ScriptedDaemon::asked() {
  if (thread_.joinable()) thread_.join();
  return asked_;
}

ScriptedDaemon::Turn answer(const std::string& status, const std::string& body) {
  return [text = "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
                 "\r\n\r\n" + body](int connection) {
    EXPECT_EQ(write(connection, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  };
}

void hang_up(int) {}

void hang(int connection) {
  char byte = 0;
  static_cast<void>(read(connection, &byte, 1));
}

}  // namespace runtime_hooks
