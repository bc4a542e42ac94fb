#include "netd/ctl/topology.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace netd::ctl {
namespace {

using nlohmann::json;

const json shop = json::parse(R"({
  "Name": "shop", "Driver": "bridge", "Link": "br-3f2a91c0d4e7", "Internal": false,
  "Masquerade": true, "ICC": true, "Subnets": [{"Subnet": "10.5.0.0/24", "Gateway": "10.5.0.1"}],
  "Sandboxes": [
    {"Name": "web", "Interface": "eth0", "IPv4Address": "10.5.0.2/24", "IPv6Address": "",
     "MacAddress": "02:42:9c:01:02:03",
     "Ports": [{"IP": "0.0.0.0", "PublicPort": 8080, "PrivatePort": 80, "Type": "tcp"},
               {"IP": "::", "PublicPort": 8080, "PrivatePort": 80, "Type": "tcp"}]},
    {"Name": "client", "Interface": "eth0", "IPv4Address": "10.5.0.3/24", "IPv6Address": "",
     "MacAddress": "02:42:1f:01:02:03", "Ports": []}]})");
const json none = json::parse(
    R"({"Name": "none", "Driver": "null", "Link": "", "Subnets": [], "Sandboxes": [],
        "Masquerade": false, "ICC": false, "Internal": false})");

json topology(std::vector<json> networks) {
  return {{"Networks", std::move(networks)}};
}

TEST(Topology, IsATreeWithAlignedColumns) {
  EXPECT_EQ(
      render_topology(topology({shop, none}), false),
      "host\n"
      "├─ bridge shop  br-3f2a91c0d4e7  10.5.0.1/24  masquerade\n"
      "│  ├─ web     eth0  10.5.0.2  02:42:9c:01:02:03  0.0.0.0:8080→80/tcp [::]:8080→80/tcp\n"
      "│  └─ client  eth0  10.5.0.3  02:42:1f:01:02:03\n"
      "└─ null none\n");
}

TEST(Topology, TheLastNetworkHasNoLineBesideItsSandboxes) {
  EXPECT_EQ(
      render_topology(topology({none, shop}), false),
      "host\n"
      "├─ null none\n"
      "└─ bridge shop  br-3f2a91c0d4e7  10.5.0.1/24  masquerade\n"
      "   ├─ web     eth0  10.5.0.2  02:42:9c:01:02:03  0.0.0.0:8080→80/tcp [::]:8080→80/tcp\n"
      "   └─ client  eth0  10.5.0.3  02:42:1f:01:02:03\n");
}

TEST(Topology, ShowsBothFamiliesAndWhatIsForbidden) {
  const json vault = json::parse(
      R"({"Name": "vault", "Driver": "bridge", "Link": "br-1", "Internal": true, "ICC": false,
          "Masquerade": false,
          "Subnets": [{"Subnet": "10.6.0.0/24", "Gateway": ""},
                      {"Subnet": "fd00:6::/64", "Gateway": "fd00:6::1"}],
          "Sandboxes": [{"Name": "a", "Interface": "eth1", "IPv4Address": "10.6.0.2/24",
                         "IPv6Address": "fd00:6::2/64", "MacAddress": "02:00:00:00:00:01"},
                        {"Name": "b", "Interface": "eth0", "IPv4Address": "",
                         "IPv6Address": "fd00:6::3/64", "MacAddress": "02:00:00:00:00:02"}]})");
  EXPECT_EQ(render_topology(topology({vault}), false),
            "host\n"
            "└─ bridge vault  br-1  10.6.0.0/24  fd00:6::1/64  internal  sandboxes isolated\n"
            "   ├─ a  eth1  10.6.0.2  fd00:6::2  02:00:00:00:00:01\n"
            "   └─ b  eth0            fd00:6::3  02:00:00:00:00:02\n");
}

TEST(Topology, IsOneLineWithoutNetworks) {
  EXPECT_EQ(render_topology(topology({}), false), "host\n");
  EXPECT_EQ(render_topology(json(), false), "host\n");
}

TEST(Topology, ColoursDoNotDisturbTheColumns) {
  const json lan = json::parse(
      R"({"Name": "lan", "Driver": "bridge", "Link": "br-1", "Subnets": [],
          "Sandboxes": [{"Name": "a", "Interface": "eth0", "IPv4Address": "10.0.0.2/8"},
                        {"Name": "abc", "Interface": "eth0", "IPv4Address": "10.0.0.3/8"}]})");
  EXPECT_EQ(render_topology(topology({lan}), true),
            "host\n"
            "└─ bridge \033[1mlan\033[0m  br-1\n"
            "   ├─ \033[1ma\033[0m    eth0  \033[36m10.0.0.2\033[0m\n"
            "   └─ \033[1mabc\033[0m  eth0  \033[36m10.0.0.3\033[0m\n");
}

}  // namespace
}  // namespace netd::ctl
