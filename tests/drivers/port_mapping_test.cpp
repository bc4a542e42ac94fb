#include "drivers/port_mapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drivers {
namespace {

using sandbox::Protocol;
using testing::ElementsAre;
using testing::HasSubstr;

ipam::Address address(const char* text) {
  return *ipam::Address::parse(text);
}

std::string error_of(const char* text) {
  try {
    parse_publish(text);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(ParsePublish, TakesDockersForms) {
  EXPECT_THAT(parse_publish("80"), ElementsAre(PortBinding{Protocol::tcp, 80, {}, 0, 0}));
  EXPECT_THAT(parse_publish("8080:80"),
              ElementsAre(PortBinding{Protocol::tcp, 80, {}, 8080, 8080}));
  EXPECT_THAT(parse_publish("53:53/udp"), ElementsAre(PortBinding{Protocol::udp, 53, {}, 53, 53}));
  EXPECT_THAT(parse_publish("127.0.0.1:8080:80/tcp"),
              ElementsAre(PortBinding{Protocol::tcp, 80, address("127.0.0.1"), 8080, 8080}));
  EXPECT_THAT(parse_publish("127.0.0.1::80"),
              ElementsAre(PortBinding{Protocol::tcp, 80, address("127.0.0.1"), 0, 0}));
  EXPECT_THAT(parse_publish("[::1]:8080:80"),
              ElementsAre(PortBinding{Protocol::tcp, 80, address("::1"), 8080, 8080}));
}

TEST(ParsePublish, PairsRangesOfEqualLength) {
  EXPECT_THAT(parse_publish("8000-8002:80-82/udp"),
              ElementsAre(PortBinding{Protocol::udp, 80, {}, 8000, 8000},
                          PortBinding{Protocol::udp, 81, {}, 8001, 8001},
                          PortBinding{Protocol::udp, 82, {}, 8002, 8002}));
}

TEST(ParsePublish, TakesTheFirstFreeOfAHostRangeForOnePort) {
  EXPECT_THAT(parse_publish("8000-8010:80"),
              ElementsAre(PortBinding{Protocol::tcp, 80, {}, 8000, 8010}));
}

TEST(ParsePublish, RefusesWithTheTextAndTheReason) {
  EXPECT_THAT(error_of("8080:"),
              HasSubstr("invalid publish '8080:': the container port is missing"));
  EXPECT_THAT(error_of("a:80"), HasSubstr("'a' is no port"));
  EXPECT_THAT(error_of("70000:80"), HasSubstr("'70000' is no port (0 to 65535)"));
  EXPECT_THAT(error_of("10-5:80"), HasSubstr("invalid port range: 10-5"));
  EXPECT_THAT(error_of("8000-8001:80-82"), HasSubstr("ranges differ in length"));
  EXPECT_THAT(error_of("80/icmp"), HasSubstr("unknown protocol 'icmp'"));
  EXPECT_THAT(error_of("1.2.3:80:80"), HasSubstr("'1.2.3' is no IP address"));
  EXPECT_THAT(error_of("[::1:80:80"), HasSubstr("']:' is missing"));
  EXPECT_THAT(error_of("8080:0"), HasSubstr("container port 0 does not exist"));
  EXPECT_THAT(error_of(""), HasSubstr("the container port is missing"));
}

Endpoint published(std::vector<Port> ports) {
  Endpoint endpoint;
  endpoint.ipv4 = ipam::Prefix::parse("10.5.0.2/24");
  endpoint.ports = std::move(ports);
  return endpoint;
}

std::vector<std::string> texts(const std::vector<sandbox::Element>& elements) {
  std::vector<std::string> lines;
  for (const sandbox::Element& element : elements)
    lines.push_back(element.set + " " + to_text(element));
  return lines;
}

TEST(PortElements, OneOfEachHostAddressAndOneHairpin) {
  const Endpoint endpoint = published({{Protocol::tcp, 80, address("0.0.0.0"), 8080},
                                       {Protocol::udp, 53, address("192.0.2.1"), 5353}});
  EXPECT_THAT(texts(port_elements(endpoint)),
              ElementsAre("pub4 tcp . 8080 : 10.5.0.2 . 80", "hair4 10.5.0.2 . 10.5.0.2",
                          "pub4a 192.0.2.1 . udp . 5353 : 10.5.0.2 . 53"));
}

TEST(PortElements, NoneForWhatTheRelayServes) {
  const Endpoint endpoint = published(
      {{Protocol::tcp, 80, address("127.0.0.1"), 8080}, {Protocol::tcp, 80, address("::"), 8080}});
  EXPECT_TRUE(port_elements(endpoint).empty());
}

TEST(OpenElements, NameTheContainersOwnPort) {
  const Endpoint endpoint = published({{Protocol::tcp, 80, address("0.0.0.0"), 0}});
  EXPECT_THAT(texts(open_elements(endpoint)), ElementsAre("open4 10.5.0.2 . tcp . 80"));
}

}  // namespace
}  // namespace drivers
