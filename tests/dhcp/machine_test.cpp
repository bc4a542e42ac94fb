// The state machine with a clock of the test's: every state, every answer, every silence.
#include "netd/dhcp/machine.h"

#include <gtest/gtest.h>

#include "netd/dhcp/frame.h"
#include "tests/dhcp/values.h"

namespace netd::dhcp {
namespace {

using namespace std::chrono_literals;
using tests::ip;
using tests::mac;
using tests::prefix;

const ipam::Mac endpoint = mac("02:42:c0:00:02:07");
const ipam::Mac server_mac = mac("02:00:00:00:00:01");
const ipam::Mac stranger = mac("02:00:00:00:00:66");
const Time noon{1'790'000'000s};

/// One line a transmission: "DISCOVER 0.0.0.0 > 255.255.255.255 ciaddr=… wants=… server=… secs=…".
std::string line(const Transmission& sent) {
  const Message& message = sent.message;
  std::string text = to_string(message.type) + " " + sent.source.to_string() + " > " +
                     sent.destination.to_string();
  if (!message.client_address.is_any()) text += " ciaddr=" + message.client_address.to_string();
  if (const auto wants = message.address(option::requested_address))
    text += " wants=" + wants->to_string();
  if (const auto server = message.address(option::server)) text += " server=" + server->to_string();
  if (message.seconds) text += " secs=" + std::to_string(message.seconds);
  if (message.broadcast) text += " broadcast";
  return text;
}

std::string lines(const Output& output) {
  std::string text;
  for (const Transmission& sent : output.send)
    text += (text.empty() ? "" : "\n") + line(sent);
  return text;
}

class MachineTest : public ::testing::Test {
 protected:
  /// xids are 1, 2, 3 …; what else is random is the least there is.
  Machine make(bool checks = false) {
    return Machine({.mac = endpoint, .client_id = {0, 'w'}, .hostname = "web"}, Timing{}, checks,
                   [this] { return random_; });
  }

  Received reply(Type type, const char* address = "192.0.2.7", const char* server = "192.0.2.1") {
    Message message{.type = type, .is_reply = true, .xid = random_, .mac = endpoint};
    message.set(option::server, ip(server));
    if (type == Type::nak) return {message, server_mac};
    message.your_address = ip(address);
    message.set(option::subnet_mask, ip("255.255.255.0"));
    message.set(option::router, ip("192.0.2.254"));
    message.set(option::lease_time, 3600s);
    return {message, server_mac};
  }
  Received offer(const char* address = "192.0.2.7") { return reply(Type::offer, address); }
  Received ack(const char* address = "192.0.2.7") { return reply(Type::ack, address); }

  Machine bound() {
    Machine machine = make();
    machine.start(noon);
    machine.receive(offer(), noon);
    machine.receive(ack(), noon);
    return machine;
  }
  /// At T1: a renewal is under way.
  Machine renewing() {
    Machine machine = bound();
    machine.expire(noon + 1800s);
    return machine;
  }
  Machine rebinding() {
    Machine machine = renewing();
    machine.expire(noon + 3150s);
    return machine;
  }

  std::uint32_t random_ = 0;  // no jitter, no fuzz, and each xid the same: tests change it
};

TEST_F(MachineTest, AsksOffersRequestsAndIsBound) {
  Machine machine = make();
  EXPECT_EQ(lines(machine.start(noon)), "DISCOVER 0.0.0.0 > 255.255.255.255 broadcast");
  EXPECT_TRUE(machine.is_asking());
  const Output request = machine.receive(offer(), noon + 1s);
  EXPECT_EQ(lines(request),
            "REQUEST 0.0.0.0 > 255.255.255.255 wants=192.0.2.7 server=192.0.2.1 broadcast");
  EXPECT_EQ(request.send[0].to, broadcast_mac);
  const Output done = machine.receive(ack(), noon + 2s);
  EXPECT_EQ(done.event, Event::bound);
  EXPECT_TRUE(done.send.empty());
  EXPECT_FALSE(machine.is_asking());
  ASSERT_TRUE(machine.lease());
  EXPECT_EQ(machine.lease()->address, prefix("192.0.2.7/24"));
  EXPECT_EQ(machine.lease()->server_mac, server_mac);
  // RFC 2131 4.4.1: from the time of the request, not of the answer.
  EXPECT_EQ(machine.lease()->obtained, noon + 1s);
  EXPECT_EQ(machine.deadline(), noon + 1801s);
}

TEST_F(MachineTest, SaysWhoItIsAndWhatItWants) {
  Machine machine = make();
  const Output discover = machine.start(noon);
  const Message& message = discover.send.at(0).message;
  EXPECT_EQ(message.mac, endpoint);
  EXPECT_EQ(message.text(option::hostname), "web");
  EXPECT_EQ(message.options.at(option::client_id), (Bytes{0, 'w'}));
  EXPECT_EQ(message.options.at(option::parameters), (Bytes{1, 121, 3, 6, 15, 119, 26, 51, 58, 59}));
  EXPECT_EQ(message.number(option::message_size), 1280);
}

TEST_F(MachineTest, RepeatsTheDiscoverMoreAndMoreSlowly) {
  Machine machine = make();
  machine.start(noon);
  // 4, 8, 16, 32, 64, 64 s, each less the jitter of 1 s.
  Time time = noon;
  for (const auto pause : {3s, 7s, 15s, 31s, 63s, 63s}) {
    time += pause;
    EXPECT_EQ(machine.deadline(), time);
    EXPECT_TRUE(machine.expire(time - 1ms).send.empty());
    const std::string secs =
        std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time - noon).count());
    EXPECT_EQ(lines(machine.expire(time)),
              "DISCOVER 0.0.0.0 > 255.255.255.255 secs=" + secs + " broadcast");
  }
}

TEST_F(MachineTest, SpreadsRetriesAtRandom) {
  random_ = 1999;
  Machine machine = make();
  machine.start(noon);
  EXPECT_EQ(machine.deadline(), noon + 4999ms);
}

TEST_F(MachineTest, PicksAnotherXidForEachExchange) {
  random_ = 17;
  Machine machine = make();
  EXPECT_EQ(machine.start(noon).send.at(0).message.xid, 17u);
  EXPECT_EQ(machine.receive(offer(), noon).send.at(0).message.xid, 17u);
  machine.receive(ack(), noon);
  random_ = 23;
  EXPECT_EQ(machine.expire(noon + 1800s).send.at(0).message.xid, 23u);
}

TEST_F(MachineTest, IgnoresWhatIsNotForIt) {
  Machine machine = make();
  machine.start(noon);
  Received foreign_xid = offer();
  foreign_xid.message.xid = 99;
  Received foreign_mac = offer();
  foreign_mac.message.mac = stranger;
  Received foreign_id = offer();  // RFC 6842
  foreign_id.message.options[option::client_id] = {0, 'x'};
  Received question = offer();
  question.message.is_reply = false;
  for (const Received& received : {foreign_xid, foreign_mac, foreign_id, question, ack(),
                                   reply(Type::nak), reply(Type::inform)})
    EXPECT_TRUE(machine.receive(received, noon).send.empty());
  Received echoed = offer();
  echoed.message.options[option::client_id] = {0, 'w'};
  EXPECT_EQ(machine.receive(echoed, noon).send.size(), 1u);
}

TEST_F(MachineTest, TakesTheFirstOfferThatCanBeUsed) {
  Machine machine = make();
  machine.start(noon);
  Received useless = offer();
  useless.message.options.erase(option::lease_time);
  EXPECT_TRUE(machine.receive(useless, noon).send.empty());
  EXPECT_EQ(
      machine.trouble(),
      "a DHCP server made an offer that can't be used (192.0.2.7, its mask, server or lifetime)");
  EXPECT_EQ(machine.receive(offer("192.0.2.8"), noon).send.size(), 1u);
  EXPECT_TRUE(machine.receive(offer("192.0.2.9"), noon).send.empty());
}

TEST_F(MachineTest, AsksForAnotherOfferWhenTheServerDies) {
  Machine machine = make();
  machine.start(noon);
  machine.receive(offer(), noon + 1s);
  Time time = noon + 1s;
  for (const auto pause : {3s, 7s}) {
    time += pause;
    // secs is that of the DISCOVER.
    EXPECT_EQ(lines(machine.expire(time)),
              "REQUEST 0.0.0.0 > 255.255.255.255 wants=192.0.2.7 server=192.0.2.1 broadcast");
  }
  time += 15s;
  EXPECT_EQ(lines(machine.expire(time)), "DISCOVER 0.0.0.0 > 255.255.255.255 broadcast");
  EXPECT_EQ(machine.trouble(),
            "the DHCP server 192.0.2.1 offered 192.0.2.7 but doesn't answer the request for it");
}

TEST_F(MachineTest, StartsAgainAfterARefusalThenAtThePaceOfRetries) {
  Machine machine = make();
  machine.start(noon);
  machine.receive(offer(), noon);
  Received nak = reply(Type::nak);
  nak.message.set(option::text, std::string_view("no leases left"));
  EXPECT_EQ(lines(machine.receive(nak, noon)), "DISCOVER 0.0.0.0 > 255.255.255.255 broadcast");
  EXPECT_EQ(machine.trouble(), "the DHCP server 192.0.2.1 refused 192.0.2.7 (no leases left)");
  machine.receive(offer(), noon);
  EXPECT_TRUE(machine.receive(nak, noon).send.empty());
  EXPECT_FALSE(machine.is_asking());
  EXPECT_EQ(machine.deadline(), noon + 7s);
  EXPECT_EQ(lines(machine.expire(noon + 7s)), "DISCOVER 0.0.0.0 > 255.255.255.255 broadcast");
}

TEST_F(MachineTest, OnlyTheServerThatWasAskedMayRefuse) {
  Machine machine = make();
  machine.start(noon);
  machine.receive(offer(), noon);
  EXPECT_TRUE(machine.receive(reply(Type::nak, "", "192.0.2.66"), noon).send.empty());
  Received anonymous = reply(Type::nak);
  anonymous.message.options.erase(option::server);
  EXPECT_TRUE(machine.receive(anonymous, noon).send.empty());
  EXPECT_EQ(machine.receive(ack(), noon).event, Event::bound);
}

TEST_F(MachineTest, AsksForItsFormerAddressFirst) {
  Machine machine = make();
  EXPECT_EQ(lines(machine.start(noon, ip("192.0.2.9"))),
            "REQUEST 0.0.0.0 > 255.255.255.255 wants=192.0.2.9 broadcast");
  EXPECT_EQ(machine.receive(ack("192.0.2.9"), noon).event, Event::bound);
  EXPECT_EQ(machine.lease()->address, prefix("192.0.2.9/24"));
}

TEST_F(MachineTest, TakesAnotherAddressWhenTheFormerIsRefused) {
  Machine machine = make();
  machine.start(noon, ip("198.51.100.9"));
  EXPECT_EQ(lines(machine.receive(reply(Type::nak), noon)),
            "DISCOVER 0.0.0.0 > 255.255.255.255 broadcast");
  EXPECT_EQ(machine.trouble(), "the DHCP server 192.0.2.1 refused 198.51.100.9");
}

TEST_F(MachineTest, DiscoversWhenNobodyKnowsTheFormerAddress) {
  Machine machine = make();
  machine.start(noon, ip("192.0.2.9"));
  EXPECT_EQ(machine.deadline(), noon + 2s);
  EXPECT_EQ(lines(machine.expire(noon + 2s)),
            "DISCOVER 0.0.0.0 > 255.255.255.255 wants=192.0.2.9 broadcast");
}

TEST_F(MachineTest, RenewsWithTheServerAtT1) {
  Machine machine = bound();
  EXPECT_TRUE(machine.expire(noon + 1799s).send.empty());
  const Output renewal = machine.expire(noon + 1800s);
  EXPECT_EQ(lines(renewal), "REQUEST 192.0.2.7 > 192.0.2.1 ciaddr=192.0.2.7");
  EXPECT_EQ(renewal.send[0].to, server_mac);
  EXPECT_EQ(renewal.send[0].message.text(option::hostname), "web");
  EXPECT_TRUE(machine.is_asking());
  EXPECT_EQ(machine.receive(ack(), noon + 1801s).event, Event::renewed);
  EXPECT_EQ(machine.lease()->obtained, noon + 1800s);
  EXPECT_EQ(machine.deadline(), noon + 3600s);
}

TEST_F(MachineTest, RenewsAtDifferentTimesThanOthers) {
  Machine machine = make();
  machine.start(noon);
  machine.receive(offer(), noon);
  const Received granted = ack();
  random_ = 60'000;  // of at most a twentieth of T1
  machine.receive(granted, noon);
  EXPECT_EQ(machine.deadline(), noon + 1740s);
}

TEST_F(MachineTest, TriesARenewalAgainAtHalfOfWhatIsLeft) {
  Machine machine = renewing();
  EXPECT_EQ(machine.deadline(), noon + 2475s);
  EXPECT_EQ(lines(machine.expire(noon + 2475s)),
            "REQUEST 192.0.2.7 > 192.0.2.1 ciaddr=192.0.2.7 secs=675");
  // Not more often than each minute, and not beyond T2.
  machine.expire(noon + 3060s);
  EXPECT_EQ(machine.deadline(), noon + 3120s);
  machine.expire(noon + 3120s);
  EXPECT_EQ(machine.deadline(), noon + 3150s);
}

TEST_F(MachineTest, AsksAllServersAtT2) {
  Machine machine = renewing();
  const Output rebind = machine.expire(noon + 3150s);
  EXPECT_EQ(lines(rebind), "REQUEST 192.0.2.7 > 255.255.255.255 ciaddr=192.0.2.7");
  EXPECT_EQ(rebind.send[0].to, broadcast_mac);
  EXPECT_EQ(rebind.event, Event::overdue);
  EXPECT_EQ(rebind.reason,
            "the DHCP server 192.0.2.1 doesn't renew the lease of 192.0.2.7; asking all servers");
  EXPECT_EQ(machine.deadline(), noon + 3375s);
  const Received other = reply(Type::ack, "192.0.2.7", "192.0.2.2");
  EXPECT_EQ(machine.receive(other, noon + 3151s).event, Event::renewed);
  EXPECT_EQ(machine.lease()->server, ip("192.0.2.2"));
}

TEST_F(MachineTest, LosesTheLeaseWhenItExpires) {
  Machine machine = rebinding();
  machine.expire(noon + 3375s);
  const Output lost = machine.expire(noon + 3600s);
  EXPECT_EQ(lost.event, Event::lost);
  EXPECT_EQ(lost.reason,
            "the lease of 192.0.2.7 expired; the DHCP server 192.0.2.1 didn't renew it");
  EXPECT_EQ(lines(lost), "DISCOVER 0.0.0.0 > 255.255.255.255 wants=192.0.2.7 broadcast");
  EXPECT_FALSE(machine.lease());
  // And it finds another one when a server is back.
  machine.receive(offer("192.0.2.8"), noon + 3700s);
  EXPECT_EQ(machine.receive(ack("192.0.2.8"), noon + 3700s).event, Event::bound);
}

TEST_F(MachineTest, LosesTheLeaseWhenItSleptThroughIt) {
  Machine machine = bound();
  const Output lost = machine.expire(noon + 4000s);
  EXPECT_EQ(lost.event, Event::lost);
  EXPECT_EQ(lines(lost), "DISCOVER 0.0.0.0 > 255.255.255.255 wants=192.0.2.7 broadcast");
}

TEST_F(MachineTest, AsksAllServersWhenItSleptThroughT2) {
  Machine machine = bound();
  EXPECT_EQ(lines(machine.expire(noon + 3200s)),
            "REQUEST 192.0.2.7 > 255.255.255.255 ciaddr=192.0.2.7");
}

TEST_F(MachineTest, LosesTheLeaseWhenTheRenewalIsRefused) {
  Machine machine = renewing();
  EXPECT_EQ(machine.receive(reply(Type::nak, "", "192.0.2.66"), noon + 1801s).event, Event::none);
  const Output lost = machine.receive(reply(Type::nak), noon + 1801s);
  EXPECT_EQ(lost.event, Event::lost);
  EXPECT_EQ(lost.reason, "the DHCP server 192.0.2.1 refused 192.0.2.7");
  EXPECT_EQ(lines(lost), "DISCOVER 0.0.0.0 > 255.255.255.255 broadcast");
}

TEST_F(MachineTest, AnyServerMayRefuseWhatAllAreAsked) {
  Machine machine = rebinding();
  EXPECT_EQ(machine.receive(reply(Type::nak, "", "192.0.2.2"), noon + 3160s).event, Event::lost);
}

TEST_F(MachineTest, TellsWhenTheServerChangesItsAnswer) {
  const auto changed_by = [&](const Received& answer) {
    Machine machine = renewing();
    return machine.receive(answer, noon + 1801s).event == Event::changed;
  };
  EXPECT_FALSE(changed_by(ack()));
  EXPECT_TRUE(changed_by(ack("192.0.2.8")));
  Received other = ack();
  other.message.set(option::router, ip("192.0.2.253"));
  EXPECT_TRUE(changed_by(other));
  other = ack();
  other.message.set(option::dns_server, ip("192.0.2.53"));
  EXPECT_TRUE(changed_by(other));
  other = ack();
  other.message.set(option::subnet_mask, ip("255.255.0.0"));
  EXPECT_TRUE(changed_by(other));
  other = ack();
  other.message.set(option::lease_time, 60s);
  EXPECT_FALSE(changed_by(other));
}

TEST_F(MachineTest, AShortLeaseDoesNotMakeItHurry) {
  Machine machine = make();
  machine.start(noon);
  machine.receive(offer(), noon);
  Received granted = ack();
  granted.message.set(option::lease_time, 1s);
  machine.receive(granted, noon);
  EXPECT_EQ(machine.deadline(), noon + 1s);
}

TEST_F(MachineTest, ChecksANewAddress) {
  Machine machine = make(true);
  machine.start(noon);
  machine.receive(offer(), noon);
  const Output check = machine.receive(ack(), noon);
  EXPECT_EQ(check.check, ip("192.0.2.7"));
  EXPECT_EQ(check.event, Event::none);
  EXPECT_FALSE(machine.lease());
  EXPECT_FALSE(machine.deadline());
  EXPECT_EQ(machine.checked(std::nullopt, noon + 5s).event, Event::bound);
  // At a renewal it is in use already.
  machine.expire(noon + 1800s);
  EXPECT_FALSE(machine.receive(ack(), noon + 1800s).check);
}

TEST_F(MachineTest, DeclinesAnAddressThatIsTakenAndWaits) {
  Machine machine = make(true);
  machine.start(noon);
  machine.receive(offer(), noon);
  machine.receive(ack(), noon);
  const Output declined = machine.checked(stranger, noon + 1s);
  EXPECT_EQ(lines(declined),
            "DECLINE 0.0.0.0 > 255.255.255.255 wants=192.0.2.7 server=192.0.2.1 broadcast");
  EXPECT_FALSE(declined.send[0].message.options.contains(option::parameters));
  EXPECT_EQ(declined.event, Event::none);
  EXPECT_EQ(machine.trouble(),
            "the DHCP server 192.0.2.1 granted 192.0.2.7, but 02:00:00:00:00:66 uses it");
  EXPECT_EQ(machine.deadline(), noon + 11s);
  EXPECT_EQ(lines(machine.expire(noon + 11s)), "DISCOVER 0.0.0.0 > 255.255.255.255 broadcast");
}

TEST_F(MachineTest, ANewAddressThatIsTakenCostsTheOldOneToo) {
  Machine machine = make(true);
  machine.resume(*bound().lease(), noon + 1800s);
  EXPECT_TRUE(machine.receive(ack("192.0.2.8"), noon + 1800s).check);
  EXPECT_EQ(machine.checked(stranger, noon + 1801s).event, Event::lost);
  EXPECT_FALSE(machine.lease());
}

TEST_F(MachineTest, GivesTheLeaseBack) {
  Machine machine = bound();
  const Output released = machine.release(noon + 10s);
  EXPECT_EQ(lines(released), "RELEASE 192.0.2.7 > 192.0.2.1 ciaddr=192.0.2.7 server=192.0.2.1");
  EXPECT_EQ(released.send[0].to, server_mac);
  EXPECT_EQ(released.send[0].message.options.at(option::client_id), (Bytes{0, 'w'}));
  EXPECT_FALSE(machine.deadline());
  EXPECT_FALSE(machine.lease());
  EXPECT_TRUE(machine.release(noon + 10s).send.empty());
  EXPECT_TRUE(machine.expire(noon + 9999s).send.empty());
}

TEST_F(MachineTest, GivesBackWhatIsStillBeingChecked) {
  Machine machine = make(true);
  machine.start(noon);
  machine.receive(offer(), noon);
  machine.receive(ack(), noon);
  EXPECT_EQ(machine.release(noon).send.size(), 1u);
  EXPECT_EQ(machine.checked(std::nullopt, noon).event, Event::none);
}

TEST_F(MachineTest, GivesBackWhatTheServerMayJustBeGranting) {
  Machine machine = make();
  machine.start(noon);
  machine.receive(offer(), noon);
  EXPECT_EQ(lines(machine.release(noon)),
            "RELEASE 192.0.2.7 > 192.0.2.1 ciaddr=192.0.2.7 server=192.0.2.1");
}

TEST_F(MachineTest, HasNothingToGiveBackBeforeAnOffer) {
  Machine machine = make();
  machine.start(noon);
  EXPECT_TRUE(machine.release(noon).send.empty());
}

TEST_F(MachineTest, GoesOnWithALeaseOfARecord) {
  const Lease lease = *bound().lease();
  Machine fresh = make();
  EXPECT_TRUE(fresh.resume(lease, noon + 10s).send.empty());
  EXPECT_EQ(fresh.deadline(), noon + 1800s);
  EXPECT_EQ(fresh.lease(), lease);
  Machine late = make();
  EXPECT_EQ(lines(late.resume(lease, noon + 2000s)),
            "REQUEST 192.0.2.7 > 192.0.2.1 ciaddr=192.0.2.7");
  Machine later = make();
  EXPECT_EQ(lines(later.resume(lease, noon + 3200s)),
            "REQUEST 192.0.2.7 > 255.255.255.255 ciaddr=192.0.2.7");
}

TEST_F(MachineTest, AsksAgainForAnExpiredLeaseOfARecord) {
  const Lease lease = *bound().lease();
  Machine machine = make();
  EXPECT_EQ(lines(machine.resume(lease, noon + 5000s)),
            "REQUEST 0.0.0.0 > 255.255.255.255 wants=192.0.2.7 broadcast");
  EXPECT_EQ(machine.receive(ack(), noon + 5000s).event, Event::renewed);
  Machine unlucky = make();
  unlucky.resume(lease, noon + 5000s);
  const Output lost = unlucky.expire(noon + 5002s);
  EXPECT_EQ(lost.event, Event::lost);
  EXPECT_EQ(lines(lost), "DISCOVER 0.0.0.0 > 255.255.255.255 wants=192.0.2.7 broadcast");
  Machine refused = make();
  refused.resume(lease, noon + 5000s);
  EXPECT_EQ(refused.receive(reply(Type::nak), noon + 5000s).event, Event::lost);
}

TEST_F(MachineTest, AClockSetBackDoesNotMakeALeaseLonger) {
  const Lease lease = *bound().lease();
  Machine machine = make();
  machine.resume(lease, noon - 10h);
  EXPECT_EQ(machine.deadline(), noon - 10h + 1800s);
}

TEST_F(MachineTest, ALeaseForEverIsNotRenewedForDecades) {
  Machine machine = make();
  machine.start(noon);
  machine.receive(offer(), noon);
  Received granted = ack();
  granted.message.set(option::lease_time, std::chrono::seconds(0xffffffff));
  machine.receive(granted, noon);
  EXPECT_GT(*machine.deadline(), noon + std::chrono::years(60));
}

TEST_F(MachineTest, WithoutNameAndIdentifierTheMacSaysAll) {
  Machine machine({.mac = endpoint}, Timing{}, false, [] { return 0u; });
  const Output discover = machine.start(noon);
  EXPECT_FALSE(discover.send.at(0).message.options.contains(option::hostname));
  EXPECT_FALSE(discover.send.at(0).message.options.contains(option::client_id));
}

}  // namespace
}  // namespace netd::dhcp
