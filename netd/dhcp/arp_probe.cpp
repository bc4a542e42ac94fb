#include "netd/dhcp/arp_probe.h"

#include <algorithm>
#include <array>
#include <utility>

#include "netd/dhcp/frame.h"

namespace netd::dhcp {
namespace {

constexpr std::size_t ethernet_bytes = 14, arp_bytes = 28;
// EtherType ARP; hardware Ethernet, protocol IPv4, their lengths.
constexpr std::array<std::uint8_t, 8> beginning = {0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6, 4};

}  // namespace

std::optional<Arp> parse_arp(View frame) {
  if (frame.size() < ethernet_bytes + arp_bytes) return std::nullopt;
  if (!std::ranges::equal(frame.subspan(12, beginning.size()), beginning)) return std::nullopt;
  const std::uint16_t operation = u16_at(frame, 20);
  if (operation != 1 && operation != 2) return std::nullopt;
  return Arp{.operation = static_cast<Arp::Operation>(operation),
             .sender_mac = mac_at(frame, 22),
             .sender = v4_at(frame, 28),
             .target_mac = mac_at(frame, 32),
             .target = v4_at(frame, 38)};
}

Bytes encode_arp(const Arp& arp) {
  Bytes frame;
  append(frame, arp.operation == Arp::Operation::reply ? arp.target_mac : broadcast_mac);
  append(frame, arp.sender_mac);
  append(frame, beginning);
  append_u16(frame, static_cast<std::uint16_t>(arp.operation));
  append(frame, arp.sender_mac);
  append(frame, arp.sender);
  append(frame, arp.target_mac);
  append(frame, arp.target);
  return frame;
}

ArpProbe::ArpProbe(const ipam::Address& address, const ipam::Mac& mac, const ProbeTiming& timing,
                   std::function<std::uint32_t()> random)
    : address_(address), mac_(mac), timing_(timing), random_(std::move(random)) {}

void ArpProbe::start(Time now) {
  deadline_ = now + between(std::chrono::milliseconds(0), timing_.probe_wait);
}

std::optional<Bytes> ArpProbe::expire(Time now) {
  if (!deadline_ || now < *deadline_) return std::nullopt;
  if (sent_ >= timing_.probes) {
    deadline_.reset();
    return std::nullopt;
  }
  ++sent_;
  deadline_ = now + (sent_ < timing_.probes ? between(timing_.probe_min, timing_.probe_max)
                                            : timing_.announce_wait);
  // RFC 5227 2.1.1: the sender's address is empty, so that nobody's ARP table changes.
  return encode_arp({.sender_mac = mac_, .sender = ipam::Address(), .target = address_});
}

void ArpProbe::receive(const Arp& arp) {
  if (!deadline_ || arp.sender_mac == mac_) return;
  const bool uses = arp.sender == address_;
  const bool probes =
      arp.operation == Arp::Operation::request && arp.sender.is_any() && arp.target == address_;
  if (!uses && !probes) return;
  taken_by_ = arp.sender_mac;
  deadline_.reset();
}

std::chrono::milliseconds ArpProbe::between(std::chrono::milliseconds least,
                                            std::chrono::milliseconds most) const {
  const auto span = (most - least).count();
  return least + std::chrono::milliseconds(span <= 0 ? 0 : random_() % (span + 1));
}

}  // namespace netd::dhcp
