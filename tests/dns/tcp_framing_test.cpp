#include <gtest/gtest.h>

#include "dns/tcp_connection.h"
#include "tests/dns/packets.h"

namespace dns {
namespace {

using tests::bytes;

std::string next(TcpFraming& framing) {
  const auto message = framing.next();
  return message ? "[" + tests::hex(*message) + "]" : "none";
}

TEST(TcpFraming, WaitsForAWholeMessage) {
  TcpFraming framing;
  framing.append(bytes("00"));
  EXPECT_EQ(next(framing), "none");
  framing.append(bytes("03 01 02"));
  EXPECT_EQ(next(framing), "none");
  framing.append(bytes("03"));
  EXPECT_EQ(next(framing), "[0102 03]");
  EXPECT_EQ(framing.pending(), 0u);
}

TEST(TcpFraming, CutsPipelinedMessagesApart) {
  TcpFraming framing;
  framing.append(bytes("0001 aa 0000 0002 bbbb 00"));
  EXPECT_EQ(next(framing), "[aa]");
  EXPECT_EQ(next(framing), "[]");
  EXPECT_EQ(next(framing), "[bbbb]");
  EXPECT_EQ(next(framing), "none");
  EXPECT_EQ(framing.pending(), 1u);
}

}  // namespace
}  // namespace dns
