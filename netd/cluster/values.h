// What stands below the keys (keys.h): JSON objects with "v":1. What a newer netd wrote besides is
// kept when an object is written again (Network::rest).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/driver.h"
#include "ipam/address.h"

namespace netd::cluster {

inline constexpr int value_version = 1;

struct Meta {
  std::string cluster;  // 32 hex digits, made up by the first host
  std::uint16_t vxlan_port = 4789;
  ipam::Family underlay = ipam::Family::v4;
};

/// A network as all hosts have it; what a host makes of it (links, plans) is its own.
struct Network {
  std::string id;
  std::string name;
  std::uint32_t vni = 0;
  std::uint32_t mtu = 0;  // of the containers' links
  bool ipv4 = true;
  bool ipv6 = false;
  bool internal = false;
  bool attachable = false;
  std::vector<drivers::Pool> pools;
  drivers::Options options;
  std::map<std::string, std::string> labels;
  std::int64_t created_nano = 0;
  std::string token;  // of the request that made it
  std::string rest;   // JSON: what this netd does not know
};

/// Who has an address or a MAC address. A network's own (the gateway's, auxiliary ones) have no
/// endpoint.
struct Holder {
  std::string host;
  std::string endpoint;
  std::string token;  // of the request that took it
  friend bool operator==(const Holder&, const Holder&) = default;
};

struct Endpoint {
  std::string id;
  std::string network;
  std::string host;
  ipam::Mac mac;
  std::optional<ipam::Prefix> ipv4;
  std::optional<ipam::Prefix> ipv6;
  std::vector<std::string> names;  // in DNS; the first is its user's
  std::string token;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// What others need for encrypted tunnels to a host. Keys are public ones, 64 hex digits.
struct HostEncryption {
  std::string key;
  std::string next;  // the one to come; empty: none
  ipam::Address inside;
  std::uint16_t port = 0;
  friend bool operator==(const HostEncryption&, const HostEncryption&) = default;
};

struct HostInfo {
  std::string id;
  std::string name;  // its hostname
  ipam::Address vtep;
  std::uint32_t mtu = 0;  // of the link that the VTEP is on
  std::string boot;
  std::string version;  // netd's
  std::optional<HostEncryption> encryption;
  std::map<std::string, std::string> expects;  // host -> its next key, which this host knows of
  friend bool operator==(const HostInfo&, const HostInfo&) = default;
};

struct HostLive {
  std::string nonce;  // of this run of its netd
  std::string boot;
};

/// A value that this netd can't read: malformed, or of a version that it does not know.
struct BadValue : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::string to_text(const Meta& value);
std::string to_text(const Network& value);
std::string to_text(const Holder& value);
std::string to_text(const Endpoint& value);
std::string to_text(const HostInfo& value);
std::string to_text(const HostLive& value);

/// Throw BadValue, which names what is wrong.
void from_text(std::string_view text, Meta& value);
void from_text(std::string_view text, Network& value);
void from_text(std::string_view text, Holder& value);
void from_text(std::string_view text, Endpoint& value);
void from_text(std::string_view text, HostInfo& value);
void from_text(std::string_view text, HostLive& value);

/// The token in a value of any kind; empty when there is none to be read.
std::string token_of(std::string_view text);

template <class T>
T parse_value(std::string_view text) {
  T value;
  from_text(text, value);
  return value;
}

}  // namespace netd::cluster
