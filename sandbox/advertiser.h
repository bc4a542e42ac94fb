// Tells the neighbours of a bridge, again and again for a while, which MAC an address has now:
// gratuitous ARP (RFC 5227 3) and unsolicited neighbour advertisements (RFC 4861 7.2.6).
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "ipam/address.h"
#include "sandbox/fd.h"
#include "sandbox/rtnl.h"

namespace sandbox {

/// The whole Ethernet frame that announces `address` at `mac` to everybody: an ARP request for the
/// address itself (RFC 5227 3: ARP announcement), or a neighbour advertisement to ff02::1 with the
/// override flag.
std::vector<std::uint8_t> announcement(const ipam::Mac& mac, const ipam::Address& address);

/// One packet socket and one thread for all bridges of the namespace that it is constructed in: a
/// packet socket of each endpoint would cost 15 ms at its close.
///
/// Best effort: failures are silent, and beyond `queue_limit` waiting addresses new ones are
/// dropped. All functions may be called from any thread. None throws.
class Advertiser {
 public:
  static constexpr std::size_t queue_limit = 4096;

  Advertiser();
  ~Advertiser();
  Advertiser(const Advertiser&) = delete;
  Advertiser& operator=(const Advertiser&) = delete;

  /// Sends `count` announcements of each address out of bridge `bridge_index`, the first at once,
  /// then `interval` apart. Ends early when the bridge is gone. Before the first one the host,
  /// which does not hear them, forgets what it knew of the address there.
  void advertise(std::uint32_t bridge_index, const ipam::Mac& mac,
                 const std::vector<ipam::Address>& addresses, int count,
                 std::chrono::milliseconds interval);
  /// No more announcements for `mac` once it returns: its addresses may be another's soon.
  void withdraw(const ipam::Mac& mac);
  /// How many addresses have announcements to come.
  std::size_t waiting() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Announcement {
    std::uint32_t bridge_index = 0;
    ipam::Mac mac;
    ipam::Address address;
    int remaining = 0;
    std::chrono::milliseconds interval{};
    bool first = true;
  };

  void run();
  void send_next(std::unique_lock<std::mutex>& lock);
  bool send(const Announcement& announcement) const;

  Fd socket_;
  RtnlSocket rtnl_;  // the thread's, once it runs
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<Clock::time_point, Announcement> queue_;
  std::optional<ipam::Mac> sending_;  // of the announcement that is under way
  bool withdrawn_ = false;            // it is the last one
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sandbox
