#include "tests/support/dhcp_server.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "sandbox/netns.h"

namespace tests {
namespace {

using namespace netd::dhcp;

struct OpenLink {
  sandbox::Fd socket;
  ipam::Mac mac;
};

void check(int result, const char* act) {
  if (result < 0) throw std::system_error(errno, std::system_category(), act);
}

OpenLink open_link(const std::string& interface) {
  OpenLink link{.socket = sandbox::Fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)), .mac = {}};
  check(link.socket.get(), "packet socket");
  ifreq request{};
  interface.copy(request.ifr_name, sizeof request.ifr_name - 1);
  check(ioctl(link.socket.get(), SIOCGIFHWADDR, &request), "MAC");
  std::memcpy(link.mac.bytes.data(), request.ifr_hwaddr.sa_data, link.mac.bytes.size());
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_IP);
  address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  check(bind(link.socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
        "bind");
  return link;
}

}  // namespace

DhcpScript usual_script() {
  DhcpScript script;
  script.answer.your_address = ipam::Address::parse("192.0.2.7").value();
  script.answer.set(option::server, ipam::Address::parse("192.0.2.1").value());
  script.answer.set(option::subnet_mask, ipam::Address::parse("255.255.255.0").value());
  script.answer.set(option::lease_time, std::chrono::seconds(3600));
  return script;
}

DhcpServer::DhcpServer(const std::string& netns, const std::string& interface,
                       const DhcpScript& script)
    : stop_(eventfd(0, EFD_CLOEXEC)), script_(script) {
  OpenLink link = sandbox::in_netns(sandbox::open_netns("/run/netns/" + netns).get(),
                                    [&] { return open_link(interface); });
  mac_ = link.mac;
  socket_ = std::move(link.socket);
  thread_ = std::thread([this] { serve(); });
}

DhcpServer::~DhcpServer() {
  const std::uint64_t one = 1;
  if (write(stop_.get(), &one, sizeof one) != sizeof one) std::abort();
  thread_.join();
}

void DhcpServer::set(const DhcpScript& script) {
  const std::lock_guard lock(mutex_);
  script_ = script;
}

DhcpServer::Heard DhcpServer::await(Type type) {
  std::unique_lock lock(mutex_);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (;;) {
    while (!heard_.empty()) {
      Heard next = std::move(heard_.front());
      heard_.pop_front();
      if (next.message.type == type) return next;
    }
    if (changed_.wait_until(lock, deadline) == std::cv_status::timeout)
      throw std::runtime_error("the DHCP server heard no " + to_string(type));
  }
}

bool DhcpServer::heard(Type type) {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(heard_,
                             [&](const Heard& heard) { return heard.message.type == type; });
}

void DhcpServer::serve() {
  std::array<pollfd, 2> wanted{pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0},
                               pollfd{.fd = socket_.get(), .events = POLLIN, .revents = 0}};
  for (;;) {
    poll(wanted.data(), wanted.size(), -1);
    if (wanted[0].revents != 0) return;
    if (wanted[1].revents != 0) receive();
  }
}

void DhcpServer::receive() {
  std::array<std::uint8_t, 2048> buffer;
  const ssize_t got = recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0) return;
  const View frame(buffer.data(), static_cast<std::size_t>(got));
  const auto datagram = parse_frame(frame, Checksum::pending);
  if (!datagram || datagram->destination_port != server_port) return;
  if (datagram->to != mac_ && datagram->to != broadcast_mac) return;
  const auto message = parse(datagram->payload);
  if (!message || message->is_reply) return;
  const Heard heard{*datagram, *message};
  {
    const std::lock_guard lock(mutex_);
    heard_.push_back(heard);
  }
  changed_.notify_all();
  answer(heard);
}

void DhcpServer::answer(const Heard& heard) {
  DhcpScript script;
  {
    const std::lock_guard lock(mutex_);
    script = script_;
  }
  if (script.silent) return;
  if (heard.message.type == Type::discover) {
    script.answer.type = Type::offer;
    send(script.answer, heard, script);
  }
  if (heard.message.type != Type::request) return;
  if (script.refusal) {
    Message nak{.type = Type::nak};
    nak.set(option::server, script.answer.address(option::server).value());
    nak.set(option::text, *script.refusal);
    return send(nak, heard, script);
  }
  script.answer.type = Type::ack;
  send(script.answer, heard, script);
}

/// RFC 2131 4.1 says whereto: to who has an address, or to everybody when it can't hear otherwise.
void DhcpServer::send(Message message, const Heard& question, const DhcpScript& script) {
  const Message& asked = question.message;
  message.is_reply = true;
  message.xid = asked.xid;
  message.mac = asked.mac;
  message.broadcast = asked.broadcast;
  const bool has_address = !asked.client_address.is_any() && message.type != Type::nak;
  const bool to_mac = has_address || script.to_mac || !asked.broadcast;
  const ipam::Address everybody = ipam::Address::v4(0xffffffff);
  Bytes frame = encode_frame({.from = mac_,
                              .to = to_mac ? asked.mac : broadcast_mac,
                              .source = message.address(option::server).value(),
                              .destination = has_address ? asked.client_address
                                             : to_mac    ? message.your_address
                                                         : everybody,
                              .source_port = server_port,
                              .destination_port = client_port,
                              .payload = encode(message)});
  if (script.vlan) {
    const auto number = *script.vlan;
    const std::array<std::uint8_t, 4> tag = {0x81, 0x00, static_cast<std::uint8_t>(number >> 8),
                                             static_cast<std::uint8_t>(number)};
    frame.insert(frame.begin() + 12, tag.begin(), tag.end());
  }
  [[maybe_unused]] const auto sent = ::send(socket_.get(), frame.data(), frame.size(), 0);
}

}  // namespace tests
