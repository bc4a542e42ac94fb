#include "tests/cni/lost_answer.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <string_view>

namespace cni {
namespace {

constexpr const char* netd = "/run/netd/netd.sock";
constexpr int patience_ms = 20'000;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

}  // namespace

LostAnswer::LostAnswer(const std::string& path, const std::string& request, int times)
    : request_(request), to_lose_(times) {
  unlink(path.c_str());
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_of(path);
  EXPECT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(listen(listener, 8), 0);
  start(listener, [this](int ready) { pass(ready); });
}

/// One connection, until one side hangs up.
void LostAnswer::pass(int listener) {
  const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_of(netd);
  bool goes_on = connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  bool is_lost = false;
  std::array<char, 65536> buffer{};
  while (goes_on) {
    std::array<pollfd, 2> ready{{{client, POLLIN, 0}, {server, POLLIN, 0}}};
    if (poll(ready.data(), ready.size(), patience_ms) <= 0) break;
    const bool is_request = ready[0].revents != 0;
    const ssize_t size = read(is_request ? client : server, buffer.data(), buffer.size());
    const std::string_view text(buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    if (is_request && lost_ < to_lose_ && text.starts_with(request_)) {
      ++lost_;
      is_lost = true;
    }
    goes_on = size > 0 && !(is_lost && !is_request) &&
              send(is_request ? server : client, text.data(), text.size(), MSG_NOSIGNAL) == size;
  }
  close(client);
  close(server);
}

}  // namespace cni
