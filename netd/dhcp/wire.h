// A packet socket on one interface, shared by all who want DHCP and ARP frames of it. Everything
// here belongs to the client's thread (loop.h).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "ipam/address.h"
#include "netd/dhcp/arp_probe.h"
#include "netd/dhcp/bytes.h"
#include "netd/dhcp/frame.h"
#include "netd/dhcp/machine.h"
#include "sandbox/kernel.h"

namespace netd::dhcp {

/// Frames leave through the interface itself, so they reach the LAN behind it, but none of its
/// macvlan children. A server on this host that listens on a bridge is told in another way
/// (host_server.h), and its answers are heard on their way out.
///
/// The socket sees frames before macvlan takes them (ETH_P_ALL), so also the answers to a child's
/// MAC; a filter in the kernel drops all but DHCP answers and ARP.
class Wire : public std::enable_shared_from_this<Wire> {
 public:
  class Listener {
   public:
    virtual void heard(const Received& received) = 0;
    virtual void heard(const Arp& arp) = 0;

   protected:
    ~Listener() = default;
  };

  /// In the calling thread's network namespace. Throws std::system_error that names the interface:
  /// ENODEV, EPFNOSUPPORT when it isn't Ethernet.
  static std::shared_ptr<Wire> open(boost::asio::io_context& io, const std::string& interface);
  ~Wire();  // 15 ms: the kernel waits until nobody uses the socket any more

  /// False when the interface is gone, or another one has its name.
  bool is_current() const;
  /// Sends a DHCP message. Throws std::system_error: ENETDOWN, ENXIO (gone).
  void send(const Datagram& datagram);
  /// Sends any frame; throws likewise.
  void send(View frame);

  /// While it lives, `listener` hears DHCP answers for `mac` and all ARP packets, and the interface
  /// takes frames for `mac` (PACKET_MR_UNICAST: an entry in the hardware's filter where it has one,
  /// else promiscuous mode), for servers that answer to the MAC instead of to everybody.
  class Tap {
   public:
    Tap(std::shared_ptr<Wire> wire, const ipam::Mac& mac, Listener& listener);
    ~Tap();
    Tap(const Tap&) = delete;
    Tap& operator=(const Tap&) = delete;
    Wire& wire() { return *wire_; }

   private:
    const std::shared_ptr<Wire> wire_;
    const ipam::Mac mac_;
    std::multimap<ipam::Mac, Listener*>::iterator place_;
  };

  /// When a server last answered one of the listeners.
  std::chrono::steady_clock::time_point last_answer() const { return last_answer_; }
  /// Whether there are taps.
  bool is_used() const { return !listeners_.empty(); }

 private:
  Wire(boost::asio::io_context& io, const sandbox::LinkFacts& link);
  void wait();
  void read();
  void deliver(View frame, bool checksum_pending);
  /// Not by its MAC: a bridge's follows its ports.
  bool is_of_host(const ipam::Address& address) const;
  void set_membership(const ipam::Mac& mac, int option);

  const std::string interface_;
  const unsigned index_;
  const bool is_bridge_;
  boost::asio::posix::stream_descriptor socket_;
  std::multimap<ipam::Mac, Listener*> listeners_;
  std::chrono::steady_clock::time_point last_answer_{};
};

}  // namespace netd::dhcp
