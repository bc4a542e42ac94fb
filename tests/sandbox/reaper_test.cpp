#include "sandbox/reaper.h"

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "sandbox/links.h"
#include "sandbox/netns.h"
#include "tests/sandbox/kernel_fixture.h"

namespace {

using namespace sandbox;

class ReaperTest : public tests::KernelTest {};

CreateVeth numbered_veth(std::uint32_t number) {
  CreateVeth step = tests::veth_step();
  step.name = "nv" + std::to_string(number);
  step.index = 1000 + number;
  step.mac = ipam::Mac::local(number);
  step.peer_name = "eth" + std::to_string(number);
  step.peer_index = 2000 + number;
  step.peer_mac = ipam::Mac::local(5000 + number);
  return step;
}

/// Hears of every change of a link of this namespace, in order, from its construction on.
class LinkMonitor {
 public:
  LinkMonitor() : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {
    const int bytes = 32 << 20;  // nothing is read before the end
    EXPECT_EQ(::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes), 0);
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK;
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }

  /// The most links that were in `group` at the same time, by what has been heard until now.
  std::size_t most_in_group(std::uint32_t group) {
    std::set<int> members;
    std::size_t most = 0;
    alignas(nlmsghdr) std::array<char, 32768> datagram;
    ssize_t size = 0;
    while ((size = ::recv(socket_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT)) > 0) {
      auto* message = reinterpret_cast<nlmsghdr*>(datagram.data());
      for (int left = static_cast<int>(size); nlmsg_ok(message, left);
           message = nlmsg_next(message, &left)) {
        const int index = static_cast<const ifinfomsg*>(nlmsg_data(message))->ifi_index;
        const nlattr* attribute = nlmsg_find_attr(message, sizeof(ifinfomsg), IFLA_GROUP);
        const bool in_group = attribute && nla_get_u32(attribute) == group;
        if (message->nlmsg_type == RTM_DELLINK) members.erase(index);
        if (message->nlmsg_type == RTM_NEWLINK && in_group) members.insert(index);
        most = std::max(most, members.size());
      }
    }
    EXPECT_EQ(errno, EAGAIN) << "notifications were lost";
    return most;
  }

 private:
  Fd socket_;
};

TEST_F(ReaperTest, NeverDeletesMoreThan16LinksAtOnce) {
  // Up, because the kernel tells of a change of group only then (netdev_state_change).
  shell(R"(for i in $(seq 100); do
             echo link add d$i up group 0x6e657464 type veth peer name p$i
           done | ip -batch -)");
  LinkMonitor monitor;
  restart_kernel();  // it finds all 100 at once
  kernel().drain();
  EXPECT_EQ(monitor.most_in_group(reaping_group), 16u);
  EXPECT_EQ(host_links(), std::vector<std::string>{"lo"});
}

TEST_F(ReaperTest, DeletesBridgesOneByOne) {
  shell("for i in 1 2 3 4; do ip link add b$i up group 0x6e657464 type bridge; done");
  LinkMonitor monitor;
  restart_kernel();
  kernel().drain();
  EXPECT_EQ(monitor.most_in_group(reaping_group), 1u);
  EXPECT_EQ(host_links(), std::vector<std::string>{"lo"});
}

TEST_F(ReaperTest, TakesOverWhatAnEarlierNetdLeft) {
  shell("ip link add left1 group 0x6e657464 type bridge");
  shell("ip link add left2 group 0x6e657465 type bridge");
  shell("ip link add theirs type bridge");
  restart_kernel();
  kernel().drain();
  EXPECT_EQ(host_links(), (std::vector<std::string>{"lo", "theirs"}));
}

TEST_F(ReaperTest, ALinkThatWentWithItsNamespaceDoesNotCountForEver) {
  apply({tests::pin_step()});
  for (std::uint32_t i = 0; i < 20; ++i)
    apply({numbered_veth(i)});
  for (std::uint32_t i = 0; i < 20; ++i)
    kernel().revert(numbered_veth(i));
  revert({tests::pin_step()});
  kernel().drain();
  EXPECT_EQ(kernel().dying_links(), 0u);
}

TEST_F(ReaperTest, LeavesALinkAloneThatIsNotDying) {
  shell("ip link add theirs index 77 type bridge");
  Reaper reaper;
  reaper.notify(77);
  reaper.notify(78);
  reaper.drain();
  EXPECT_EQ(reaper.waiting(), 0u);
  EXPECT_EQ(host_links(), (std::vector<std::string>{"lo", "theirs"}));
}

TEST_F(ReaperTest, DeletesTheOthersWhenTheKernelRefusesOne) {
  // lo can't be deleted, and a group goes as a whole or not at all.
  shell("ip link add left1 group 0x6e657464 type bridge && ip link set lo group 0x6e657464");
  restart_kernel();
  kernel().drain();
  EXPECT_EQ(host_links(), std::vector<std::string>{"lo"});
}

TEST_F(ReaperTest, DrainingNothingReturnsAtOnce) {
  Reaper reaper;
  reaper.drain();
  EXPECT_EQ(reaper.waiting(), 0u);
}

TEST_F(ReaperTest, StopsWithWorkLeftAndTheNextOneFinishes) {
  apply({tests::pin_step()});
  for (std::uint32_t i = 0; i < 60; ++i)
    apply({numbered_veth(i)});
  for (std::uint32_t i = 0; i < 60; ++i)
    kernel().revert(numbered_veth(i));
  restart_kernel();
  kernel().drain();
  EXPECT_EQ(host_links(), std::vector<std::string>{"lo"});
}

TEST_F(ReaperTest, AFullBridgeWaitsForItsDyingPorts) {
  const auto join = [&](std::uint32_t number) {
    apply({numbered_veth(number), SetLink{.index = 1000 + number, .master = 100}});
  };
  apply({tests::bridge_step(), tests::pin_step()});
  std::uint32_t number = 0;
  for (; number < 1023; ++number)
    join(number);  // BR_MAX_PORTS - 1
  EXPECT_THROW(join(number), std::system_error);
  kernel().revert(numbered_veth(number));
  kernel().drain();
  kernel().revert(numbered_veth(0));
  EXPECT_NO_THROW(join(number + 1));
}

}  // namespace
