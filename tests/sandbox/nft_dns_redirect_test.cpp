// Table `ip netd-dns`: queries to 127.0.0.11:53 arrive at netd's port, and answers come from 53.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "sandbox/fd.h"
#include "sandbox/nft.h"
#include "tests/support/namespace_test.h"

namespace {

using sandbox::Fd;
using testing::HasSubstr;

constexpr const char* server_address = "127.0.0.11";

sockaddr_in at(const char* address, std::uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  inet_pton(AF_INET, address, &result.sin_addr);
  return result;
}

const sockaddr* generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

Fd open_socket(int type) {
  Fd made(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  setsockopt(made.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return made;
}

Fd bound(int type, const char* address, std::uint16_t port) {
  Fd made = open_socket(type);
  const auto local = at(address, port);
  EXPECT_EQ(bind(made.get(), generic(local), sizeof local), 0);
  if (type == SOCK_STREAM) listen(made.get(), 4);
  return made;
}

Fd connected(int type, const char* address, std::uint16_t port) {
  Fd made = open_socket(type);
  const auto remote = at(address, port);
  EXPECT_EQ(connect(made.get(), generic(remote), sizeof remote), 0);
  return made;
}

/// The datagram that arrives at `server`, which is answered with `answer`.
std::string serve_one(const Fd& server, const std::string& answer) {
  char question[64];
  sockaddr_in client{};
  socklen_t length = sizeof client;
  const ssize_t bytes = recvfrom(server.get(), question, sizeof question, 0,
                                 reinterpret_cast<sockaddr*>(&client), &length);
  if (bytes < 0) return "nothing";
  sendto(server.get(), answer.data(), answer.size(), 0, generic(client), sizeof client);
  return {question, static_cast<std::size_t>(bytes)};
}

/// What a resolver with a connected socket (which takes answers only from there) gets.
std::string exchange_udp(const Fd& server, const char* address) {
  const Fd client = connected(SOCK_DGRAM, address, 53);
  send(client.get(), "question", 8, 0);
  if (serve_one(server, "answer") != "question") return "the question did not arrive";
  char answer[64];
  const ssize_t bytes = recv(client.get(), answer, sizeof answer, 0);
  return bytes < 0 ? "no answer" : std::string(answer, static_cast<std::size_t>(bytes));
}

class DnsRedirect : public tests::NamespaceTest {};

TEST_F(DnsRedirect, UdpQueriesAndAnswersPass) {
  sandbox::redirect_dns(30053);
  const Fd server = bound(SOCK_DGRAM, server_address, 30053);
  EXPECT_EQ(exchange_udp(server, server_address), "answer");
}

TEST_F(DnsRedirect, TcpStreamsPass) {
  sandbox::redirect_dns(30053);
  const Fd listener = bound(SOCK_STREAM, server_address, 30053);
  const std::string sent(100'000, 'x');
  std::thread server([&] {
    const Fd connection(accept(listener.get(), nullptr, nullptr));
    for (std::size_t done = 0; done < sent.size();) {
      const ssize_t bytes = write(connection.get(), sent.data() + done, sent.size() - done);
      if (bytes <= 0) return;
      done += static_cast<std::size_t>(bytes);
    }
  });
  const Fd client = connected(SOCK_STREAM, server_address, 53);
  std::string received;
  char buffer[4096];
  for (ssize_t bytes = 0; (bytes = read(client.get(), buffer, sizeof buffer)) > 0;)
    received.append(buffer, static_cast<std::size_t>(bytes));
  server.join();
  EXPECT_EQ(received, sent);
}

TEST_F(DnsRedirect, TheSandboxMayHaveADnsServerOfItsOwn) {
  sandbox::redirect_dns(30053);
  const Fd own = bound(SOCK_DGRAM, "0.0.0.0", 53);
  const Fd netd = bound(SOCK_DGRAM, server_address, 30053);
  EXPECT_EQ(exchange_udp(own, "127.0.0.1"), "answer");
  EXPECT_EQ(exchange_udp(netd, server_address), "answer");
}

TEST_F(DnsRedirect, NoFlowIsTracked) {
  // Something else in the sandbox has switched conntrack on.
  shell("nft 'add table ip t; add chain ip t c { type nat hook output priority -100; }'");
  sandbox::redirect_dns(30053);
  const Fd server = bound(SOCK_DGRAM, server_address, 30053);
  EXPECT_EQ(exchange_udp(server, server_address), "answer");
  EXPECT_EQ(shell("cat /proc/sys/net/netfilter/nf_conntrack_count"), "0\n");
}

TEST_F(DnsRedirect, AnotherCallReplacesTheFirst) {
  sandbox::redirect_dns(30053);
  sandbox::redirect_dns(30054);
  EXPECT_EQ(shell("nft list ruleset"),
            "table ip netd-dns {\n"
            "\tchain output {\n"
            "\t\ttype filter hook output priority raw; policy accept;\n"
            "\t\tip daddr 127.0.0.11 udp dport 53 notrack udp dport set 30054\n"
            "\t\tip saddr 127.0.0.11 udp sport 30054 notrack udp sport set 53\n"
            "\t\tip daddr 127.0.0.11 tcp dport 53 notrack tcp dport set 30054\n"
            "\t\tip saddr 127.0.0.11 tcp sport 30054 notrack tcp sport set 53\n"
            "\t}\n"
            "}\n");
}

TEST_F(DnsRedirect, RemovingItTwiceIsDoneAndLeavesNothing) {
  sandbox::redirect_dns(30053);
  sandbox::remove_dns_redirect();
  sandbox::remove_dns_redirect();
  EXPECT_EQ(shell("nft list ruleset"), "");
}

}  // namespace
