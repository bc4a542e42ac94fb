// The whole way: client, server, c-ares, a scripted upstream.
#include <atomic>
#include <chrono>
#include <mutex>

#include "dns/server.h"
#include "sandbox/netns.h"
#include "tests/dns/client.h"
#include "tests/dns/scripted_upstream.h"
#include "tests/support/namespace_test.h"

namespace dns {
namespace {

using tests::a_record;
using tests::answers;
using tests::Bytes;
using tests::opt;
using tests::operator+;
using tests::query;
using tests::respond;
using tests::ScriptedUpstream;
using tests::summary;
using tests::TcpClient;
using tests::UdpClient;

using Replies = std::vector<Bytes>;

ScriptedUpstream::Script always(const std::string& address) {
  return [address](const Bytes& asked, bool) {
    return Replies{respond(asked, 0, {a_record(address)}, {opt()})};
  };
}

Replies silence(const Bytes&, bool) {
  return {};
}

class ForwardingTest : public tests::NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    tests::make_sandbox_namespace("/run/one");
    server_ = std::make_unique<Server>();
  }
  void TearDown() override { server_.reset(); }

  UdpClient open(std::vector<std::string> servers, Forwarding forwarding = Forwarding::host) {
    View view{.forwarding = forwarding};
    for (const std::string& server : servers)
      view.servers.push_back(*ipam::Address::parse(server));
    server_->open("one", "/run/one", std::move(view));
    return UdpClient("/run/one", 30053);
  }
  Server& server() { return *server_; }

 private:
  std::unique_ptr<Server> server_;
};

TEST_F(ForwardingTest, ForwardsFromTheHostsNamespaceAndRestoresIdAndCase) {
  ScriptedUpstream upstream("127.0.0.53", always("192.0.2.7"));
  UdpClient client = open({"127.0.0.53"});
  const Bytes response = client.ask(query("ExAmple.com", 1));
  EXPECT_EQ(summary(response), "noerror 1/0/0") << "no OPT for a client without";
  EXPECT_EQ(answers(response), "192.0.2.7");
  const Bytes asked = query("ExAmple.com", 1);
  EXPECT_TRUE(std::equal(asked.begin() + 12, asked.end(), response.begin() + 12));
  EXPECT_EQ(response[0] << 8 | response[1], 0x1234);
  EXPECT_EQ(server().statistics().forwarded, 1u);
}

TEST_F(ForwardingTest, ForwardsFromTheSandboxsNamespace) {
  const sandbox::Fd pinned = sandbox::open_netns("/run/one");
  auto upstream = sandbox::in_netns(pinned.get(), [] {
    return std::make_unique<ScriptedUpstream>("127.0.0.54", always("192.0.2.8"));
  });
  UdpClient client = open({"127.0.0.54"}, Forwarding::sandbox);
  EXPECT_EQ(answers(client.ask(query("example.com", 1))), "192.0.2.8");
}

TEST_F(ForwardingTest, NeverAsksItself) {
  ScriptedUpstream upstream("127.0.0.53", always("192.0.2.7"));
  UdpClient client = open({"127.0.0.11", "127.0.0.53"});
  EXPECT_EQ(answers(client.ask(query("example.com", 1))), "192.0.2.7");
}

TEST_F(ForwardingTest, AsksTheNextServerAfterAFailureAtOnce) {
  for (const int rcode : {2, 4, 5}) {
    ScriptedUpstream failing("127.0.0.51", [rcode](const Bytes& asked, bool) {
      return Replies{respond(asked, rcode, {}, {opt()})};
    });
    ScriptedUpstream good("127.0.0.53", always("192.0.2.7"));
    UdpClient client = open({"127.0.0.51", "127.0.0.53"});
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(answers(client.ask(query("example.com", 1))), "192.0.2.7") << rcode;
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(140));
    EXPECT_EQ(failing.queries(), 1);
    server().close("one");
  }
}

TEST_F(ForwardingTest, AsksTheNextServerWhenNobodyListens) {
  ScriptedUpstream good("127.0.0.53", always("192.0.2.7"));
  UdpClient client = open({"127.0.0.51", "127.0.0.53"});
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(answers(client.ask(query("example.com", 1))), "192.0.2.7");
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(140));
}

TEST_F(ForwardingTest, RemembersADeadServer) {
  ScriptedUpstream dead("127.0.0.51", silence);
  ScriptedUpstream good("127.0.0.53", always("192.0.2.7"));
  UdpClient client = open({"127.0.0.51", "127.0.0.53"});
  for (int i = 0; i < 3; ++i)
    ASSERT_EQ(answers(client.ask(query("n" + std::to_string(i) + ".com", 1))), "192.0.2.7");
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i)
    ASSERT_EQ(answers(client.ask(query("m" + std::to_string(i) + ".com", 1))), "192.0.2.7");
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(140));
  EXPECT_LE(dead.queries(), 5) << "a probe at most every 2 s";
}

TEST_F(ForwardingTest, TakesNxdomainAsFinal) {
  ScriptedUpstream denying("127.0.0.51", [](const Bytes& asked, bool) {
    return Replies{respond(asked, 3, {}, {opt()})};
  });
  ScriptedUpstream other("127.0.0.53", always("192.0.2.7"));
  UdpClient client = open({"127.0.0.51", "127.0.0.53"});
  EXPECT_EQ(summary(client.ask(query("example.com", 1, {opt()}))), "nxdomain 0/0/1");
  EXPECT_EQ(other.queries(), 0);
}

TEST_F(ForwardingTest, HandsTheBestFailureOn) {
  ScriptedUpstream failing("127.0.0.51", [](const Bytes& asked, bool) {
    return Replies{respond(asked, 2, {}, {opt()})};
  });
  ScriptedUpstream refusing("127.0.0.52", [](const Bytes& asked, bool) {
    return Replies{respond(asked, 5, {}, {opt()})};
  });
  UdpClient client = open({"127.0.0.52", "127.0.0.51"});
  EXPECT_EQ(summary(client.ask(query("example.com", 1))), "servfail 0/0/0");
  server().close("one");
  UdpClient again = open({"127.0.0.52"});
  EXPECT_EQ(summary(again.ask(query("example.com", 1))), "refused 0/0/0");
}

TEST_F(ForwardingTest, FailsAtOnceWhenNoServerCanBeReached) {
  UdpClient client = open({"127.0.0.51"});
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(summary(client.ask(query("example.com", 1, {opt()}))), "servfail 0/0/1");
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(500));
}

TEST_F(ForwardingTest, FailsAfterFourSecondsOfSilence) {
  ScriptedUpstream dead("127.0.0.51", silence);
  UdpClient client = open({"127.0.0.51"});
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(summary(client.ask(query("example.com", 1))), "servfail 0/0/0");
  const auto waited = std::chrono::steady_clock::now() - before;
  EXPECT_GT(waited, std::chrono::milliseconds(3900));
  EXPECT_LT(waited, std::chrono::milliseconds(4800));
  EXPECT_GE(dead.queries(), 3) << "a lost packet is sent again";
}

TEST_F(ForwardingTest, SendsALostQueryAgain) {
  int seen = 0;
  ScriptedUpstream lossy("127.0.0.53", [&](const Bytes& asked, bool) {
    return ++seen == 1 ? Replies{} : Replies{respond(asked, 0, {a_record("192.0.2.7")}, {opt()})};
  });
  UdpClient client = open({"127.0.0.53"});
  EXPECT_EQ(answers(client.ask(query("example.com", 1))), "192.0.2.7");
}

TEST_F(ForwardingTest, RetriesATruncatedResponseOverTcp) {
  ScriptedUpstream upstream("127.0.0.53", [](const Bytes& asked, bool is_tcp) {
    std::vector<Bytes> records(is_tcp ? 100 : 0, a_record("192.0.2.7"));
    Bytes response = respond(asked, 0, records, {opt()});
    if (!is_tcp) response[2] |= 0x02;
    return Replies{response};
  });
  UdpClient client = open({"127.0.0.53"});
  // 29 bytes of header and question, then 16 each.
  EXPECT_EQ(summary(client.ask(query("example.com", 1))), "noerror tc 30/0/0");
  EXPECT_EQ(summary(client.ask(query("example.com", 1, {opt(4096)}))), "noerror 100/0/1");
  TcpClient connection("/run/one", 30053);
  connection.send(TcpClient::frame(query("example.com", 1)));
  EXPECT_EQ(summary(connection.receive()), "noerror 100/0/0");
}

TEST_F(ForwardingTest, TakesALongResponseOfAServerWithoutEdns) {
  std::atomic<int> over_tcp = 0;
  ScriptedUpstream upstream("127.0.0.53", [&](const Bytes& asked, bool is_tcp) {
    over_tcp += is_tcp;
    return Replies{respond(asked, 0, std::vector<Bytes>(60, a_record("192.0.2.7")))};
  });
  UdpClient client = open({"127.0.0.53"});
  EXPECT_EQ(summary(client.ask(query("example.com", 1, {opt(4096)}))), "noerror 60/0/1");
  EXPECT_EQ(over_tcp, 0);
}

TEST_F(ForwardingTest, AsksWithoutOptWhereOneIsAFormatError) {
  std::mutex mutex;
  std::vector<bool> with_opt;
  ScriptedUpstream old("127.0.0.53", [&](const Bytes& asked, bool) {
    const std::lock_guard lock(mutex);
    with_opt.push_back(tests::has_opt(asked));
    return Replies{tests::has_opt(asked) ? respond(asked, 1)
                                         : respond(asked, 0, {a_record("192.0.2.7")})};
  });
  UdpClient client = open({"127.0.0.53"});
  for (int i = 0; i < 3; ++i)
    ASSERT_EQ(answers(client.ask(query("n" + std::to_string(i) + ".com", 1))), "192.0.2.7");
  const std::lock_guard lock(mutex);
  EXPECT_EQ(with_opt, (std::vector<bool>{true, false, false, false})) << "it is remembered";
}

TEST_F(ForwardingTest, IgnoresResponsesToOtherQueries) {
  ScriptedUpstream noisy("127.0.0.53", [](const Bytes& asked, bool) {
    Bytes wrong_id = respond(asked, 0, {a_record("203.0.113.1")}, {opt()});
    wrong_id[0] ^= 0x40;
    Bytes wrong_question = respond(asked, 0, {a_record("203.0.113.2")}, {opt()});
    wrong_question[13] ^= 0x01;
    return Replies{wrong_id, wrong_question, tests::bytes("00"),
                   respond(asked, 0, {a_record("192.0.2.7")}, {opt()})};
  });
  UdpClient client = open({"127.0.0.53"});
  EXPECT_EQ(answers(client.ask(query("example.com", 1))), "192.0.2.7");
}

TEST_F(ForwardingTest, TakesAnEchoedQueryForAFailure) {
  ScriptedUpstream echo("127.0.0.51", [](const Bytes& asked, bool) { return Replies{asked}; });
  ScriptedUpstream good("127.0.0.53", always("192.0.2.7"));
  UdpClient client = open({"127.0.0.51", "127.0.0.53"});
  EXPECT_EQ(answers(client.ask(query("example.com", 1))), "192.0.2.7");
}

TEST_F(ForwardingTest, ForwardsARepeatedQueryOnceAndSharesAnswers) {
  std::vector<Bytes> held;
  ScriptedUpstream slow("127.0.0.53", [&](const Bytes& asked, bool) {
    // Holds "slow.com" back until "go.com" is asked for.
    const bool is_go = asked[13] == 'g';
    if (!is_go) held.push_back(asked);
    Replies replies;
    if (!is_go) return replies;
    for (const Bytes& earlier : held)
      replies.push_back(respond(earlier, 0, {a_record("192.0.2.7")}, {opt()}));
    replies.push_back(respond(asked, 0, {a_record("192.0.2.8")}, {opt()}));
    return replies;
  });
  UdpClient client = open({"127.0.0.53"});
  UdpClient other("/run/one", 30053);
  client.send(query("slow.com", 1));
  client.send(query("slow.com", 1));
  other.send(query("SLOW.com", 1));
  EXPECT_EQ(answers(UdpClient("/run/one", 30053).ask(query("go.com", 1))), "192.0.2.8");
  EXPECT_EQ(answers(client.receive()), "192.0.2.7");
  EXPECT_EQ(answers(other.receive()), "192.0.2.7");
  EXPECT_TRUE(client.receive(100).empty()) << "the repeated one has one response";
  EXPECT_EQ(slow.queries(), 2);
}

TEST_F(ForwardingTest, AnswersLocalNamesWhileUpstreamsAreSilent) {
  ScriptedUpstream dead("127.0.0.51", silence);
  UdpClient client = open({"127.0.0.51"});
  for (int i = 0; i < 50; ++i)
    client.send(query("n" + std::to_string(i) + ".com", 1));
  EXPECT_EQ(answers(client.ask(query("localhost", 1))), "127.0.0.1");
}

TEST_F(ForwardingTest, AnswersTcpQueriesInTheOrderOfTheirAnswers) {
  ScriptedUpstream upstream("127.0.0.53", always("192.0.2.7"));
  open({"127.0.0.53"});
  TcpClient client("/run/one", 30053);
  client.send(TcpClient::frame(query("example.com", 1)) + TcpClient::frame(query("localhost", 1)));
  EXPECT_EQ(answers(client.receive()), "127.0.0.1");
  EXPECT_EQ(answers(client.receive()), "192.0.2.7");
}

TEST_F(ForwardingTest, LimitsTheQueriesInFlightOfOneConnection) {
  ScriptedUpstream dead("127.0.0.51", silence);
  open({"127.0.0.51"});
  TcpClient client("/run/one", 30053);
  Bytes stream;
  for (int i = 0; i < 70; ++i)
    stream = stream + TcpClient::frame(query("n" + std::to_string(i) + ".com", 1));
  client.send(stream + TcpClient::frame(query("localhost", 1)));
  // The local answer has to wait until the first 64 have failed.
  EXPECT_EQ(summary(client.receive()), "servfail 0/0/0");
}

TEST_F(ForwardingTest, FailsWhatIsBeyondTheLimitOfASandbox) {
  ScriptedUpstream dead("127.0.0.51", silence);
  UdpClient client = open({"127.0.0.51"});
  for (int i = 0; i < 4096; ++i) {
    client.send(query("n" + std::to_string(i) + ".com", 1));
    // A local answer now and then keeps the receive buffer of the server from overflowing.
    if (i % 64 == 0) {
      ASSERT_EQ(answers(client.ask(query("localhost", 1))), "127.0.0.1");
    }
  }
  ASSERT_EQ(answers(client.ask(query("localhost", 1))), "127.0.0.1");
  EXPECT_EQ(summary(client.ask(query("onemore.com", 1))), "servfail 0/0/0");
}

TEST_F(ForwardingTest, LetsTheNamespaceGoWithQueriesInFlight) {
  shell("ip link add host0 type veth peer name inner netns /run/one");
  sandbox::Fd pinned = sandbox::open_netns("/run/one");
  auto upstream = sandbox::in_netns(
      pinned.get(), [] { return std::make_unique<ScriptedUpstream>("127.0.0.54", silence); });
  {
    UdpClient client = open({"127.0.0.54"}, Forwarding::sandbox);
    client.send(query("example.com", 1));
    ASSERT_EQ(answers(client.ask(query("localhost", 1))), "127.0.0.1");
  }
  upstream.reset();
  sandbox::unpin("/run/one");
  server().close("one");
  EXPECT_FALSE(server().is_open("one"));
  pinned.reset();  // the last that holds it
  shell("timeout 5 sh -c 'while ip link show host0 >/dev/null 2>&1; do :; done'");
}

}  // namespace
}  // namespace dns
