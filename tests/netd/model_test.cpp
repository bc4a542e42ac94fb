// What records keep of a network.
#include "netd/model.h"

#include <gtest/gtest.h>

namespace netd {
namespace {

TEST(NetworkRecordText, KeepsTheTunnelOfAnOverlayNetwork) {
  NetworkRecord record;
  record.network.driver = "overlay";
  record.network.tunnel = drivers::Tunnel{.link = "nx001000",
                                          .index = 7,
                                          .mac = *ipam::Mac::parse("02:00:00:00:00:01"),
                                          .vni = 4096,
                                          .port = 4789,
                                          .local = *ipam::Address::parse("2001:db8::1"),
                                          .mtu = 1430};
  NetworkRecord read;
  from_text(to_text(record), read);
  EXPECT_EQ(read.network.tunnel, record.network.tunnel);
}

TEST(NetworkRecordText, OfAnEarlierNetdHasNoTunnel) {
  NetworkRecord record;
  std::string text = to_text(record);
  const std::string tunnel = R"("tunnel":null,)";
  ASSERT_NE(text.find(tunnel), std::string::npos);
  text.erase(text.find(tunnel), tunnel.size());
  NetworkRecord read;
  read.network.tunnel.emplace();
  from_text(text, read);
  EXPECT_FALSE(read.network.tunnel);
}

}  // namespace
}  // namespace netd
