// A Server with a handler of the test's own at a socket in a temporary directory.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "netd/api/server.h"

namespace tests {

class ServerTest : public ::testing::Test {
 protected:
  /// Starts it with what echoes method, target and body as text, unless `handler` is given.
  void start(netd::api::ServerLimits limits = {}, netd::api::Server::Handler handler = {});
  void TearDown() override;
  /// Stops it and joins its threads.
  void stop();

  /// A connected socket whose reads time out after ten seconds.
  int connect_raw() const;
  /// Sends all of `text`; false when the server has hung up.
  static bool send_all(int fd, std::string_view text);
  /// Reads until `fd` ends, or `until` was read.
  static std::string read_until(int fd, std::string_view until);
  static std::string read_all(int fd);
  /// One request on a connection of its own, "Connection: close": everything the server said.
  std::string ask(std::string_view text) const;
  std::size_t connections();

  std::string path_;
  boost::asio::io_context io_{1};
  boost::asio::thread_pool control_{1};
  std::unique_ptr<netd::api::Server> server_;
  std::thread thread_;
};

}  // namespace tests
