#include "sandbox/sysctl.h"

#include <stdexcept>
#include <system_error>

#include "tests/support/namespace_test.h"

namespace {

using namespace sandbox;

class Sysctl : public tests::NamespaceTest {};

TEST_F(Sysctl, ReadsBackWhatItWrote) {
  write_sysctl("net/ipv4/conf/lo/arp_notify", "1");
  EXPECT_EQ(read_sysctl("net/ipv4/conf/lo/arp_notify"), "1");
}

TEST_F(Sysctl, TakesBlanksAndTabsForTheSame) {
  write_sysctl("net/ipv4/ip_local_port_range", "20000 30000");
  EXPECT_EQ(read_sysctl("net/ipv4/ip_local_port_range"), "20000\t30000");
  shell("mount -o bind,ro /proc/sys /proc/sys");
  EXPECT_NO_THROW(write_sysctl("net/ipv4/ip_local_port_range", "20000 30000"));
}

TEST_F(Sysctl, AReadOnlyProcThatIsRightAlreadyIsNoFailure) {
  write_sysctl("net/ipv4/ip_forward", "1");
  shell("mount -o bind,ro /proc/sys /proc/sys");
  EXPECT_NO_THROW(write_sysctl("net/ipv4/ip_forward", "1"));
  try {
    write_sysctl("net/ipv4/ip_forward", "0");
    FAIL() << "wrote to a read-only file system";
  } catch (const std::system_error& error) {
    EXPECT_STREQ(error.what(), "set sysctl net/ipv4/ip_forward to 0: Read-only file system");
  }
}

TEST_F(Sysctl, SaysWhichKeyIsMissing) {
  EXPECT_EQ(read_sysctl("net/ipv4/conf/eth9/arp_notify"), std::nullopt);
  try {
    write_sysctl("net/ipv4/conf/eth9/arp_notify", "1");
    FAIL() << "wrote to a link that is not there";
  } catch (const std::system_error& error) {
    EXPECT_STREQ(error.what(),
                 "set sysctl net/ipv4/conf/eth9/arp_notify to 1: No such file or directory");
  }
}

TEST_F(Sysctl, SaysWhichValueIsRefused) {
  try {
    write_sysctl("net/ipv4/ip_forward", "maybe");
    FAIL() << "wrote nonsense";
  } catch (const std::system_error& error) {
    EXPECT_STREQ(error.what(), "set sysctl net/ipv4/ip_forward to maybe: Invalid argument");
  }
}

TEST_F(Sysctl, StaysBelowProcSys) {
  for (const char* key :
       {"", "/etc/passwd", "../etc/passwd", "net/../../x", "net//x", "net/./x", "net/", ".."}) {
    EXPECT_THROW(read_sysctl(key), std::invalid_argument) << key;
    EXPECT_THROW(write_sysctl(key, "1"), std::invalid_argument) << key;
  }
}

}  // namespace
