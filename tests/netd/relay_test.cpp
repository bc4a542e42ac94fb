// The relay with real sockets, in a network namespace of its own. 127.0.0.2 plays the container.
#include "netd/relay.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <optional>
#include <thread>

#include "sandbox/fd.h"
#include "tests/support/namespace_test.h"

namespace tests {
namespace {

using netd::Relay;
using sandbox::Fd;
using sandbox::Protocol;

constexpr int patience_ms = 5000;

/// An IPv4 or IPv6 socket address.
struct Name {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_in);
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }

  Name() = default;
  Name(const std::string& address, std::uint16_t port) {
    const auto parsed = ipam::Address::parse(address).value();
    if (parsed.is_v4()) {
      auto* name = reinterpret_cast<sockaddr_in*>(&storage);
      name->sin_family = AF_INET;
      name->sin_port = htons(port);
      std::memcpy(&name->sin_addr, parsed.bytes().data(), 4);
    } else {
      auto* name = reinterpret_cast<sockaddr_in6*>(&storage);
      name->sin6_family = AF_INET6;
      name->sin6_port = htons(port);
      std::memcpy(&name->sin6_addr, parsed.bytes().data(), 16);
      size = sizeof *name;
    }
  }
  std::string text() const {
    char buffer[INET6_ADDRSTRLEN];
    const void* address =
        storage.ss_family == AF_INET6
            ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr)
            : &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr;
    return inet_ntop(storage.ss_family, address, buffer, sizeof buffer);
  }
};

Fd bound(const std::string& address, std::uint16_t port, int type) {
  Name name(address, port);
  Fd fd(socket(name.storage.ss_family, type | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (name.storage.ss_family == AF_INET6)
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind(fd.get(), name.get(), name.size) < 0)
    throw std::system_error(errno, std::system_category(), "bind");
  return fd;
}

Fd listening(const std::string& address, std::uint16_t port) {
  Fd fd = bound(address, port, SOCK_STREAM);
  if (listen(fd.get(), 128) < 0) throw std::system_error(errno, std::system_category(), "listen");
  return fd;
}

Fd connected(const std::string& address, std::uint16_t port, int type = SOCK_STREAM) {
  Name name(address, port);
  Fd fd(socket(name.storage.ss_family, type | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), name.get(), name.size) < 0)
    throw std::system_error(errno, std::system_category(), "connect");
  return fd;
}

bool readable(const Fd& fd, int timeout_ms = patience_ms) {
  pollfd poll_fd{fd.get(), POLLIN, 0};
  return poll(&poll_fd, 1, timeout_ms) == 1;
}

Fd accepted(const Fd& listener) {
  if (!readable(listener)) throw std::runtime_error("nobody connected");
  return Fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

void say(const Fd& fd, const std::string& text) {
  ASSERT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(text.size()));
}

/// What comes next: its bytes, "(end)", "(reset)" or "(nothing)".
std::string heard(const Fd& fd) {
  if (!readable(fd)) return "(nothing)";
  char buffer[65536];
  const ssize_t got = recv(fd.get(), buffer, sizeof buffer, 0);
  if (got < 0) return errno == ECONNRESET ? "(reset)" : strerror(errno);
  return got == 0 ? "(end)" : std::string(buffer, static_cast<std::size_t>(got));
}

std::size_t threads() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
    ++count;
  return count;
}

class RelayTest : public NamespaceTest {
 protected:
  static Relay::Target container(std::uint16_t port) {
    return {ipam::Address::parse("127.0.0.2").value(), port};
  }
};

TEST_F(RelayTest, HasNoThreadBeforeItsFirstPort) {
  const std::size_t before = threads();
  Relay relay;
  relay.remove({"unknown"});
  EXPECT_EQ(threads(), before);
  const Fd port = listening("127.0.0.1", 8080);
  relay.add("web", port.get(), Protocol::tcp, container(80));
  EXPECT_GT(threads(), before);
}

TEST_F(RelayTest, PassesBytesBothWays) {
  const Fd server = listening("127.0.0.2", 80);
  const Fd port = listening("127.0.0.1", 8080);
  Relay relay;
  relay.add("web", port.get(), Protocol::tcp, container(80));
  const Fd client = connected("127.0.0.1", 8080);
  const Fd peer = accepted(server);
  say(client, "hello");
  EXPECT_EQ(heard(peer), "hello");
  say(peer, "welcome");
  EXPECT_EQ(heard(client), "welcome");
}

TEST_F(RelayTest, LeadsIpv6ClientsToAnIpv4Container) {
  const Fd server = listening("127.0.0.2", 80);
  const Fd port = listening("::1", 8080);
  Relay relay;
  relay.add("web", port.get(), Protocol::tcp, container(80));
  const Fd client = connected("::1", 8080);
  say(client, "hello");
  EXPECT_EQ(heard(accepted(server)), "hello");
}

TEST_F(RelayTest, OneSideMayEndAndTheOtherGoOn) {
  const Fd server = listening("127.0.0.2", 80);
  const Fd port = listening("127.0.0.1", 8080);
  Relay relay;
  relay.add("web", port.get(), Protocol::tcp, container(80));
  const Fd client = connected("127.0.0.1", 8080);
  Fd peer = accepted(server);
  say(client, "request");
  shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(heard(peer), "request");
  EXPECT_EQ(heard(peer), "(end)");
  say(peer, "reply");
  EXPECT_EQ(heard(client), "reply");
  peer.reset();
  EXPECT_EQ(heard(client), "(end)");
}

TEST_F(RelayTest, APortThatNobodyServesResetsItsClients) {
  const Fd port = listening("127.0.0.1", 8080);
  Relay relay;
  relay.add("web", port.get(), Protocol::tcp, container(80));
  const Fd client = connected("127.0.0.1", 8080);
  EXPECT_EQ(heard(client), "(reset)");
}

TEST_F(RelayTest, AResetIsPassedOn) {
  const Fd server = listening("127.0.0.2", 80);
  const Fd port = listening("127.0.0.1", 8080);
  Relay relay;
  relay.add("web", port.get(), Protocol::tcp, container(80));
  const Fd client = connected("127.0.0.1", 8080);
  Fd peer = accepted(server);
  say(client, "x");
  EXPECT_EQ(heard(peer), "x");
  const linger at_once{1, 0};
  setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  peer.reset();
  EXPECT_EQ(heard(client), "(reset)");
}

TEST_F(RelayTest, ASlowReaderHoldsTheWriterBackAndLosesNothing) {
  const Fd server = listening("127.0.0.2", 80);
  const Fd port = listening("127.0.0.1", 8080);
  Relay relay;
  relay.add("web", port.get(), Protocol::tcp, container(80));
  const Fd client = connected("127.0.0.1", 8080);
  const Fd peer = accepted(server);

  constexpr std::size_t total = 64'000'000;
  std::thread writer([&] {
    std::string block(100'000, ' ');
    for (std::size_t sent = 0; sent < total; sent += block.size()) {
      for (std::size_t i = 0; i < block.size(); ++i)
        block[i] = static_cast<char>((sent + i) % 251);
      for (std::size_t at = 0; at < block.size();) {
        const ssize_t put = send(client.get(), block.data() + at, block.size() - at, MSG_NOSIGNAL);
        if (put <= 0) return;
        at += static_cast<std::size_t>(put);
      }
    }
    shutdown(client.get(), SHUT_WR);
  });
  // It begins to read when the writer has been stopped by full buffers: nothing more becomes
  // writable.
  for (int full = 0; full < 3;) {
    pollfd writable{client.get(), POLLOUT, 0};
    full = poll(&writable, 1, 20) == 0 ? full + 1 : 0;
  }
  std::size_t received = 0;
  bool intact = true;
  for (std::string block; (block = heard(peer)) != "(end)" && block != "(nothing)";)
    for (const char c : block)
      intact = intact && c == static_cast<char>(received++ % 251);
  writer.join();
  EXPECT_EQ(received, total);
  EXPECT_TRUE(intact);
}

TEST_F(RelayTest, ClientsAboveTheLimitWaitTheirTurn) {
  const Fd server = listening("127.0.0.2", 80);
  const Fd port = listening("127.0.0.1", 8080);
  Relay relay(Relay::Limits{.connections = 2});
  relay.add("web", port.get(), Protocol::tcp, container(80));
  Fd first = connected("127.0.0.1", 8080);
  const Fd second = connected("127.0.0.1", 8080);
  const Fd third = connected("127.0.0.1", 8080);
  Fd first_peer = accepted(server);
  const Fd second_peer = accepted(server);
  EXPECT_EQ(relay.connections(), 2u);
  say(third, "my turn?");
  EXPECT_FALSE(readable(server, 50));
  first.reset();
  EXPECT_EQ(heard(first_peer), "(end)");
  first_peer.reset();
  EXPECT_EQ(heard(accepted(server)), "my turn?");
}

TEST_F(RelayTest, RemovingAPortCutsItsConnectionsAndFreesTheAddress) {
  const Fd server = listening("127.0.0.2", 80);
  Fd port = listening("127.0.0.1", 8080);
  Relay relay;
  relay.add("web", port.get(), Protocol::tcp, container(80));
  const Fd client = connected("127.0.0.1", 8080);
  const Fd peer = accepted(server);
  relay.remove({"web", "unknown"});
  EXPECT_EQ(relay.connections(), 0u);
  EXPECT_EQ(heard(client), "(reset)");
  EXPECT_EQ(heard(peer), "(reset)");
  port.reset();
  EXPECT_THROW(connected("127.0.0.1", 8080), std::system_error);
  listening("127.0.0.1", 8080);
}

TEST_F(RelayTest, AnotherPortUnderTheSameKeyReplacesIt) {
  const Fd server = listening("127.0.0.2", 80);
  const Fd other_server = listening("127.0.0.2", 81);
  const Fd port = listening("127.0.0.1", 8080);
  Relay relay;
  relay.add("web", port.get(), Protocol::tcp, container(80));
  relay.add("web", port.get(), Protocol::tcp, container(81));
  const Fd client = connected("127.0.0.1", 8080);
  say(client, "hello");
  EXPECT_EQ(heard(accepted(other_server)), "hello");
  EXPECT_FALSE(readable(server, 0));
}

TEST_F(RelayTest, SurvivesManyConnectionsAtOnce) {
  const Fd server = listening("127.0.0.2", 80);
  const Fd port = listening("127.0.0.1", 8080);
  Relay relay;
  relay.add("web", port.get(), Protocol::tcp, container(80));
  std::vector<Fd> clients;
  std::vector<Fd> peers;
  for (int i = 0; i < 100; ++i)
    clients.push_back(connected("127.0.0.1", 8080));
  for (const Fd& client : clients)
    say(client, "x");
  for (int i = 0; i < 100; ++i)
    peers.push_back(accepted(server));
  for (const Fd& peer : peers)
    EXPECT_EQ(heard(peer), "x");
  EXPECT_EQ(relay.connections(), 100u);
}

TEST_F(RelayTest, SctpIsNotRelayed) {
  Relay relay;
  const std::size_t before = threads();
  relay.add("web", -1, Protocol::sctp, container(80));
  EXPECT_EQ(threads(), before);
}

TEST_F(RelayTest, ABadDescriptorIsAnErrorThatNamesThePort) {
  Relay relay;
  try {
    relay.add("web 8080/tcp", -1, Protocol::tcp, container(80));
    FAIL() << "accepted";
  } catch (const std::system_error& error) {
    EXPECT_STREQ(error.what(), "duplicate the socket of web 8080/tcp: Bad file descriptor");
  }
}

/// Receives one datagram and remembers who sent it.
std::string received(const Fd& fd, Name& sender) {
  if (!readable(fd)) return "(nothing)";
  char buffer[65536];
  sender.size = sizeof sender.storage;
  const ssize_t got = recvfrom(fd.get(), buffer, sizeof buffer, 0, sender.get(), &sender.size);
  return got < 0 ? strerror(errno) : std::string(buffer, static_cast<std::size_t>(got));
}

void answer(const Fd& fd, Name& to, const std::string& text) {
  sendto(fd.get(), text.data(), text.size(), 0, to.get(), to.size);
}

TEST_F(RelayTest, UdpRepliesFindBackToTheirClients) {
  const Fd server = bound("127.0.0.2", 53, SOCK_DGRAM);
  const Fd port = bound("127.0.0.1", 5353, SOCK_DGRAM);
  Relay relay;
  relay.add("dns", port.get(), Protocol::udp, container(53));
  const Fd one = connected("127.0.0.1", 5353, SOCK_DGRAM);
  const Fd two = connected("127.0.0.1", 5353, SOCK_DGRAM);
  Name of_one;
  Name of_two;
  say(one, "from one");
  EXPECT_EQ(received(server, of_one), "from one");
  say(two, "from two");
  EXPECT_EQ(received(server, of_two), "from two");
  answer(server, of_two, "to two");
  answer(server, of_one, "to one");
  EXPECT_EQ(heard(one), "to one");
  EXPECT_EQ(heard(two), "to two");
  EXPECT_EQ(relay.connections(), 2u);
}

TEST_F(RelayTest, UdpRepliesComeFromTheAddressThatWasAsked) {
  const Fd server = bound("127.0.0.2", 53, SOCK_DGRAM);
  const Fd any = bound("0.0.0.0", 5353, SOCK_DGRAM);
  Relay relay;
  relay.add("dns", any.get(), Protocol::udp, container(53));
  // Connected sockets take replies from that address only.
  const Fd client = connected("127.0.0.77", 5353, SOCK_DGRAM);
  Name sender;
  say(client, "?");
  EXPECT_EQ(received(server, sender), "?");
  answer(server, sender, "!");
  EXPECT_EQ(heard(client), "!");
}

TEST_F(RelayTest, UdpWorksFromIpv6ToIpv4WithLargeAndEmptyDatagrams) {
  const Fd server = bound("127.0.0.2", 53, SOCK_DGRAM);
  const Fd port = bound("::1", 5353, SOCK_DGRAM);
  Relay relay;
  relay.add("dns", port.get(), Protocol::udp, container(53));
  const Fd client = connected("::1", 5353, SOCK_DGRAM);
  const std::string large(65'000, 'u');
  Name sender;
  say(client, large);
  EXPECT_EQ(received(server, sender), large);
  answer(server, sender, large);
  EXPECT_EQ(heard(client), large);
  say(client, "");
  EXPECT_EQ(received(server, sender), "");
}

TEST_F(RelayTest, UdpSurvivesAContainerThatDoesNotListenYet) {
  const Fd port = bound("127.0.0.1", 5353, SOCK_DGRAM);
  Relay relay;
  relay.add("dns", port.get(), Protocol::udp, container(53));
  const Fd client = connected("127.0.0.1", 5353, SOCK_DGRAM);
  say(client, "too early");
  const Fd server = bound("127.0.0.2", 53, SOCK_DGRAM);
  // The refusal of the first datagram may swallow one more.
  Name sender;
  std::string got = "(nothing)";
  for (int i = 0; i < 10 && got != "now"; ++i) {
    say(client, "now");
    if (readable(server, 200)) got = received(server, sender);
  }
  EXPECT_EQ(got, "now");
}

TEST_F(RelayTest, UdpClientsAreForgottenWhenSilent) {
  const Fd server = bound("127.0.0.2", 53, SOCK_DGRAM);
  const Fd port = bound("127.0.0.1", 5353, SOCK_DGRAM);
  Relay relay(Relay::Limits{.udp_idle = std::chrono::milliseconds(30)});
  relay.add("dns", port.get(), Protocol::udp, container(53));
  const Fd client = connected("127.0.0.1", 5353, SOCK_DGRAM);
  Name before;
  say(client, "1");
  EXPECT_EQ(received(server, before), "1");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(patience_ms);
  while (relay.connections() > 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  EXPECT_EQ(relay.connections(), 0u);
  Name after;
  say(client, "2");
  EXPECT_EQ(received(server, after), "2");
}

TEST_F(RelayTest, TheUdpClientLongestSilentGivesWay) {
  const Fd server = bound("127.0.0.2", 53, SOCK_DGRAM);
  const Fd port = bound("127.0.0.1", 5353, SOCK_DGRAM);
  Relay relay(Relay::Limits{.udp_clients = 2});
  relay.add("dns", port.get(), Protocol::udp, container(53));
  std::vector<Fd> clients;
  std::vector<Name> names(3);
  for (int i = 0; i < 2; ++i) {
    clients.push_back(connected("127.0.0.1", 5353, SOCK_DGRAM));
    say(clients.back(), "x");
    EXPECT_EQ(received(server, names[static_cast<std::size_t>(i)]), "x");
  }
  say(clients[0], "again");
  EXPECT_EQ(received(server, names[0]), "again");
  clients.push_back(connected("127.0.0.1", 5353, SOCK_DGRAM));
  say(clients[2], "x");
  EXPECT_EQ(received(server, names[2]), "x");
  EXPECT_EQ(relay.connections(), 2u);
  answer(server, names[0], "still there");
  EXPECT_EQ(heard(clients[0]), "still there");
}

TEST_F(RelayTest, RemovingAUdpPortFreesIt) {
  Fd port = bound("127.0.0.1", 5353, SOCK_DGRAM);
  Relay relay;
  relay.add("dns", port.get(), Protocol::udp, container(53));
  relay.remove({"dns"});
  port.reset();
  bound("127.0.0.1", 5353, SOCK_DGRAM);
}

}  // namespace
}  // namespace tests
