#include "dns/server.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "sandbox/netns.h"
#include "sandbox/nft.h"
#include "tests/dns/client.h"
#include "tests/support/namespace_test.h"

namespace dns {
namespace {

using tests::answers;
using tests::bytes;
using tests::operator+;
using tests::opt;
using tests::query;
using tests::summary;
using tests::TcpClient;
using tests::UdpClient;

ipam::Address address(std::string_view text) {
  return *ipam::Address::parse(text);
}

std::shared_ptr<ZoneHandle> zone_with(const Host& host) {
  return std::make_shared<ZoneHandle>(Zone("shop", {}).with(host));
}

class ServerTest : public tests::NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    tests::make_sandbox_namespace("/run/one");
    tests::make_sandbox_namespace("/run/two");
  }
  View view(const std::string& web) {
    return {.zones = {zone_with({"1", {"web"}, {address(web)}})}};
  }
};

TEST_F(ServerTest, AnswersEachSandboxFromItsOwnView) {
  Server server;
  EXPECT_EQ(server.open("one", "/run/one", view("10.5.0.2")), 30053);
  EXPECT_EQ(server.open("two", "/run/two", view("10.6.0.2")), 30053);
  UdpClient one("/run/one", 30053);
  UdpClient two("/run/two", 30053);
  EXPECT_EQ(answers(one.ask(query("web", 1))), "10.5.0.2");
  EXPECT_EQ(answers(two.ask(query("web", 1))), "10.6.0.2");
}

TEST_F(ServerTest, TakesAnotherPortWhenItsOwnIsInUse) {
  const sandbox::Fd pinned = sandbox::open_netns("/run/one");
  const sandbox::Fd taken = sandbox::in_netns(pinned.get(), [] {
    sandbox::Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(30053);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    EXPECT_EQ(listen(fd.get(), 1), 0);
    return fd;
  });
  Server server;
  const std::uint16_t port = server.open("one", "/run/one", view("10.5.0.2"));
  EXPECT_NE(port, 30053);
  EXPECT_EQ(answers(UdpClient("/run/one", port).ask(query("web", 1))), "10.5.0.2");
}

TEST_F(ServerTest, IsReachedAtPort53ThroughTheRedirect) {
  Server server;
  const std::uint16_t port = server.open("one", "/run/one", view("10.5.0.2"));
  const sandbox::Fd pinned = sandbox::open_netns("/run/one");
  sandbox::in_netns(pinned.get(), [port] { sandbox::redirect_dns(port); });
  const std::string dig = "nsenter --net=/run/one dig +short +tries=1 +time=3 @127.0.0.11 ";
  EXPECT_EQ(shell(dig + "web"), "10.5.0.2\n");
  EXPECT_EQ(shell(dig + "+tcp web"), "10.5.0.2\n");
}

TEST_F(ServerTest, ServesWhatWasPublishedLast) {
  Server server;
  auto handle = zone_with({"1", {"web"}, {address("10.5.0.2")}});
  server.open("one", "/run/one", {.zones = {handle}});
  UdpClient client("/run/one", 30053);
  handle->publish(handle->load()->with({"1", {"web"}, {address("10.5.0.3")}}));
  EXPECT_EQ(answers(client.ask(query("web", 1))), "10.5.0.3");
  server.update("one", view("10.5.0.4"));
  EXPECT_EQ(answers(client.ask(query("web", 1))), "10.5.0.4");
  EXPECT_EQ(server.open("one", "/nowhere", view("10.5.0.5")), 30053);
  EXPECT_EQ(answers(client.ask(query("web", 1))), "10.5.0.5");
  server.update("unknown", view("10.5.0.6"));
}

TEST_F(ServerTest, AnswersErrorsAndIgnoresRubbish) {
  Server server;
  server.open("one", "/run/one", view("10.5.0.2"));
  UdpClient client("/run/one", 30053);
  client.send(bytes("00"));
  client.send(bytes("1234 8180 0001 0000 0000 0000 03'web'00 0001 0001"));
  EXPECT_EQ(summary(client.ask(bytes("1234 0100 0000 0000 0000 0000"))), "formerr 0/0/0");
  EXPECT_EQ(summary(client.ask(query("web", 252))), "refused 0/0/0");
  const Statistics statistics = server.statistics();
  EXPECT_EQ(statistics.queries, 4u);
  EXPECT_EQ(statistics.failed, 2u);
}

TEST_F(ServerTest, TruncatesOverUdpButNotOverTcp) {
  Host host{"1", {"web"}, {}};
  for (std::uint32_t i = 0; i < 2000; ++i)
    host.addresses.push_back(ipam::Address::v4(0x0a050000 + i));
  Server server;
  server.open("one", "/run/one", {.zones = {zone_with(host)}});
  EXPECT_EQ(summary(UdpClient("/run/one", 30053).ask(query("web", 1))), "noerror aa tc 30/0/0");
  TcpClient client("/run/one", 30053);
  client.send(TcpClient::frame(query("web", 1)));
  EXPECT_EQ(summary(client.receive()), "noerror aa 2000/0/0");
}

TEST_F(ServerTest, AnswersPipelinedQueriesOfAHalfClosedConnection) {
  Server server;
  server.open("one", "/run/one", view("10.5.0.2"));
  TcpClient client("/run/one", 30053);
  tests::Bytes stream;
  for (int i = 0; i < 300; ++i)
    stream = stream + TcpClient::frame(query("web", 1));
  client.send(stream);
  client.finish_sending();
  for (int i = 0; i < 300; ++i)
    ASSERT_EQ(answers(client.receive()), "10.5.0.2") << i;
  EXPECT_TRUE(client.is_at_end());
}

TEST_F(ServerTest, ClosesMoreConnectionsThanASandboxMayHave) {
  Server server;
  server.open("one", "/run/one", view("10.5.0.2"));
  std::vector<std::unique_ptr<TcpClient>> clients;
  for (int i = 0; i < 17; ++i) {
    clients.push_back(std::make_unique<TcpClient>("/run/one", 30053));
    if (i == 16) break;
    clients.back()->send(TcpClient::frame(query("web", 1)));
    ASSERT_EQ(answers(clients.back()->receive()), "10.5.0.2") << i;
  }
  EXPECT_TRUE(clients.back()->is_at_end());
}

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

TEST_F(ServerTest, ForgetsAConnectionThatIsResetWithinALengthPrefix) {
  Server server;
  server.open("one", "/run/one", view("10.5.0.2"));
  for (int i = 0; i < 100; ++i) {
    TcpClient client("/run/one", 30053);
    client.send(bytes("00"));
    client.reset();
  }
  // A connection of them that stayed would fill the 16 places, one that spun would use the
  // processor.
  TcpClient client("/run/one", 30053);
  client.send(TcpClient::frame(query("web", 1)));
  EXPECT_EQ(answers(client.receive()), "10.5.0.2");
  const double before = processor_seconds();
  EXPECT_TRUE(UdpClient("/run/one", 30053).receive(300).empty());
  EXPECT_LT(processor_seconds() - before, 0.2);
}

TEST_F(ServerTest, IsSilentAfterClose) {
  Server server;
  server.open("one", "/run/one", view("10.5.0.2"));
  UdpClient client("/run/one", 30053);
  TcpClient connection("/run/one", 30053);
  EXPECT_EQ(answers(client.ask(query("web", 1))), "10.5.0.2");
  server.close("one");
  EXPECT_FALSE(server.is_open("one"));
  EXPECT_EQ(summary(client.ask(query("web", 1))), "no response");
  EXPECT_TRUE(connection.is_at_end());
  EXPECT_EQ(server.open("one", "/run/one", view("10.5.0.3")), 30053) << "the port is free again";
}

TEST_F(ServerTest, LetsTheNamespaceGo) {
  // A veth dies with the namespace of its peer.
  shell("ip link add host0 type veth peer name inner netns /run/one");
  Server server;
  server.open("one", "/run/one", view("10.5.0.2"));
  auto client = std::make_unique<TcpClient>("/run/one", 30053);
  client->send(TcpClient::frame(query("web", 1)));
  client->receive();
  client.reset();
  sandbox::unpin("/run/one");
  server.close("one");
  shell("timeout 5 sh -c 'while ip link show host0 >/dev/null 2>&1; do :; done'");
}

TEST_F(ServerTest, ThrowsWhenThereIsNoSuchNamespace) {
  Server server;
  EXPECT_THROW(server.open("one", "/run/none", view("10.5.0.2")), std::system_error);
  EXPECT_FALSE(server.is_open("one"));
}

TEST_F(ServerTest, OpensAndClosesAThousandSandboxes) {
  Server server;
  // One namespace for ten of them: making namespaces is not what is tested.
  for (int i = 0; i < 1000; ++i)
    ASSERT_GT(server.open(std::to_string(i), "/run/one", view("10.5.0.2")), 0);
  const std::uint16_t port = server.open("999", "/run/one", view("10.5.0.9"));
  EXPECT_EQ(answers(UdpClient("/run/one", port).ask(query("web", 1))), "10.5.0.9");
  for (int i = 0; i < 1000; ++i)
    server.close(std::to_string(i));
  EXPECT_EQ(shell("nsenter --net=/run/one ss -Hlntu | wc -l"), "0\n");
}

TEST_F(ServerTest, AnswersWhileViewsAndZonesChange) {
  Server server;
  auto handle = zone_with({"1", {"web"}, {address("10.5.0.2")}});
  server.open("one", "/run/one", {.zones = {handle}});
  std::atomic<bool> is_done = false;
  std::thread asking([&] {
    UdpClient client("/run/one", 30053);
    while (!is_done)
      if (summary(client.ask(query("web", 1))) != "noerror aa 1/0/0") ADD_FAILURE();
  });
  for (std::uint32_t i = 0; i < 2000; ++i) {
    handle->publish(handle->load()->with({"1", {"web"}, {ipam::Address::v4(i + 1)}}));
    server.update("one", {.zones = {handle}});
    if (i % 100 == 0) {
      server.open("two", "/run/two", view("10.6.0.2"));
      server.close("two");
    }
  }
  is_done = true;
  asking.join();
}

}  // namespace
}  // namespace dns
