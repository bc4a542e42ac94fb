// The link that encrypts, on the real kernel: its own WireGuard where it has one, else
// wireguard-go's.
#include "sandbox/wireguard.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/socket.h>

#include <functional>
#include <thread>

#include "sandbox/linux_wireguard.h"
#include "tests/sandbox/example_plans.h"
#include "tests/sandbox/kernel_fixture.h"

namespace {

using namespace sandbox;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using tests::address;

struct KeyPair {
  WireguardKey secret, open;
};

/// Made with wg(8).
const KeyPair one{
    *WireguardKey::parse("f02a2bb5bc8dab9133d66c627ed34d98bb78c5faaa4e5a5dc3a11376afc99642"),
    *WireguardKey::parse("bef9dcbcfd977b0dd3a82bed35544506fc28dfa0aee4957fbf477cca5582f17a")};
const KeyPair two{
    *WireguardKey::parse("98ebda4117b2a9b9be79500d5dee2b35ce9aea6d4ccdd384879f2c1d5ae4f351"),
    *WireguardKey::parse("e72d7ef6ecfbb07b29bc3d7ad291f501032767792d4aebafdb6d2249892cc275")};
const ipam::Prefix inside = *ipam::Prefix::parse("169.254.64.0/18");

/// Two hosts: this namespace, 192.0.2.1, and /run/netns/two, 192.0.2.2. Their links have different
/// names, as wireguard-go's sockets are the machine's.
class WireguardLinkTest : public tests::KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    shell(
        "ip netns add two; ip -n two link set lo up; ip link add to_two type veth peer name "
        "to_one netns two;"
        "ip address add 192.0.2.1/24 dev to_two; ip link set to_two up;"
        "ip -n two address add 192.0.2.2/24 dev to_one; ip -n two link set to_one up");
  }
  /// wireguard-go ends with its link.
  void TearDown() override {
    ours().remove("nwone", inside);
    on_two([](Wireguard& theirs) { theirs.remove("nwtwo", inside); });
  }

  Wireguard& ours() { return kernel().wireguard(); }
  /// What an error says, or "".
  static std::string on_two(const std::function<void(Wireguard&)>& act) {
    std::string problem;
    std::thread([&] {
      const Fd netns(open("/run/netns/two", O_RDONLY | O_CLOEXEC));
      if (setns(netns.get(), CLONE_NEWNET) != 0) problem = "setns failed";
      try {
        LinuxWireguard theirs;
        act(theirs);
      } catch (const std::exception& error) {
        problem = error.what();
      }
    }).join();
    return problem;
  }
  static WireguardLink link_of(const std::string& name, const char* own, const KeyPair& pair) {
    return {.name = name,
            .mtu = 1440,
            .inside = {address(own), inside.length},
            .private_key = pair.secret,
            .port = 51871};
  }
  void connect() {
    ours().make(link_of("nwone", "169.254.64.1", one));
    EXPECT_EQ(
        on_two([](Wireguard& theirs) {
          theirs.make(link_of("nwtwo", "169.254.64.2", two));
          theirs.put("nwtwo", one.open, {address("192.0.2.1"), 51871, address("169.254.64.1")});
        }),
        "");
    ours().put("nwone", two.open, {address("192.0.2.2"), 51871, address("169.254.64.2")});
  }
  static bool reaches_two() {
    return system("busybox ping -q -c 1 -W 1 169.254.64.2 >/dev/null 2>&1") == 0;
  }
  static std::string error_of(const std::function<void()>& act) {
    try {
      act();
    } catch (const std::exception& error) {
      return error.what();
    }
    return "nothing was thrown";
  }
};

TEST_F(WireguardLinkTest, IsMadeAsSaidAndReadBack) {
  EXPECT_EQ(ours().problem(), "");
  EXPECT_FALSE(ours().read("nwone"));
  const std::uint32_t index = ours().make(link_of("nwone", "169.254.64.1", one));
  const auto facts = ours().read("nwone");
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->index, index);
  EXPECT_EQ(facts->private_key, one.secret);
  EXPECT_EQ(facts->port, 51871);
  EXPECT_THAT(facts->peers, IsEmpty());
  const auto link = kernel().find_link("", "nwone");
  ASSERT_TRUE(link);
  EXPECT_EQ(link->alias, "netd:wireguard");
  EXPECT_EQ(link->mtu, 1440u);
  EXPECT_TRUE(link->up);
  EXPECT_THAT(link->addresses, Contains(*ipam::Prefix::parse("169.254.64.1/18")));
}

TEST_F(WireguardLinkTest, WhatIsRightIsNotTouchedAndWhatDiffersIsPutRight) {
  const WireguardLink link = link_of("nwone", "169.254.64.1", one);
  const std::uint32_t index = ours().make(link);
  ours().put("nwone", two.open, {address("192.0.2.2"), 51871, {}});
  EXPECT_EQ(ours().make(link), index);
  shell("ip link set nwone mtu 1300; ip address flush dev nwone; ip link set nwone down");
  WireguardLink moved = link_of("nwone", "169.254.64.9", two);
  moved.port = 51872;
  EXPECT_EQ(ours().make(moved), index);
  const auto facts = ours().read("nwone");
  EXPECT_EQ(facts->private_key, two.secret);
  EXPECT_EQ(facts->port, 51872);
  const auto there = kernel().find_link("", "nwone");
  EXPECT_EQ(there->mtu, 1440u);
  EXPECT_TRUE(there->up);
  EXPECT_THAT(there->addresses, Contains(*ipam::Prefix::parse("169.254.64.9/18")));
  EXPECT_THAT(there->addresses, Not(Contains(*ipam::Prefix::parse("169.254.64.1/18"))));
}

TEST_F(WireguardLinkTest, HostsReachEachOtherInside) {
  connect();
  // A hello that is lost, as the links here have just come up, is said again after 5 s.
  bool reached = false;
  for (int tries = 0; tries < 15 && !reached; ++tries)
    reached = reaches_two();
  ASSERT_TRUE(reached);
  const auto facts = ours().read("nwone");
  EXPECT_GT(facts->handshakes.at(two.open), 0);
  EXPECT_EQ(facts->peers.at(two.open),
            (WireguardPeer{address("192.0.2.2"), 51871, address("169.254.64.2")}));
}

TEST_F(WireguardLinkTest, WithoutTheLinkThereIsNoWay) {
  connect();
  shell("ip route add default via 192.0.2.2");
  for (const char* harm : {"ip link set nwone down", "ip link delete nwone"}) {
    shell(harm);
    const std::string way = shell("ip route get 169.254.64.2 2>&1 || true");
    EXPECT_THAT(way, Not(HasSubstr("192.0.2.2"))) << harm;
    EXPECT_FALSE(reaches_two()) << harm;
  }
}

TEST_F(WireguardLinkTest, AnAddressGoesOverToANewKey) {
  ours().make(link_of("nwone", "169.254.64.1", one));
  const KeyPair& next = one;  // any key that isn't the peer's own
  const WireguardPeer expected{address("192.0.2.2"), 51871, {}};
  WireguardPeer used = expected;
  used.inside = address("169.254.64.2");
  ours().put("nwone", two.open, used);
  WireguardKey other = next.open;
  other.bytes[0] ^= 1;
  ours().put("nwone", other, expected);
  EXPECT_EQ(ours().read("nwone")->peers, (WireguardPeers{{two.open, used}, {other, expected}}));
  ours().put("nwone", other, used);
  EXPECT_EQ(ours().read("nwone")->peers.at(two.open).inside, std::nullopt);
  ours().erase("nwone", two.open);
  ours().erase("nwone", two.open);
  EXPECT_EQ(ours().read("nwone")->peers, (WireguardPeers{{other, used}}));
}

TEST_F(WireguardLinkTest, PeersMayBeOnIpv6) {
  ours().make(link_of("nwone", "169.254.64.1", one));
  const WireguardPeer peer{address("2001:db8::2"), 51871, address("169.254.64.2")};
  ours().put("nwone", two.open, peer);
  EXPECT_EQ(ours().read("nwone")->peers.at(two.open), peer);
}

TEST_F(WireguardLinkTest, ATakenPortIsToldWithItsHolder) {
  const Fd holder(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 port{};
  port.sin6_family = AF_INET6;
  port.sin6_port = htons(51871);
  ASSERT_EQ(bind(holder.get(), reinterpret_cast<const sockaddr*>(&port), sizeof port), 0);
  EXPECT_THAT(error_of([&] { ours().make(link_of("nwone", "169.254.64.1", one)); }),
              AllOf(HasSubstr("UDP port 51871 for encrypted tunnels is taken by"),
                    HasSubstr("--wireguard-port")));
}

TEST_F(WireguardLinkTest, SomebodyElsesLinkIsLeftAlone) {
  shell("ip link add nwone type bridge");
  EXPECT_THAT(error_of([&] { ours().make(link_of("nwone", "169.254.64.1", one)); }),
              HasSubstr("link nwone is of kind bridge and not netd's"));
  shell("ip link delete nwone");
}

TEST_F(WireguardLinkTest, NothingStays) {
  connect();
  ours().remove("nwone", inside);
  EXPECT_FALSE(ours().read("nwone"));
  EXPECT_THAT(shell("ip route show table all type blackhole"), IsEmpty());
  ours().remove("nwone", inside);
  EXPECT_THAT(error_of([&] { ours().put("nwone", two.open, {}); }), HasSubstr("No such device"));
}

}  // namespace
