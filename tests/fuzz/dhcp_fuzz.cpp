// A frame from a LAN, as the DHCP client's packet socket hands it over: ARP, or UDP with a DHCP
// message; then the message alone, to get past the checksums.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "netd/dhcp/arp_probe.h"
#include "netd/dhcp/frame.h"
#include "netd/dhcp/lease.h"
#include "netd/dhcp/machine.h"
#include "netd/dhcp/message.h"

namespace {

using namespace netd::dhcp;

void require(bool condition) {
  if (!condition) std::abort();
}

/// What a server sends must leave a client with a lease that is one, or none.
void check_client(const Message& message) {
  const Time now{std::chrono::milliseconds(1'790'000'000'000)};
  Machine machine({.mac = message.mac}, Timing{}, false, [&] { return message.xid; });
  machine.start(now, message.your_address);
  machine.receive({message, message.mac}, now);
  require(machine.deadline() >= now);
  if (!machine.lease()) return;
  const Lease& lease = *machine.lease();
  require(lease.address.length >= 1 && lease.address.length <= 32);
  require(lease.renewal() <= lease.rebinding() && lease.rebinding() <= lease.expiry());
  require(lease.domain.find('\n') == std::string::npos);
  for (const std::string& domain : lease.search)
    require(!domain.empty() && domain.find_first_of("\n ") == std::string::npos);
  require(nlohmann::json(lease).get<Lease>() == lease);
}

void check_message(View payload) {
  const auto message = parse(payload);
  if (!message) return;
  require(parse(encode(*message)) == message);
  check_client(*message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const View input(data, size);
  if (const auto arp = parse_arp(input)) require(parse_arp(encode_arp(*arp)) == arp);
  for (const Checksum checksum : {Checksum::done, Checksum::pending}) {
    const auto datagram = parse_frame(input, checksum);
    if (!datagram) continue;
    check_message(datagram->payload);
    require(parse_frame(encode_frame(*datagram), Checksum::done).has_value());
  }
  constexpr std::size_t headers = 42;
  check_message(input);
  if (size > headers) check_message(input.subspan(headers));
  return 0;
}
