#include "dns/answer.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "tests/dns/packets.h"

namespace dns {
namespace {

using tests::answers;
using tests::bytes;
using tests::hex;
using tests::opt;
using tests::query;
using tests::summary;

constexpr std::uint16_t mx = 15, txt = 16, srv = 33, https = 65, caa = 257;

ipam::Address address(std::string_view text) {
  return *ipam::Address::parse(text);
}

class AnswerTest : public ::testing::Test {
 protected:
  AnswerTest() {
    const Zone shop("Shop",
                    {*ipam::Prefix::parse("10.5.0.0/20"), *ipam::Prefix::parse("fd05::/64")});
    add(shop.with({"1", {"web", "0123456789ab"}, {address("10.5.0.2"), address("fd05::2")}})
            ->with({"2", {"db.main"}, {address("10.5.0.3")}})
            ->with({"3", {"six"}, {address("fd05::6")}})
            ->with({"4", {"bad name"}, {address("10.5.0.4")}}));
    const Zone other("b.net", {*ipam::Prefix::parse("10.6.0.0/16")});
    add(other.with({"5", {"web"}, {address("10.6.0.9")}})
            ->with({"6", {"solo"}, {address("10.6.0.8")}}));
    view.forwarding = Forwarding::host;
    view.servers = {address("192.0.2.1")};
  }

  void add(std::shared_ptr<const Zone> zone) {
    view.zones.push_back(std::make_shared<const ZoneHandle>(std::move(zone)));
  }

  tests::Bytes ask(const tests::Bytes& packet) {
    Snapshot snapshot;
    snapshot.load(std::make_shared<const View>(view));
    Query parsed;
    EXPECT_EQ(parse_query(packet, parsed), Rcode::no_error);
    const auto limited = std::span(buffer_).first(udp_response_limit(parsed));
    const Answer answer = answerer_.answer(snapshot, parsed, limited);
    EXPECT_EQ(answer.disposition, answer.size == 0 ? Disposition::forward : Disposition::local);
    return {buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(answer.size)};
  }
  std::string summary_of(std::string_view name, std::uint16_t type) {
    return summary(ask(query(name, type)));
  }
  std::string answers_to(std::string_view name, std::uint16_t type) {
    return answers(ask(query(name, type)));
  }

  View view;

 private:
  Answerer answerer_;
  std::array<std::uint8_t, max_udp_response> buffer_{};
};

TEST_F(AnswerTest, EchoesTheQuestionAndPointsTheAnswerToIt) {
  EXPECT_EQ(hex(ask(query("WeB", type::a))),
            "1234 8580 0001 0001 0000 0000 0357 6542 0000 0100 01"
            "c0 0c00 0100 0100 0000 0500 040a 0500 02");
}

TEST_F(AnswerTest, AnswersAaaa) {
  EXPECT_EQ(hex(ask(query("web", type::aaaa))),
            "1234 8580 0001 0001 0000 0000 0377 6562 0000 1c00 01"
            "c0 0c00 1c00 0100 0000 0500 10fd 0500 0000 0000 0000 0000 0000 0000 02");
}

TEST_F(AnswerTest, AddsAnOptOnlyWhenTheClientSentOne) {
  EXPECT_EQ(hex(ask(query("six", type::a, {opt(4096, 0x8000)}))),
            "1234 8580 0001 0000 0000 0001 0373 6978 0000 0100 0100 0029 04d0 0000 8000 0000");
}

TEST_F(AnswerTest, CopiesRdAndCd) {
  auto packet = query("web", type::a);
  packet[2] = 0x00;
  packet[3] = 0x10;
  const auto response = ask(packet);
  EXPECT_EQ(response[2], 0x84);
  EXPECT_EQ(response[3], 0x90);
}

TEST_F(AnswerTest, GivesNoDataForEveryOtherTypeOfAKnownName) {
  EXPECT_EQ(summary_of("six", type::a), "noerror aa 0/0/0");
  for (const std::uint16_t type :
       {mx, txt, srv, https, caa, std::uint16_t{2}, type::soa, type::ptr})
    EXPECT_EQ(summary_of("web", type), "noerror aa 0/0/0") << type;
}

TEST_F(AnswerTest, GivesNoDataBelowANetworkWithItsSoa) {
  // Owner: a pointer to "shop" in the question. SOA: itself, nobody.invalid, minimum 5 s.
  EXPECT_EQ(hex(ask(query("web.shop", mx))),
            "1234 8580 0001 0000 0001 0000 0377 6562 0473 686f 7000 000f 0001"
            " c010 0006 0001 0000 0005 0026 c010 066e 6f62 6f64 7907 696e 7661 6c69 6400"
            " 0000 0001 0000 0e10 0000 04b0 0009 3a80 0000 0005");
}

TEST_F(AnswerTest, TakesTheFirstNetworkThatKnowsTheName) {
  EXPECT_EQ(answers_to("web", type::a), "10.5.0.2");
  EXPECT_EQ(answers_to("solo", type::a), "10.6.0.8");
}

TEST_F(AnswerTest, SplitsNameAndNetworkAtEachDot) {
  EXPECT_EQ(answers_to("db.main", type::a), "10.5.0.3");
  EXPECT_EQ(answers_to("DB.Main.SHOP", type::a), "10.5.0.3");
  EXPECT_EQ(answers_to("web.b.net", type::a), "10.6.0.9");
  EXPECT_EQ(summary_of("main.shop", type::a), "no response");
}

TEST_F(AnswerTest, LooksForALinksAliasFirst) {
  view.links = {{"database", "DB.main"}, {"web", "gone"}};
  EXPECT_EQ(answers_to("Database", type::a), "10.5.0.3");
  EXPECT_EQ(answers_to("database.shop", type::a), "10.5.0.3");
  EXPECT_EQ(summary_of("web", type::a), "no response") << "the alias hides the name";
}

TEST_F(AnswerTest, RotatesSeveralAddresses) {
  add(Zone("many", {})
          .with({"7", {"m1", "all"}, {address("10.7.0.1")}})
          ->with({"8", {"m2", "all"}, {address("10.7.0.2")}})
          ->with({"9", {"m3", "all"}, {address("10.7.0.3")}}));
  EXPECT_EQ(answers_to("all", type::a), "10.7.0.1 10.7.0.2 10.7.0.3");
  EXPECT_EQ(answers_to("all", type::a), "10.7.0.2 10.7.0.3 10.7.0.1");
  EXPECT_EQ(answers_to("all", type::a), "10.7.0.3 10.7.0.1 10.7.0.2");
}

TEST_F(AnswerTest, TruncatesAtARecordAndKeepsTheOpt) {
  Host host{"7", {"all"}, {}};
  for (std::uint32_t i = 0; i < 300; ++i)
    host.addresses.push_back(ipam::Address::v4(0x0a070000 + i));
  add(Zone("many", {}).with(host));
  // 21 bytes of header and question, then 16 each: 30 fit into 512 bytes.
  const auto small = ask(query("all", type::a));
  EXPECT_EQ(summary(small), "noerror aa tc 30/0/0");
  EXPECT_EQ(small.size(), 21u + 30 * 16);
  const auto large = ask(query("all", type::a, {opt(1232)}));
  EXPECT_EQ(summary(large), "noerror aa tc 74/0/1");
  EXPECT_LE(large.size(), 1232u);
}

TEST_F(AnswerTest, AnswersAnyWithOneSet) {
  EXPECT_EQ(answers_to("web", type::any), "10.5.0.2");
  EXPECT_EQ(answers_to("six", type::any), "fd05::6");
  EXPECT_EQ(answers_to("example.com", type::any), "TYPE13") << "RFC 8482 4.2";
}

TEST_F(AnswerTest, NamesAnAddressWithItsNetwork) {
  EXPECT_EQ(hex(ask(query("2.0.5.10.in-addr.arpa", type::ptr))),
            "1234 8580 0001 0001 0000 0000 0132 0130 0135 0231 3007 696e 2d61 6464 7204 6172"
            " 7061 0000 0c00 01c0 0c00 0c00 0100 0000 0500 0a03 7765 6204 5368 6f70 00");
  EXPECT_EQ(summary_of("2.0.5.10.in-addr.arpa", type::a), "noerror aa 0/0/0");
  EXPECT_EQ(summary_of("2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.5.0.d.f.ip6.arpa",
                       type::ptr),
            "noerror aa 1/0/0");
}

TEST_F(AnswerTest, KeepsANameBackThatDnsCanNotCarry) {
  EXPECT_EQ(summary_of("4.0.5.10.in-addr.arpa", type::ptr), "noerror aa 0/0/0");
}

TEST_F(AnswerTest, DeniesAFreeAddressOfItsSubnets) {
  const auto response = ask(query("9.9.5.10.in-addr.arpa", type::ptr));
  EXPECT_EQ(summary(response), "nxdomain aa 0/1/0");
  // A /20 lies within the zone 5.10.in-addr.arpa at text position 4, offset 16 … cut at whole
  // octets.
  EXPECT_EQ(hex(std::span(response).subspan(39, 2)), "c00e");
}

TEST_F(AnswerTest, ForwardsReverseNamesThatAreNotOurs) {
  for (const char* name :
       {"1.1.168.192.in-addr.arpa", "5.10.in-addr.arpa", "1.2.0.5.10.in-addr.arpa",
        "02.0.5.10.in-addr.arpa", "256.0.5.10.in-addr.arpa", "in-addr.arpa"})
    EXPECT_EQ(summary_of(name, type::ptr), "no response") << name;
}

TEST_F(AnswerTest, KeepsSpecialAddressesAtHome) {
  EXPECT_EQ(summary_of("1.0.0.127.in-addr.arpa", type::ptr), "noerror aa 1/0/0");
  EXPECT_EQ(summary_of("1.2.3.0.in-addr.arpa", type::ptr), "nxdomain aa 0/1/0");
  EXPECT_EQ(summary_of("255.255.255.255.in-addr.arpa", type::ptr), "nxdomain aa 0/1/0");
}

TEST_F(AnswerTest, KnowsLocalhost) {
  EXPECT_EQ(answers_to("localhost", type::a), "127.0.0.1");
  EXPECT_EQ(answers_to("app.LOCALHOST", type::aaaa), "::1");
  EXPECT_EQ(summary_of("localhost", mx), "noerror aa 0/0/0");
  EXPECT_EQ(summary_of("notlocalhost", type::a), "no response");
}

TEST_F(AnswerTest, DeniesNamesThatWouldOnlyLeak) {
  EXPECT_EQ(summary_of("x.onion", type::a), "nxdomain aa 0/1/0");
  EXPECT_EQ(summary_of("invalid", type::a), "nxdomain aa 0/1/0");
}

TEST_F(AnswerTest, ForwardsWhatNobodyKnows) {
  EXPECT_EQ(summary_of("example.com", type::a), "no response");
  EXPECT_EQ(summary_of("", 2), "no response");
}

TEST_F(AnswerTest, NeverTakesADotInsideALabelForANetwork) {
  // One label "web.shop".
  EXPECT_EQ(summary(ask(bytes("1234 0100 0001 0000 0000 0000 08'web.shop'00 0001 0001"))),
            "no response");
}

TEST_F(AnswerTest, DeniesAtOnceWhenItMayNotForward) {
  view.forwarding = Forwarding::none;
  EXPECT_EQ(summary_of("example.com", type::a), "nxdomain 0/0/0");
  // Extended error 20, "not authoritative".
  EXPECT_EQ(hex(ask(query("x.y", type::a, {opt()}))),
            "1234 8183 0001 0000 0000 0001 0178 0179 0000 0100 01"
            "00 0029 04d0 0000 0000 0006 000f 0002 0014");
  view.forwarding = Forwarding::host;
  view.servers.clear();
  EXPECT_EQ(summary_of("example.com", type::a), "nxdomain 0/0/0");
}

TEST_F(AnswerTest, KeepsSingleLabelsAtHomeWhenTheUserSetNdots) {
  view.forward_single_labels = false;
  EXPECT_EQ(summary_of("intranet", type::a), "noerror 0/0/0");
  EXPECT_EQ(summary_of("intranet", type::aaaa), "noerror 0/0/0");
  EXPECT_EQ(summary_of("intranet", mx), "no response");
  EXPECT_EQ(summary_of("intranet.example", type::a), "no response");
}

}  // namespace
}  // namespace dns
