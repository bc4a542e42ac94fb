#include "tests/dns/scripted_upstream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <system_error>

#include "dns/message.h"
#include "ipam/address.h"

namespace tests {
namespace {

void check(bool is_good, const char* what) {
  if (!is_good) throw std::system_error(errno, std::system_category(), what);
}

sandbox::Fd open_at(const std::string& text, int type) {
  sandbox::Fd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(53);
  inet_pton(AF_INET, text.c_str(), &address.sin_addr);
  check(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
        "bind the scripted upstream");
  return fd;
}

}  // namespace

ScriptedUpstream::ScriptedUpstream(const std::string& address, Script script)
    : script_(std::move(script)),
      udp_(open_at(address, SOCK_DGRAM)),
      tcp_(open_at(address, SOCK_STREAM)),
      stop_(eventfd(0, EFD_CLOEXEC)) {
  check(listen(tcp_.get(), 16) == 0, "listen");
  thread_ = std::thread([this] { run(); });
}

ScriptedUpstream::~ScriptedUpstream() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void ScriptedUpstream::run() {
  for (;;) {
    pollfd ready[] = {{stop_.get(), POLLIN, 0}, {udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}};
    poll(ready, 3, -1);
    if (ready[0].revents != 0) return;
    if (ready[1].revents != 0) serve_udp();
    if (ready[2].revents != 0) serve_tcp();
  }
}

void ScriptedUpstream::serve_udp() {
  Bytes packet(4096);
  sockaddr_in client{};
  socklen_t size = sizeof client;
  const auto read = recvfrom(udp_.get(), packet.data(), packet.size(), 0,
                             reinterpret_cast<sockaddr*>(&client), &size);
  if (read < 0) return;
  packet.resize(static_cast<std::size_t>(read));
  ++queries_;
  for (const Bytes& response : script_(packet, false))
    sendto(udp_.get(), response.data(), response.size(), 0, reinterpret_cast<sockaddr*>(&client),
           size);
}

/// One query a connection.
void ScriptedUpstream::serve_tcp() {
  const sandbox::Fd connection(accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  Bytes length(2);
  if (recv(connection.get(), length.data(), 2, MSG_WAITALL) != 2) return;
  Bytes packet(dns::read_u16(length, 0));
  if (recv(connection.get(), packet.data(), packet.size(), MSG_WAITALL) !=
      static_cast<ssize_t>(packet.size()))
    return;
  ++queries_;
  for (const Bytes& response : script_(packet, true)) {
    Bytes message = {static_cast<std::uint8_t>(response.size() >> 8),
                     static_cast<std::uint8_t>(response.size())};
    message = message + response;
    send(connection.get(), message.data(), message.size(), MSG_NOSIGNAL);
  }
}

Bytes respond(const Bytes& query, int rcode, const std::vector<Bytes>& answers,
              const std::vector<Bytes>& additional) {
  const std::size_t end = *dns::skip_name(query, 12) + 4;
  Bytes response(query.begin(), query.begin() + static_cast<std::ptrdiff_t>(end));
  response[2] = 0x81;
  response[3] = static_cast<std::uint8_t>(0x80 | rcode);
  dns::write_u16(response, 6, static_cast<std::uint16_t>(answers.size()));
  dns::write_u16(response, 8, 0);
  dns::write_u16(response, 10, static_cast<std::uint16_t>(additional.size()));
  for (const Bytes& record : answers)
    response = response + record;
  for (const Bytes& record : additional)
    response = response + record;
  return response;
}

Bytes a_record(const std::string& address) {
  const auto parsed = *ipam::Address::parse(address);
  const auto data = parsed.bytes();
  return bytes("c00c 0001 0001 0000003c 0004") + Bytes(data.begin(), data.end());
}

bool has_opt(const Bytes& query) {
  return dns::read_u16(query, 10) == 1;
}

}  // namespace tests
