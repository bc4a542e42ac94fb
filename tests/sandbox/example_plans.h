// Hand-written plans of the usual shape: a network `shop`, the sandbox `web` on it, its endpoint.
#pragma once

#include "sandbox/plan.h"

namespace tests {

inline ipam::Prefix prefix(const char* text) {
  return ipam::Prefix::parse(text).value();
}
inline ipam::Address address(const char* text) {
  return ipam::Address::parse(text).value();
}
inline ipam::Mac mac(const char* text) {
  return ipam::Mac::parse(text).value();
}

inline constexpr const char* web_netns = "/run/netd/netns/web";

inline sandbox::Element published(std::uint16_t host_port, std::uint16_t container_port) {
  return {.set = "pub4",
          .key = {sandbox::Protocol::tcp, sandbox::PortNumber{host_port}},
          .value = {address("10.5.0.2"), sandbox::PortNumber{container_port}}};
}

inline sandbox::Plan bridge_plan() {
  using namespace sandbox;
  return {
      SetHostSysctl{.key = "net/ipv4/ip_forward", .value = "1"},
      CreateBridge{
          .name = "br-3f2a91c0d4e7", .index = 1000, .mac = mac("02:42:00:00:00:01"), .mtu = 1450},
      SetLink{.netns = "",
              .index = 1000,
              .alias = "netd:3f2a91c0d4e7",
              .master = {},
              .ipv6_link_local = false,
              .up = true},
      SetSysctl{.netns = "", .key = "net/ipv4/conf/br-3f2a91c0d4e7/arp_announce", .value = "2"},
      AddAddress{.netns = "", .index = 1000, .address = prefix("10.5.0.1/16")},
      AddElements{{{.set = "nets", .key = {LinkIndex{1000}}, .value = {}},
                   {.set = "samebr", .key = {LinkIndex{1000}, LinkIndex{1000}}, .value = {}}}},
  };
}

inline sandbox::Plan sandbox_plan() {
  using namespace sandbox;
  return {
      PinNamespace{.path = web_netns, .source = ""},
      SetLink{.netns = web_netns,
              .index = 1,
              .alias = {},
              .master = {},
              .ipv6_link_local = {},
              .up = true},
      SetSysctl{.netns = web_netns, .key = "net/ipv4/ip_unprivileged_port_start", .value = "0"},
      RedirectDns{.netns = web_netns, .port = 30053},
  };
}

inline sandbox::Plan endpoint_plan() {
  using namespace sandbox;
  return {
      CreateVeth{.name = "nv3f2a91",
                 .index = 1001,
                 .mac = mac("02:42:00:00:00:02"),
                 .netns = web_netns,
                 .peer_name = "eth0",
                 .peer_index = 1002,
                 .peer_mac = mac("02:42:0a:05:00:02"),
                 .mtu = 1450},
      SetLink{.netns = "",
              .index = 1001,
              .alias = "netd:77aa",
              .master = 1000,
              .ipv6_link_local = false,
              .up = true},
      SetBridgePort{.index = 1001, .isolated = true, .hairpin = false},
      SetSysctl{.netns = web_netns, .key = "net/ipv6/conf/eth0/accept_ra", .value = "0"},
      SetLink{.netns = web_netns,
              .index = 1002,
              .alias = {},
              .master = {},
              .ipv6_link_local = false,
              .up = true},
      AddAddress{.netns = web_netns, .index = 1002, .address = prefix("10.5.0.2/16")},
      AddRoute{.netns = web_netns,
               .destination = prefix("0.0.0.0/0"),
               .gateway = address("10.5.0.1"),
               .index = 1002,
               .metric = 0},
      AddElements{{published(8080, 80), published(8443, 443)}},
  };
}

inline sandbox::Plan joined(std::initializer_list<sandbox::Plan> plans) {
  sandbox::Plan all;
  for (const sandbox::Plan& plan : plans)
    all.insert(all.end(), plan.begin(), plan.end());
  return all;
}

}  // namespace tests
