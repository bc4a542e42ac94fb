// Encrypted networks: what passes the wire between the hosts, when all is well and when it is not.
#include <gmock/gmock.h>

#include <optional>

#include "tests/overlay/capture.h"
#include "tests/overlay/cluster.h"

namespace overlay {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string marker = "no-eavesdropper-may-read-this";

class Encrypted : public Cluster {
 protected:
  /// Host 1's wire is read from before the first netd starts.
  void SetUp() override {
    Cluster::SetUp();
    guard_.emplace(hosts());
    capture_.emplace("to1", marker);
  }
  void TearDown() override {
    Cluster::TearDown();
    guard_.reset();
  }

  void make_shop(const std::string& options = "") {
    on(1, "netctl network create -d overlay --opt encrypted " + options + " shop");
    EXPECT_TRUE(within(5, [] { return knows(2, "shop"); }));
  }
  static void join(int host, const std::string& name) {
    on(host, "netctl sandbox create --network shop " + name);
  }
  void make_web_and_db(const std::string& options = "") {
    make_shop(options);
    join(1, "web");
    join(2, "db");
  }
  static std::string link_on(int host) {
    const std::string name = on(host,
                                "ip -o link 2>/dev/null | grep 'alias netd:wireguard' | sed "
                                "'s/^[0-9]*: \\([^:@]*\\).*/\\1/'");
    return name.substr(0, name.find('\n'));
  }
  static nlohmann::json encryption_of(int host, int other) {
    const nlohmann::json cluster = api(host, "/cluster");
    for (const auto& one : cluster.at("Hosts"))
      if (one.at("Vtep").get<std::string>().ends_with("." + std::to_string(other)))
        return one.at("Encryption");
    return nullptr;
  }
  static bool reaches(int host, const std::string& from, const std::string& address) {
    return attempt_in(host, from, ping(address)).status == 0;
  }
  /// The marker, in a packet of its own, towards an address.
  static void shout(int host, const std::string& from, const std::string& address) {
    attempt_in(host, from, "bash -c 'echo " + marker + " >/dev/udp/" + address + "/9'");
  }

  /// Only what belongs there has passed, and the hosts' tunnels were used.
  void expect_nothing_readable(bool tunnels_used = true) {
    const Capture::Seen seen = capture_->stop();
    capture_.reset();
    EXPECT_EQ(seen.lost, 0u);
    EXPECT_EQ(seen.with_secret, 0u);
    for (const auto& [kind, number] : seen.kinds)
      EXPECT_THAT(kind, AnyOf("arp", "igmp", "icmp6", "tcp 2379", "udp 51871", "icmp"))
          << number << " frames";
    EXPECT_EQ(seen.kinds.contains("udp 51871"), tunnels_used);
  }

  std::optional<Capture> capture_;

 private:
  /// wireguard-go outlives netd, and keeps its namespace: it goes with its link, whatever becomes
  /// of the test.
  class Guard {
   public:
    explicit Guard(int hosts) : hosts_(hosts) {}
    ~Guard() {
      for (int host = 1; host <= hosts_; ++host)
        if (const std::string link = link_on(host); !link.empty())
          on(host, "ip link delete " + link);
    }

   private:
    int hosts_;
  };
  std::optional<Guard> guard_;
};

TEST_F(Encrypted, NothingIsReadableOnTheWire) {
  make_web_and_db("--ipv6");
  EXPECT_TRUE(within(10, [] { return reaches(1, "web", address_of(2, "db")); }));
  const e2e::WebServer page(netns_of(2, "db"), 80, marker);
  EXPECT_TRUE(within(5, [] { return attempt_in(1, "web", "getent hosts db").status == 0; }));
  EXPECT_EQ(in(1, "web", e2e::fetch("http://db/")), marker);
  const std::string six = api(2, "/sandboxes/db").at("Networks").at("shop").at("GlobalIPv6Address");
  EXPECT_EQ(in(1, "web", e2e::fetch("http://[" + six + "]/")), marker);
  EXPECT_THAT(in(1, "web", "ip link show eth0"), HasSubstr("mtu 1390"));
  EXPECT_THAT(on(1, "netctl overlay trace web db"),
              AllOf(HasSubstr("encryption: its host proved its key"), HasSubstr("web reaches db")));
  EXPECT_THAT(on(1, "netctl cluster status"), HasSubstr("yes, "));
  expect_nothing_readable();
}

TEST_F(Encrypted, TheFirstPacketsDontWaitForAHandshake) {
  make_web_and_db();
  const std::string db = address_of(2, "db");
  // A hello that is lost is said again after 5 s (REKEY_TIMEOUT).
  EXPECT_TRUE(within(4, [&] { return reaches(1, "web", db); }));
}

TEST_F(Encrypted, LinksAreThereOnlyWhileTheyAreUsed) {
  make_web_and_db();
  EXPECT_THAT(link_on(1), Not(IsEmpty()));
  on(1, "netctl sandbox rm web");
  EXPECT_THAT(link_on(1), IsEmpty());
  EXPECT_THAT(on(1, "ip route show type blackhole"), IsEmpty());
  EXPECT_THAT(on(1, "nft list set inet netd enc_ports"), Not(HasSubstr("4790")));
  on(2, "netctl system purge --force");
  EXPECT_THAT(link_on(2), IsEmpty());
  join(1, "web");
  join(2, "db");
  EXPECT_TRUE(within(10, [] { return reaches(1, "web", address_of(2, "db")); }));
}

TEST_F(Encrypted, ANetdThatIsKilledLosesNothing) {
  make_web_and_db();
  EXPECT_TRUE(within(10, [] { return reaches(1, "web", address_of(2, "db")); }));
  Pings pings(netns_of(1, "web"), address_of(2, "db"), "/run/pings");
  crash_netd(1);
  shout(1, "web", "192.0.2.9");  // netctl exec needs netd: only the time passes
  start_netd(1);
  EXPECT_TRUE(within(20, [] { return sees(1, 2, "live"); }));
  on(1, "netctl cluster status");
  EXPECT_EQ(pings.lost(), 0);
  expect_nothing_readable();
}

TEST_F(Encrypted, ADeletedLinkSilencesAndIsMadeAgain) {
  make_web_and_db();
  const std::string db = address_of(2, "db");
  EXPECT_TRUE(within(10, [&] { return reaches(1, "web", db); }));
  on(1, "ip route add 169.254.0.0/16 via 192.0.2.2");  // whom it would reach in clear text
  on(1, "ip link delete " + link_on(1));
  shout(1, "web", db);
  EXPECT_TRUE(within(10, [&] { return reaches(1, "web", db); }));
  expect_nothing_readable();
}

TEST_F(Encrypted, AProgramThatDiedIsStartedAgain) {
  make_web_and_db();
  const std::string db = address_of(2, "db");
  EXPECT_TRUE(within(10, [&] { return reaches(1, "web", db); }));
  // Where the kernel encrypts there is no program, and the link alone goes.
  on(1, "kill -KILL $(pgrep -x -f 'wireguard-go " + link_on(1) +
            "') 2>/dev/null || "
            "ip link delete " +
            link_on(1));
  EXPECT_TRUE(within(10, [&] { return reaches(1, "web", db); }));
  expect_nothing_readable();
}

TEST_F(Encrypted, WithNeitherNetdNorLinkItIsSilent) {
  make_web_and_db();
  const std::string db = address_of(2, "db"), web = netns_of(1, "web");
  EXPECT_TRUE(within(10, [&] { return reaches(1, "web", db); }));
  crash_netd(1);
  const auto cry = [&] {
    on(1, "nsenter --net=" + web + " bash -c 'echo " + marker + " >/dev/udp/" + db +
              "/9; ! busybox ping -q -c 2 -W 1 " + db + "'");
  };
  const std::string inside = on(1, "ip -4 -o address show dev " + link_on(1) +
                                       " | sed 's/.*inet \\([0-9.]*\\).*/\\1/' | tr -d '\\n'");
  on(1, "ip link delete " + link_on(1));
  cry();
  // Somebody takes the black hole away, and offers another way: the firewall is left.
  on(1,
     "ip route delete blackhole 169.254.64.0/18; ip route add 169.254.64.0/18 via 192.0.2.2; "
     "ip address add " +
         inside + "/32 dev lo");
  cry();
  EXPECT_THAT(on(1, "nft list chain inet netd output"),
              AllOf(HasSubstr("nor does it leave so"), Not(HasSubstr("packets 0 "))));
  on(1, "ip address delete " + inside + "/32 dev lo");
  on(1, "ip route delete 169.254.64.0/18 via 192.0.2.2");
  start_netd(1);
  EXPECT_TRUE(within(20, [&] { return sees(1, 2, "live"); }));
  EXPECT_TRUE(within(10, [&] { return reaches(1, "web", db); }));
  expect_nothing_readable();
}

TEST_F(Encrypted, AKeyIsChangedWithoutAClearWord) {
  make_web_and_db();
  EXPECT_TRUE(within(10, [] { return reaches(1, "web", address_of(2, "db")); }));
  const auto before = encryption_of(2, 1).at("Key");
  Pings pings(netns_of(1, "web"), address_of(2, "db"), "/run/pings");
  on(1, "netctl cluster rotate-key");
  EXPECT_TRUE(within(10, [&] { return encryption_of(2, 1).at("Key") != before; }));
  EXPECT_TRUE(within(5, [] { return reaches(1, "web", address_of(2, "db")); }));
  EXPECT_LE(pings.lost(), 10);  // of 20 a second
  EXPECT_EQ(encryption_of(2, 1).at("NextKey"), "");
  EXPECT_TRUE(reaches(2, "db", address_of(1, "web")));
  expect_nothing_readable();
}

TEST_F(Encrypted, AKeyChangesWhenAllHostsKnowIt) {
  make_web_and_db();
  EXPECT_TRUE(within(10, [] { return reaches(1, "web", address_of(2, "db")); }));
  const auto before = encryption_of(1, 1).at("Key");
  cut_store(2);
  on(1, "netctl cluster rotate-key");
  EXPECT_THAT(attempt_on(1, "netctl cluster rotate-key").output,
              HasSubstr("is being changed already"));
  EXPECT_THAT(on(1, "netctl cluster status"), HasSubstr("key changes"));
  EXPECT_TRUE(reaches(1, "web", address_of(2, "db")));
  crash_netd(1);  // the change is gone on with
  start_netd(1);
  EXPECT_TRUE(within(20, [] { return sees(1, 1, "live"); }));
  EXPECT_EQ(encryption_of(1, 1).at("Key"), before);
  mend_store(2);
  EXPECT_TRUE(within(30, [&] { return encryption_of(1, 1).at("Key") != before; }));
  EXPECT_TRUE(within(10, [] { return reaches(1, "web", address_of(2, "db")); }));
  expect_nothing_readable();
}

/// Host 2 hears that the new key is to come, and not that it is used.
TEST_F(Encrypted, ANewKeyIsBelievedByWhoDoesNotReachTheStore) {
  make_web_and_db();
  EXPECT_TRUE(within(10, [] { return reaches(1, "web", address_of(2, "db")); }));
  on(1, "netctl cluster rotate-key");
  netd(1).pause();
  EXPECT_TRUE(within(10, [] {
    return etcdctl("get --prefix /netd/v1/host/").find("\"expects\"") != std::string::npos;
  }));
  cut_store(2);
  netd(1).go_on();
  EXPECT_TRUE(within(30, [] { return encryption_of(1, 1).at("NextKey") == ""; }));
  EXPECT_NE(encryption_of(2, 1).at("NextKey"), "");
  EXPECT_TRUE(within(10, [] { return reaches(1, "web", address_of(2, "db")); }));
  mend_store(2);
  EXPECT_TRUE(within(30, [] { return encryption_of(2, 1).at("NextKey") == ""; }));
  EXPECT_TRUE(reaches(1, "web", address_of(2, "db")));
  expect_nothing_readable();
}

/// A host that speaks in clear text of an encrypted network is not heard, though it is one of the
/// cluster's.
TEST_F(Encrypted, ClearTextIsNotTaken) {
  make_shop("--subnet 10.80.0.0/24");
  join(1, "web");
  on(1, "netctl network create -d overlay --subnet 10.81.0.0/24 plain");
  on(1, "netctl sandbox create --network plain other");
  const auto forge = [](const std::string& network, const std::string& sandbox,
                        const std::string& port) {
    const auto options = api(1, "/networks/" + network).at("Options");
    const std::string vni = options.at("com.docker.network.driver.overlay.vxlanid_list");
    const auto endpoint = api(1, "/sandboxes/" + sandbox).at("Networks").at(network);
    const std::string address = endpoint.at("IPAddress"), mac = endpoint.at("MacAddress");
    const auto echoes = [&] {
      return in(1, sandbox, "grep ^Icmp: /proc/net/snmp | tail -n 1 | cut -d ' ' -f 10");
    };
    const std::string before = echoes();
    on(2, "ip link add forged type vxlan id " + vni + " dstport " + port +
              " local 192.0.2.2 remote 192.0.2.1 nolearning; ip link set forged up;"
              "ip address add 10.64.0.99/10 dev forged; ip neighbour add " +
              address + " lladdr " + mac + " dev forged; busybox ping -q -c 2 -W 1 -I forged " +
              address + " || true; ip link delete forged");
    return echoes() != before;
  };
  EXPECT_TRUE(forge("plain", "other", "4789"));  // that is what a host may do
  EXPECT_FALSE(forge("shop", "web", "4789"));
  EXPECT_FALSE(forge("shop", "web", "4790"));
}

class EncryptedOnIpv6 : public Encrypted {
 protected:
  std::vector<std::string> flags(int host) const override {
    return {"--vtep", "2001:db8::" + std::to_string(host)};
  }
};

TEST_F(EncryptedOnIpv6, RunsOverIpv6) {
  make_web_and_db();
  EXPECT_TRUE(within(10, [] { return reaches(1, "web", address_of(2, "db")); }));
  EXPECT_THAT(in(1, "web", "ip link show eth0"), HasSubstr("mtu 1370"));
  expect_nothing_readable();
}

/// Neither a kernel's WireGuard nor a program of it.
class WithoutWireguard : public Encrypted {
 protected:
  void prepare_store() override { shell("mount --bind /dev/null $(command -v wireguard-go)"); }
};

TEST_F(WithoutWireguard, AnEncryptedNetworkIsRefusedAndNothingIsSent) {
  const auto made = attempt_on(1, "netctl network create -d overlay --opt encrypted shop");
  if (on(1, "ip link add probe type wireguard 2>/dev/null && echo yes || true") == "yes\n") {
    EXPECT_EQ(made.status, 0) << "this kernel needs no program";
    return;
  }
  EXPECT_EQ(made.status, 1);
  EXPECT_THAT(made.output, HasSubstr("install the package wireguard-go"));
  EXPECT_FALSE(knows(1, "shop"));
  expect_nothing_readable(false);
}

}  // namespace
}  // namespace overlay
