// UDP through the relay: a socket to the container for each client, so that its replies find back.
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <list>
#include <map>
#include <optional>

#include "netd/relay_port.h"

namespace netd {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr int datagrams_a_turn = 64;  // then other sockets have theirs

/// Who talks to which address of ours: a reply has to come from the address that was asked.
struct Parties {
  udp::endpoint client;
  asio::ip::address local;
  friend auto operator<=>(const Parties& a, const Parties& b) {
    if (a.client != b.client)
      return a.client < b.client ? std::strong_ordering::less : std::strong_ordering::greater;
    if (a.local != b.local)
      return a.local < b.local ? std::strong_ordering::less : std::strong_ordering::greater;
    return std::strong_ordering::equal;
  }
};

/// Room for either family's packet information, aligned as cmsg(3) wants it.
union Control {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(in6_pktinfo))];
};

/// The address that a datagram was sent to; absent when the kernel didn't say.
std::optional<asio::ip::address> destination_of(msghdr& message) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(header), sizeof info);
      return asio::ip::address_v4(ntohl(info.ipi_spec_dst.s_addr));
    }
    if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(header), sizeof info);
      asio::ip::address_v6::bytes_type bytes;
      std::memcpy(bytes.data(), &info.ipi6_addr, bytes.size());
      asio::ip::address_v6 address(bytes);
      if (address.is_link_local()) address.scope_id(info.ipi6_ifindex);
      return address;
    }
  }
  return std::nullopt;
}

/// Receives one datagram into `buffer`; absent when there is none.
std::optional<std::size_t> receive(int socket, std::array<char, 65536>& buffer, Parties& from) {
  iovec vector{buffer.data(), buffer.size()};
  Control control;
  msghdr message{};
  message.msg_name = from.client.data();
  message.msg_namelen = static_cast<socklen_t>(from.client.capacity());
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  const ssize_t got = recvmsg(socket, &message, MSG_DONTWAIT);
  if (got < 0) return std::nullopt;
  from.client.resize(message.msg_namelen);
  from.local = destination_of(message).value_or(asio::ip::address());
  return static_cast<std::size_t>(got);
}

template <typename Information>
void set_source(msghdr& message, Control& control, int level, int type,
                const Information& information) {
  message.msg_control = control.bytes;
  message.msg_controllen = CMSG_SPACE(sizeof information);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof information);
  std::memcpy(CMSG_DATA(header), &information, sizeof information);
}

/// Best effort, as UDP is.
void send(int socket, const char* data, std::size_t size, const Parties& to) {
  iovec vector{const_cast<char*>(data), size};
  Control control{};
  msghdr message{};
  message.msg_name = const_cast<void*>(static_cast<const void*>(to.client.data()));
  message.msg_namelen = static_cast<socklen_t>(to.client.size());
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (to.local.is_v4()) {
    in_pktinfo information{};
    information.ipi_spec_dst.s_addr = htonl(to.local.to_v4().to_uint());
    set_source(message, control, IPPROTO_IP, IP_PKTINFO, information);
  } else {
    in6_pktinfo information{};
    const auto bytes = to.local.to_v6().to_bytes();
    std::memcpy(&information.ipi6_addr, bytes.data(), bytes.size());
    information.ipi6_ifindex = static_cast<unsigned>(to.local.to_v6().scope_id());
    set_source(message, control, IPPROTO_IPV6, IPV6_PKTINFO, information);
  }
  static_cast<void>(sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

class UdpPort final : public RelayPort, public std::enable_shared_from_this<UdpPort> {
 public:
  UdpPort(RelayContext& context, sandbox::Fd socket, const udp::endpoint& target)
      : context_(context), socket_(context.io), idle_(context.io), target_(target) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    getsockname(socket.get(), reinterpret_cast<sockaddr*>(&name), &size);
    socket_.assign(name.ss_family == AF_INET6 ? udp::v6() : udp::v4(), socket.get());
    static_cast<void>(socket.release());
  }

  void start() override { wait_for_clients(); }
  void stop() override;

 private:
  struct Client {
    Client(asio::io_context& io, const Parties& who) : parties(who), socket(io) {}

    Parties parties;
    udp::socket socket;  // connected to the container
    Clock::time_point last_heard;
  };
  /// The one longest silent first.
  using Clients = std::list<std::shared_ptr<Client>>;

  void wait_for_clients();
  void receive_from_clients();
  std::shared_ptr<Client> client_of(const Parties& parties);
  void wait_for_replies(const std::shared_ptr<Client>& client);
  void pass_replies(const std::shared_ptr<Client>& client);
  void heard(Clients::iterator place);
  void drop_oldest();
  void watch_idle();
  void drop_idle();

  RelayContext& context_;
  udp::socket socket_;
  asio::steady_timer idle_;
  udp::endpoint target_;
  Clients clients_;
  std::map<Parties, Clients::iterator> places_;
  bool watching_idle_ = false;
  bool stopped_ = false;
};

void UdpPort::stop() {
  stopped_ = true;
  error_code ignored;
  socket_.close(ignored);
  idle_.cancel();
  while (!clients_.empty())
    drop_oldest();
}

void UdpPort::wait_for_clients() {
  socket_.async_wait(udp::socket::wait_read, [self = shared_from_this()](error_code) {
    if (self->stopped_) return;
    self->receive_from_clients();
    self->wait_for_clients();
  });
}

void UdpPort::receive_from_clients() {
  for (int i = 0; i < datagrams_a_turn; ++i) {
    Parties parties;
    const auto got = receive(socket_.native_handle(), context_.buffer, parties);
    if (!got) return;
    const auto client = client_of(parties);
    if (!client) continue;
    // An error is the container's answer to an earlier datagram (port unreachable); UDP clients try
    // again.
    ::send(client->socket.native_handle(), context_.buffer.data(), *got,
           MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

/// Null when there are no more sockets to be had.
std::shared_ptr<UdpPort::Client> UdpPort::client_of(const Parties& parties) {
  if (const auto found = places_.find(parties); found != places_.end()) {
    heard(found->second);
    return *found->second;
  }
  if (clients_.size() >= context_.limits.udp_clients) drop_oldest();
  auto client = std::make_shared<Client>(context_.io, parties);
  error_code error;
  client->socket.open(target_.protocol(), error);
  if (!error) client->socket.non_blocking(true, error);
  if (!error) client->socket.connect(target_, error);
  if (error) return nullptr;
  client->last_heard = Clock::now();
  places_[parties] = clients_.insert(clients_.end(), client);
  ++context_.connections;
  wait_for_replies(client);
  watch_idle();
  return client;
}

void UdpPort::wait_for_replies(const std::shared_ptr<Client>& client) {
  client->socket.async_wait(udp::socket::wait_read,
                            [self = shared_from_this(), client](error_code) {
                              if (!client->socket.is_open()) return;
                              self->pass_replies(client);
                              self->wait_for_replies(client);
                            });
}

void UdpPort::pass_replies(const std::shared_ptr<Client>& client) {
  for (int i = 0; i < datagrams_a_turn; ++i) {
    const ssize_t got = recv(client->socket.native_handle(), context_.buffer.data(),
                             context_.buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == ECONNREFUSED) continue;  // reading it clears it
    if (got < 0) return;
    heard(places_.at(client->parties));
    send(socket_.native_handle(), context_.buffer.data(), static_cast<std::size_t>(got),
         client->parties);
  }
}

void UdpPort::heard(Clients::iterator place) {
  (*place)->last_heard = Clock::now();
  clients_.splice(clients_.end(), clients_, place);
}

void UdpPort::drop_oldest() {
  const auto client = clients_.front();
  error_code ignored;
  client->socket.close(ignored);
  places_.erase(client->parties);
  clients_.pop_front();
  --context_.connections;
}

void UdpPort::watch_idle() {
  if (watching_idle_ || clients_.empty()) return;
  watching_idle_ = true;
  idle_.expires_at(clients_.front()->last_heard + context_.limits.udp_idle);
  idle_.async_wait([self = shared_from_this()](error_code) {
    if (!self->stopped_) self->drop_idle();
  });
}

void UdpPort::drop_idle() {
  watching_idle_ = false;
  const auto expired = Clock::now() - context_.limits.udp_idle;
  while (!clients_.empty() && clients_.front()->last_heard <= expired)
    drop_oldest();
  watch_idle();
}

}  // namespace

std::shared_ptr<RelayPort> make_udp_port(RelayContext& context, sandbox::Fd socket,
                                         const Relay::Target& target) {
  return std::make_shared<UdpPort>(context, std::move(socket),
                                   udp::endpoint(to_asio(target.address), target.port));
}

}  // namespace netd
