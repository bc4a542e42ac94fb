// Does somebody on a LAN use an address already? RFC 5227 2.1, as a pure state machine: frames and
// times in and out. For addresses of DHCP servers and for static ones; client.h runs it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "ipam/address.h"
#include "netd/dhcp/bytes.h"
#include "netd/dhcp/lease.h"

namespace netd::dhcp {

/// The fields of an ARP packet for IPv4 over Ethernet (RFC 826).
struct Arp {
  enum class Operation : std::uint16_t { request = 1, reply = 2 };

  Operation operation = Operation::request;
  ipam::Mac sender_mac;
  ipam::Address sender;
  ipam::Mac target_mac{};
  ipam::Address target;

  friend bool operator==(const Arp&, const Arp&) = default;
};

/// Nothing when the frame holds no such packet.
std::optional<Arp> parse_arp(View frame);
/// The whole frame, to everybody or, for a reply, to its target.
Bytes encode_arp(const Arp& arp);

struct ProbeTiming {
  using milliseconds = std::chrono::milliseconds;

  // The names and values of RFC 5227 1.1: four to seven seconds in all.
  milliseconds probe_wait{1'000};  // at random up to this before the first probe
  int probes = 3;
  milliseconds probe_min{1'000};  // between two probes
  milliseconds probe_max{2'000};
  milliseconds announce_wait{2'000};  // after the last one

  /// For a LAN whose hosts answer at once, where a container shall not wait for seconds: two probes
  /// within 0.3 s.
  static ProbeTiming quick() {
    return {milliseconds(0), 2, milliseconds(100), milliseconds(100), milliseconds(200)};
  }
};

/// What client.h is asked to find out.
struct ProbeTask {
  std::string interface;
  ipam::Address address;
  ipam::Mac mac;  // that will use it
  ProbeTiming timing{};
};

/// Free, taken by a MAC, or it couldn't be done.
struct ProbeOutcome {
  std::optional<ipam::Mac> taken_by{};
  std::string error{};
  bool is_free() const { return !taken_by && error.empty(); }
};

class ArpProbe {
 public:
  /// `mac` will use `address`, and is the probes' sender: what it sends itself is no conflict.
  ArpProbe(const ipam::Address& address, const ipam::Mac& mac, const ProbeTiming& timing,
           std::function<std::uint32_t()> random);

  /// Once, at the beginning.
  void start(Time now);
  /// When to call `expire`; nothing once the result is known.
  std::optional<Time> deadline() const { return deadline_; }
  /// The frame to send now, if any.
  std::optional<Bytes> expire(Time now);
  /// Any ARP packet of the LAN.
  void receive(const Arp& arp);

  bool is_done() const { return !deadline_; }
  /// Who uses the address, or is about to: he probes for it as well. Nobody: it is free, once
  /// `is_done`.
  const std::optional<ipam::Mac>& taken_by() const { return taken_by_; }

 private:
  std::chrono::milliseconds between(std::chrono::milliseconds least,
                                    std::chrono::milliseconds most) const;

  const ipam::Address address_;
  const ipam::Mac mac_;
  const ProbeTiming timing_;
  const std::function<std::uint32_t()> random_;

  int sent_ = 0;
  std::optional<Time> deadline_;
  std::optional<ipam::Mac> taken_by_;
};

}  // namespace netd::dhcp
