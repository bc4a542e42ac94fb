#include "sandbox/port_reservation.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <map>

#include "tests/sandbox/example_plans.h"
#include "tests/support/namespace_test.h"
#include "tests/support/needs.h"

namespace sandbox {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using tests::address;

const ipam::Address any4 = ipam::Address::any(ipam::Family::v4);
const ipam::Address any6 = ipam::Address::any(ipam::Family::v6);

sockaddr_in localhost(std::uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  result.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return result;
}

/// Another program that listens at 127.0.0.1.
Fd other_program(std::uint16_t port, int type = SOCK_STREAM, int protocol = 0) {
  Fd fd(socket(AF_INET, type | SOCK_CLOEXEC, protocol));
  const sockaddr_in where = localhost(port);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where), 0);
  EXPECT_TRUE(type != SOCK_STREAM || listen(fd.get(), 1) == 0);
  return fd;
}

Fd start_connecting(std::uint16_t port) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const sockaddr_in where = localhost(port);
  connect(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where);
  return fd;
}

bool becomes(const Fd& fd, short events, int timeout_ms) {
  pollfd entry{.fd = fd.get(), .events = events, .revents = 0};
  return poll(&entry, 1, timeout_ms) == 1;
}

class Ports : public tests::NamespaceTest {
 protected:
  void expect_unavailable(Protocol protocol, const std::vector<ipam::Address>& hosts,
                          std::uint16_t first, std::uint16_t last, const char* message) {
    try {
      ports_.reserve(protocol, hosts, first, last);
      ADD_FAILURE() << "reserved";
    } catch (const PortUnavailable& error) {
      EXPECT_STREQ(error.what(), message);
    }
  }

  PortReservations ports_;
};

TEST_F(Ports, AreHeldByListeningSockets) {
  const Reservation reservation = ports_.reserve(Protocol::tcp, {any4, any6}, 8080, 8080);
  EXPECT_EQ(reservation.port(), 8080);
  EXPECT_EQ(reservation.protocol(), Protocol::tcp);
  ASSERT_EQ(reservation.sockets().size(), 2u);
  EXPECT_EQ(reservation.sockets()[0].host, any4);
  EXPECT_EQ(reservation.sockets()[1].host, any6);
  EXPECT_THAT(shell("ss -Htln | awk '{print $4}' | sort"), "0.0.0.0:8080\n[::]:8080\n");
}

TEST_F(Ports, OfUdpAreHeldByBoundSockets) {
  const Reservation reservation = ports_.reserve(Protocol::udp, {any4, any6}, 53, 53);
  EXPECT_THAT(shell("ss -Huan | awk '{print $4}' | sort"), "0.0.0.0:53\n[::]:53\n");
}

TEST_F(Ports, OfNetdConflictWithDockersText) {
  const Reservation reservation = ports_.reserve(Protocol::tcp, {any4}, 80, 80);
  expect_unavailable(Protocol::tcp, {any4}, 80, 80,
                     "Bind for 0.0.0.0:80 failed: port is already allocated");
  expect_unavailable(Protocol::tcp, {address("127.0.0.1")}, 80, 80,
                     "Bind for 127.0.0.1:80 failed: port is already allocated");
}

TEST_F(Ports, OfOtherFamiliesProtocolsAndAddressesDoNotConflict) {
  const Reservation first = ports_.reserve(Protocol::tcp, {address("127.0.0.1")}, 80, 80);
  EXPECT_EQ(ports_.reserve(Protocol::tcp, {any6}, 80, 80).port(), 80);
  EXPECT_EQ(ports_.reserve(Protocol::udp, {any4}, 80, 80).port(), 80);
  EXPECT_EQ(ports_.reserve(Protocol::tcp, {address("127.0.0.2")}, 80, 80).port(), 80);
}

TEST_F(Ports, OfAnotherProgramConflictExactly) {
  const Fd web = other_program(80);
  expect_unavailable(Protocol::tcp, {any4}, 80, 80,
                     "failed to bind host port for 0.0.0.0:80/tcp: address already in use");
  const Fd dns = other_program(53, SOCK_DGRAM);
  expect_unavailable(Protocol::udp, {any4}, 53, 53,
                     "failed to bind host port for 0.0.0.0:53/udp: address already in use");
  EXPECT_EQ(ports_.reserve(Protocol::tcp, {address("127.0.0.2")}, 80, 80).port(), 80);
}

TEST_F(Ports, AtAddressesThatTheHostDoesNotHaveAreRefused) {
  expect_unavailable(Protocol::tcp, {address("192.0.2.1")}, 80, 80,
                     "failed to bind host port for 192.0.2.1:80/tcp: cannot assign requested "
                     "address");
  expect_unavailable(Protocol::tcp, {address("2001:db8::1")}, 80, 90,
                     "failed to bind host port for [2001:db8::1]:80/tcp: cannot assign requested "
                     "address");
}

TEST_F(Ports, ThatFailOnOneAddressAreHeldOnNone) {
  const Fd web = other_program(80);
  EXPECT_THROW(ports_.reserve(Protocol::tcp, {any6, any4}, 80, 80), PortUnavailable);
  EXPECT_EQ(ports_.reserve(Protocol::tcp, {any6}, 80, 80).port(), 80);
}

TEST_F(Ports, OfARangeAreGivenInTurn) {
  const Fd taken = other_program(9001);
  std::vector<Reservation> held;
  held.push_back(ports_.reserve(Protocol::tcp, {any4}, 9000, 9003));
  held.push_back(ports_.reserve(Protocol::tcp, {any4}, 9000, 9003));
  EXPECT_EQ(held[0].port(), 9000);
  EXPECT_EQ(held[1].port(), 9002);
  held.clear();
  // Not again what was just released.
  held.push_back(ports_.reserve(Protocol::tcp, {any4}, 9000, 9003));
  held.push_back(ports_.reserve(Protocol::tcp, {any4}, 9000, 9003));
  EXPECT_EQ(held[0].port(), 9003);
  EXPECT_EQ(held[1].port(), 9000);
}

TEST_F(Ports, OfAnExhaustedRangeAreRefused) {
  const Reservation first = ports_.reserve(Protocol::tcp, {any4}, 9000, 9001);
  const Reservation second = ports_.reserve(Protocol::tcp, {any4}, 9000, 9001);
  expect_unavailable(Protocol::tcp, {any4}, 9000, 9001, "all ports are allocated");
}

TEST_F(Ports, MayBeAnyFreeOneOfTheEphemeralRange) {
  shell("echo 40000 40004 > /proc/sys/net/ipv4/ip_local_port_range");
  shell("echo 40001,40003 > /proc/sys/net/ipv4/ip_local_reserved_ports");
  std::vector<Reservation> held;
  std::vector<std::uint16_t> given;
  for (int i = 0; i < 3; ++i) {
    held.push_back(ports_.reserve(Protocol::tcp, {any4, any6}, 0, 0));
    given.push_back(held.back().port());
  }
  EXPECT_THAT(given, ElementsAre(40000, 40002, 40004));
  expect_unavailable(Protocol::tcp, {any4, any6}, 0, 0, "all ports are allocated");
}

TEST_F(Ports, AreTheSameOnBothFamilies) {
  shell("echo 40000 40009 > /proc/sys/net/ipv4/ip_local_port_range");
  const Reservation blocked = ports_.reserve(Protocol::tcp, {any6}, 40000, 40000);
  const Fd program = other_program(40001);
  const Reservation both = ports_.reserve(Protocol::tcp, {any4, any6}, 0, 0);
  EXPECT_EQ(both.port(), 40002);
}

TEST_F(Ports, OfMalformedRangesAreRefused) {
  EXPECT_THROW(ports_.reserve(Protocol::tcp, {any4}, 10, 5), std::invalid_argument);
  EXPECT_THROW(ports_.reserve(Protocol::tcp, {any4}, 0, 5), std::invalid_argument);
  EXPECT_THROW(ports_.reserve(Protocol::tcp, {}, 80, 80), std::invalid_argument);
}

TEST_F(Ports, AcceptNobodyBeforeTheFilterIsDetached) {
  Reservation reservation = ports_.reserve(Protocol::tcp, {any4}, 8080, 8080);
  const Fd client = start_connecting(8080);
  EXPECT_FALSE(becomes(client, POLLOUT, 100));
  reservation.detach_filter();
  reservation.detach_filter();
  // The client's first SYN was dropped, it sends another after a second.
  EXPECT_TRUE(becomes(client, POLLOUT, 5000));
  EXPECT_TRUE(becomes(reservation.sockets()[0].fd, POLLIN, 5000));
}

TEST_F(Ports, CanBeReservedAgainAtOnceAfterServingClients) {
  Reservation reservation = ports_.reserve(Protocol::tcp, {any4}, 8080, 8080);
  reservation.detach_filter();
  Fd client = start_connecting(8080);
  ASSERT_TRUE(becomes(reservation.sockets()[0].fd, POLLIN, 5000));
  Fd served(accept4(reservation.sockets()[0].fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(served);
  served.reset();  // the server closes first: the port has a connection in TIME_WAIT
  client.reset();
  reservation = Reservation();
  EXPECT_EQ(ports_.reserve(Protocol::tcp, {any4}, 8080, 8080).port(), 8080);
}

TEST_F(Ports, AreFreeAfterAMove) {
  std::map<std::string, Reservation> held;
  held["web"] = ports_.reserve(Protocol::tcp, {any4}, 80, 80);
  held["web"] = ports_.reserve(Protocol::tcp, {any4}, 81, 81);
  EXPECT_EQ(ports_.reserve(Protocol::tcp, {any4}, 80, 80).port(), 80);
  EXPECT_EQ(held["web"].port(), 81);
}

TEST_F(Ports, OfSctpAreHeldWithOrWithoutTheKernel) {
  const Reservation reservation = ports_.reserve(Protocol::sctp, {any4}, 80, 80);
  expect_unavailable(Protocol::sctp, {any4}, 80, 80,
                     "Bind for 0.0.0.0:80 failed: port is already allocated");
}

class SctpPorts : public Ports {};

TEST_F(SctpPorts, OfOtherProgramsAreRefused) {
  if (lacks(tests::Feature::sctp)) return;
  const Fd program = other_program(3868, SOCK_STREAM, IPPROTO_SCTP);
  expect_unavailable(Protocol::sctp, {any4}, 3868, 3868,
                     "failed to bind host port for 0.0.0.0:3868/sctp: address already in use");
}

TEST_F(SctpPorts, AreHeldAgainstOtherPrograms) {
  if (lacks(tests::Feature::sctp)) return;
  Reservation reservation = ports_.reserve(Protocol::sctp, {any4, any6}, 3868, 3868);
  const Fd program(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP));
  const sockaddr_in where = localhost(3868);
  const auto bind_program = [&] {
    return bind(program.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where);
  };
  EXPECT_NE(bind_program(), 0);
  EXPECT_EQ(errno, EADDRINUSE);
  reservation = Reservation();
  EXPECT_EQ(bind_program(), 0);
}

TEST(PortRanges, AreParsed) {
  EXPECT_EQ(parse_port_range("32768\t60999\n"), (PortRange{32768, 60999}));
  EXPECT_EQ(parse_port_range("60999 32768"), std::nullopt);
  EXPECT_EQ(parse_port_range(""), std::nullopt);
  EXPECT_EQ(parse_port_range("a\tb"), std::nullopt);
  EXPECT_EQ(parse_port_range("1\t70000"), std::nullopt);
}

TEST(ReservedPorts, AreParsed) {
  EXPECT_THAT(parse_reserved_ports("\n"), IsEmpty());
  EXPECT_THAT(parse_reserved_ports("8080,9000-9010\n"),
              ElementsAre(PortRange{8080, 8080}, PortRange{9000, 9010}));
  EXPECT_THAT(parse_reserved_ports(",x,5-,7"), ElementsAre(PortRange{7, 7}));
}

}  // namespace
}  // namespace sandbox
