#include "netd/dhcp/wire.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include "netd/dhcp/host_server.h"
#include "sandbox/addresses.h"
#include "sandbox/fd.h"
#include "sandbox/links.h"
#include "sandbox/rtnl.h"

namespace netd::dhcp {
namespace {

constexpr int frames_a_turn = 64;  // then others have theirs
constexpr std::size_t longest_frame = 9216;
/// The usual 208 KiB hold some 160 answers, and what is lost is asked for again only after 4 s (RFC
/// 2131 4.1): here there is room for those of a /22 that is started at once.
constexpr int receive_bytes = 1024 * 1280;

[[noreturn]] void fail(const std::string& act, const std::string& interface) {
  throw std::system_error(errno, std::system_category(), act + " " + interface);
}

constexpr sock_filter step(unsigned code, unsigned k, std::uint8_t yes = 0, std::uint8_t no = 0) {
  return {static_cast<std::uint16_t>(code), yes, no, k};
}

/// Takes ARP, and UDP to port 68 that says BOOTREPLY; both without VLAN tag: the kernel has taken
/// a tag out of the frame already, so those of other LANs would look like this one's.
constexpr std::array filter = {
    step(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_VLAN_TAG),
    step(BPF_ALU | BPF_AND | BPF_K, 0xfff),
    step(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 13),  // only VLAN 0: a priority without a VLAN
    step(BPF_LD | BPF_H | BPF_ABS, 12),
    step(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 10, 0),
    step(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 10),
    step(BPF_LD | BPF_B | BPF_ABS, 14 + 9),
    step(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 8),
    step(BPF_LD | BPF_H | BPF_ABS, 14 + 6),
    step(BPF_JMP | BPF_JSET | BPF_K, 0x3fff, 6, 0),  // a fragment
    step(BPF_LDX | BPF_B | BPF_MSH, 14),             // X = bytes of the IP header
    step(BPF_LD | BPF_H | BPF_IND, 14 + 2),
    step(BPF_JMP | BPF_JEQ | BPF_K, client_port, 0, 3),
    step(BPF_LD | BPF_B | BPF_IND, 14 + 8),
    step(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 1),  // op: BOOTREPLY
    step(BPF_RET | BPF_K, longest_frame),
    step(BPF_RET | BPF_K, 0),
};

void set(const sandbox::Fd& socket, int level, int option, int value,
         const std::string& interface) {
  if (setsockopt(socket.get(), level, option, &value, sizeof value) < 0)
    fail("prepare the packet socket of", interface);
}

/// What the kernel says of the interface. RtnlSocket and packet socket are of the same namespace.
sandbox::LinkFacts facts_of(const std::string& interface) {
  sandbox::RtnlSocket rtnl;
  const auto link = sandbox::find_link(rtnl, interface);
  if (link && link->facts.mac != ipam::Mac()) return link->facts;
  errno = link ? EPFNOSUPPORT : ENODEV;
  fail(link ? "DHCP and ARP need Ethernet, not" : "find interface", interface);
}

/// Protocol 0 until it is bound: nothing is queued before the filter is there.
int open_socket(const sandbox::LinkFacts& link) {
  const std::string& interface = link.name;
  sandbox::Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) fail("open a packet socket on", interface);
  const sock_fprog program{.len = filter.size(), .filter = const_cast<sock_filter*>(filter.data())};
  if (setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0)
    fail("filter the packets of", interface);
  // A server on this host answers through the bridge: what leaves it is heard too.
  set(socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, link.kind == "bridge" ? 0 : 1, interface);
  set(socket, SOL_PACKET, PACKET_AUXDATA, 1, interface);
  // Needs the machine's own CAP_NET_ADMIN, so not within a user namespace: then as much as may be.
  if (setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof receive_bytes) <
      0)
    set(socket, SOL_SOCKET, SO_RCVBUF, receive_bytes, interface);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(link.index);
  if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    fail("bind a packet socket to", interface);
  return socket.release();
}

bool is_checksum_pending(msghdr& message) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_PACKET || header->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata data;
    std::memcpy(&data, CMSG_DATA(header), sizeof data);
    return (data.tp_status & TP_STATUS_CSUMNOTREADY) != 0;
  }
  return false;
}

}  // namespace

std::shared_ptr<Wire> Wire::open(boost::asio::io_context& io, const std::string& interface) {
  const std::shared_ptr<Wire> wire(new Wire(io, facts_of(interface)));
  wire->wait();
  return wire;
}

Wire::Wire(boost::asio::io_context& io, const sandbox::LinkFacts& link)
    : interface_(link.name),
      index_(link.index),
      is_bridge_(link.kind == "bridge"),
      socket_(io, open_socket(link)) {}

Wire::~Wire() = default;

bool Wire::is_current() const {
  return if_nametoindex(interface_.c_str()) == index_;
}

void Wire::send(const Datagram& datagram) {
  const bool to_host = is_bridge_ && is_of_host(datagram.destination);
  if (to_host || (is_bridge_ && datagram.to == broadcast_mac && host_has_server()))
    tell_host(interface_, datagram.payload);
  if (!to_host) send(View(encode_frame(datagram)));
}

bool Wire::is_of_host(const ipam::Address& address) const {
  sandbox::RtnlSocket rtnl;
  const auto addresses = sandbox::list_addresses(rtnl, index_);
  return std::any_of(addresses.begin(), addresses.end(),
                     [&](const ipam::Prefix& own) { return own.address == address; });
}

void Wire::send(View frame) {
  const ssize_t sent = ::send(socket_.native_handle(), frame.data(), frame.size(), MSG_DONTWAIT);
  // A full queue loses the frame, as a LAN may.
  if (sent < 0 && errno != EAGAIN && errno != ENOBUFS) fail("send on", interface_);
}

/// The handler must not keep the wire alive.
void Wire::wait() {
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [weak = weak_from_this()](const boost::system::error_code& error) {
                       const auto self = weak.lock();
                       if (error || !self) return;
                       self->read();
                       self->wait();
                     });
}

void Wire::read() {
  std::array<std::uint8_t, longest_frame> buffer;
  union {
    cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(tpacket_auxdata))];
  } control;
  for (int i = 0; i < frames_a_turn; ++i) {
    iovec vector{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    const ssize_t got = recvmsg(socket_.native_handle(), &message, MSG_DONTWAIT);
    // ENETDOWN is told once when the interface goes down or away; the socket hears it up again.
    if (got < 0 && errno == ENETDOWN) continue;
    if (got < 0) return;
    deliver(View(buffer.data(), static_cast<std::size_t>(got)), is_checksum_pending(message));
  }
}

/// Listeners come and go while they are told, but live until the turn is over (loop.h).
void Wire::deliver(View frame, bool checksum_pending) {
  if (const auto arp = parse_arp(frame)) {
    const std::multimap<ipam::Mac, Listener*> listeners = listeners_;
    for (const auto& [mac, listener] : listeners)
      listener->heard(*arp);
    return;
  }
  const auto datagram = parse_frame(frame, checksum_pending ? Checksum::pending : Checksum::done);
  if (!datagram || datagram->source_port != server_port) return;
  const auto message = parse(datagram->payload);
  if (!message) return;
  const auto [begin, end] = listeners_.equal_range(message->mac);
  const std::multimap<ipam::Mac, Listener*> listeners(begin, end);
  if (!listeners.empty()) last_answer_ = std::chrono::steady_clock::now();
  for (const auto& [mac, listener] : listeners)
    listener->heard(Received{*message, datagram->from});
}

/// Without it, unicast answers get lost on some hardware; those to everybody don't: no reason to
/// fail.
void Wire::set_membership(const ipam::Mac& mac, int option) {
  packet_mreq membership{};
  membership.mr_ifindex = static_cast<int>(index_);
  membership.mr_type = PACKET_MR_UNICAST;
  membership.mr_alen = ETH_ALEN;
  std::memcpy(membership.mr_address, mac.bytes.data(), mac.bytes.size());
  setsockopt(socket_.native_handle(), SOL_PACKET, option, &membership, sizeof membership);
}

Wire::Tap::Tap(std::shared_ptr<Wire> wire, const ipam::Mac& mac, Listener& listener)
    : wire_(std::move(wire)), mac_(mac), place_(wire_->listeners_.emplace(mac, &listener)) {
  wire_->set_membership(mac_, PACKET_ADD_MEMBERSHIP);
}

Wire::Tap::~Tap() {
  wire_->listeners_.erase(place_);
  wire_->set_membership(mac_, PACKET_DROP_MEMBERSHIP);
}

}  // namespace netd::dhcp
