#include "tests/support/needs.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace tests {
namespace {

bool works(const std::string& commands) {
  return system(("unshare --net sh -ec '" + commands + "' >/dev/null 2>&1").c_str()) == 0;
}

bool has_sctp() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

void skip(Feature feature) {
  GTEST_SKIP() << "this kernel has no " << name(feature)
               << ": runs on the second one (tests/kernel/run-in-6.1)";
}

void fail(Feature feature, const char* kernel) {
  FAIL() << "the second kernel (" << kernel << ") has no " << name(feature)
         << ": no kernel runs this test";
}

}  // namespace

std::string_view name(Feature feature) {
  switch (feature) {
    case Feature::bridge_vlans:
      return "vlan_filtering of bridges";
    case Feature::dummy:
      return "dummy";
    case Feature::ipvlan:
      return "ipvlan";
    case Feature::sctp:
      return "SCTP";
    case Feature::vlan:
      return "802.1Q";
    case Feature::vrf:
      return "vrf";
  }
  return "";
}

bool has(Feature feature) {
  const std::string veth = "ip link add probe0 type veth; ";
  switch (feature) {
    case Feature::bridge_vlans:
      return works("ip link add probe0 type bridge vlan_filtering 1");
    case Feature::dummy:
      return works("ip link add probe0 type dummy");
    case Feature::ipvlan:
      return works(veth + "ip link add probe1 link probe0 type ipvlan mode l2");
    case Feature::sctp:
      return has_sctp();
    case Feature::vlan:
      return works(veth + "ip link add probe1 link probe0 type vlan id 42");
    case Feature::vrf:
      return works("ip link add probe0 type vrf table 42");
  }
  return false;
}

bool lacks(Feature feature) {
  if (has(feature)) return false;
  const char* second = getenv("NETD_TEST_KERNEL");
  if (second)
    fail(feature, second);
  else
    skip(feature);
  return true;
}

}  // namespace tests
