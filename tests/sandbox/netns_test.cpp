#include "sandbox/netns.h"

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "tests/support/namespace_test.h"

namespace {

using namespace sandbox;

class Netns : public tests::NamespaceTest {};

ino_t inode(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

ino_t own_inode() {
  return inode(open_netns("/proc/thread-self/ns/net").get());
}

TEST_F(Netns, PinningLeavesTheCallerWhereItIs) {
  const ino_t before = own_inode();
  pin_new("/run/a");
  EXPECT_EQ(own_inode(), before);
  EXPECT_NE(inode(open_netns("/run/a").get()), before);
}

TEST_F(Netns, APathIsPinnedOnce) {
  pin_new("/run/a");
  try {
    pin_new("/run/a");
    FAIL() << "pinned twice";
  } catch (const std::system_error& error) {
    EXPECT_STREQ(error.what(), "create /run/a: File exists");
  }
}

TEST_F(Netns, PinsAnExistingNamespaceASecondTime) {
  pin_new("/run/a");
  pin_existing("/run/a", "/run/b");
  EXPECT_EQ(inode(open_netns("/run/a").get()), inode(open_netns("/run/b").get()));
  unpin("/run/a");
  EXPECT_TRUE(is_pinned("/run/b"));
}

TEST_F(Netns, RefusesToPinWhatIsNoNetworkNamespace) {
  EXPECT_THROW(pin_existing("/proc/self/ns/mnt", "/run/a"), std::system_error);
  EXPECT_THROW(pin_existing("/etc/hostname", "/run/a"), std::system_error);
  EXPECT_THROW(pin_existing("/run/gone", "/run/a"), std::system_error);
  EXPECT_FALSE(std::filesystem::exists("/run/a"));
}

TEST_F(Netns, UnpinsWhatIsGoneAlready) {
  EXPECT_NO_THROW(unpin("/run/a"));
  pin_new("/run/a");
  unpin("/run/a");
  EXPECT_NO_THROW(unpin("/run/a"));
}

TEST_F(Netns, UnpinsAFileThatNeverBecameAPin) {
  shell("touch /run/a");
  EXPECT_FALSE(is_pinned("/run/a"));
  unpin("/run/a");
  EXPECT_FALSE(std::filesystem::exists("/run/a"));
}

TEST_F(Netns, UnpinsANamespaceInUse) {
  pin_new("/run/a");
  const Fd open = open_netns("/run/a");
  unpin("/run/a");
  EXPECT_FALSE(std::filesystem::exists("/run/a"));
}

TEST_F(Netns, FindsNoNamespaceInAPlainFileOrAnotherKind) {
  shell("touch /run/file && touch /run/uts && unshare --uts=/run/uts true");
  EXPECT_FALSE(is_pinned("/run/file"));
  EXPECT_FALSE(is_pinned("/run/uts"));
  EXPECT_FALSE(is_pinned("/run"));
}

TEST_F(Netns, RunsInsideAndReturnsAValue) {
  pin_new("/run/a");
  const Fd fd = open_netns("/run/a");
  EXPECT_EQ(in_netns(fd.get(), own_inode), inode(fd.get()));
  EXPECT_NE(own_inode(), inode(fd.get()));
}

TEST_F(Netns, ReturnsAMoveOnlyValue) {
  pin_new("/run/a");
  const Fd socket = in_netns(open_netns("/run/a").get(),
                             [] { return Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); });
  EXPECT_TRUE(socket);
}

TEST_F(Netns, RethrowsWhatIsThrownInside) {
  pin_new("/run/a");
  EXPECT_THROW(in_netns(open_netns("/run/a").get(), [] { throw std::out_of_range("inside"); }),
               std::out_of_range);
}

TEST_F(Netns, ADescriptorOfSomethingElseCannotBeEntered) {
  EXPECT_THROW(in_netns(STDIN_FILENO, [] {}), std::system_error);
}

TEST_F(Netns, EachNamespaceHasItsCookie) {
  pin_new("/run/a");
  const std::uint64_t inside = in_netns(open_netns("/run/a").get(), netns_cookie);
  EXPECT_EQ(netns_cookie(), netns_cookie());
  EXPECT_NE(netns_cookie(), inside);
}

TEST_F(Netns, TheBootIdIsAUuid) {
  EXPECT_THAT(boot_id(), ::testing::MatchesRegex("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"));
  EXPECT_EQ(boot_id(), boot_id());
}

TEST_F(Netns, MakingAMountSharedTwiceMakesOneMount) {
  make_shared_mount("/run/netns");
  make_shared_mount("/run/netns");
  EXPECT_EQ(shell("grep -c ' /run/netns ' /proc/self/mountinfo"), "1\n");
  EXPECT_EQ(shell("findmnt -n -o PROPAGATION /run/netns"), "shared\n");
}

TEST_F(Netns, APinInASharedMountAppearsInOtherMountNamespaces) {
  make_shared_mount("/run/netns");
  std::promise<void> apart;
  std::promise<void> pinned;
  auto seen = std::async(std::launch::async, [&] {
    // A runtime: its own mount namespace, made before the pin.
    EXPECT_EQ(::unshare(CLONE_FS | CLONE_NEWNS), 0);
    EXPECT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr), 0);
    apart.set_value();
    pinned.get_future().wait();
    return is_pinned("/run/netns/a");
  });
  apart.get_future().wait();
  pin_new("/run/netns/a");
  pinned.set_value();
  EXPECT_TRUE(seen.get());
}

}  // namespace
