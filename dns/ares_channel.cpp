#include "dns/ares_channel.h"

#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "dns/message.h"
#include "sandbox/netns.h"

namespace dns {
namespace {

// A full socket buffer makes c-ares 1.18 give up the server.
constexpr int socket_buffer_bytes = 1024 * 1024;
constexpr std::size_t ids_at_once = 128;
constexpr std::size_t max_in_flight = 32768;  // half of all ids

void check(int status, const char* act) {
  if (status == ARES_SUCCESS) return;
  const auto error = status == ARES_ENOMEM ? std::errc::not_enough_memory : std::errc::io_error;
  throw std::system_error(std::make_error_code(error),
                          std::string(act) + ": " + ares_strerror(status));
}

int open_socket_here(int family, int socket_type) {
  const int fd = socket(family, socket_type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &socket_buffer_bytes, sizeof socket_buffer_bytes);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &socket_buffer_bytes, sizeof socket_buffer_bytes);
  return fd;
}

}  // namespace

struct AresChannel::Pending {
  AresChannel& channel;
  std::uint64_t exchange = 0;
  std::uint16_t id = 0;
  Clock::time_point sent;
  bool is_sending = true;
  bool is_over = false;  // while is_sending
};

struct AresChannel::Socket final : ReadyHandler {
  Socket(AresChannel& owner, int descriptor) : channel(owner), fd(descriptor) {}
  /// c-ares may close the socket in here, and this object goes with it: nothing of it is used
  /// after.
  void ready(std::uint32_t events) override {
    const bool is_broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
    const bool is_readable = is_broken || (events & EPOLLIN) != 0;
    ares_process_fd(channel.channel_, is_readable ? fd : ARES_SOCKET_BAD,
                    (events & EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD);
  }
  AresChannel& channel;
  int fd;
};

const ares_socket_functions AresChannel::socket_functions = {
    .asocket = [](int family, int socket_type, int, void* self) -> ares_socket_t {
      return static_cast<AresChannel*>(self)->open_socket(family, socket_type);
    },
    .aclose = [](ares_socket_t fd, void*) { return close(fd); },
    .aconnect = [](ares_socket_t fd, const sockaddr* address, ares_socklen_t size,
                   void*) { return connect(fd, address, size); },
    .arecvfrom = [](ares_socket_t fd, void* buffer, std::size_t size, int flags, sockaddr* address,
                    ares_socklen_t* address_size,
                    void*) { return recvfrom(fd, buffer, size, flags, address, address_size); },
    .asendv =
        [](ares_socket_t fd, const iovec* parts, int count, void*) {
          msghdr message{};
          message.msg_iov = const_cast<iovec*>(parts);
          message.msg_iovlen = static_cast<std::size_t>(count);
          return sendmsg(fd, &message, MSG_NOSIGNAL);
        }};

AresChannel::AresChannel(Reactor& reactor, AresSink& sink, const ipam::Address& server, int netns,
                         bool with_edns, std::chrono::milliseconds timeout)
    : reactor_(reactor), sink_(sink), netns_(netns) {
  configure(server, with_edns, timeout);
}

AresChannel::~AresChannel() {
  is_closing_ = true;
  ares_destroy(channel_);
}

void AresChannel::configure(const ipam::Address& server, bool with_edns,
                            std::chrono::milliseconds timeout) {
  ares_options options{};
  // NOCHECKRESP: SERVFAIL and the like are handed on instead of swallowed. EDNS: else every UDP
  // response of more than 512 bytes is asked for again over TCP, whatever our OPT says.
  options.flags = ARES_FLAG_NOCHECKRESP | (with_edns ? ARES_FLAG_EDNS : 0);
  options.ednspsz = edns_payload;
  options.timeout = static_cast<int>(timeout.count());
  options.tries = 1;
  options.sock_state_cb = on_socket_state;
  options.sock_state_cb_data = this;
  options.ndots = 1;
  options.lookups = const_cast<char*>("b");
  // With all of these given, even as empty lists, c-ares doesn't read /etc/resolv.conf.
  const int given = ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                    ARES_OPT_SOCK_STATE_CB | ARES_OPT_NDOTS | ARES_OPT_LOOKUPS | ARES_OPT_SERVERS |
                    ARES_OPT_DOMAINS | ARES_OPT_SORTLIST | ARES_OPT_NOROTATE;
  check(ares_init_options(&channel_, &options, given), "make a c-ares channel");
  ares_set_socket_functions(channel_, &socket_functions, this);

  ares_addr_node node{};
  node.family = server.is_v4() ? AF_INET : AF_INET6;
  std::memcpy(&node.addr, server.bytes().data(), server.bytes().size());
  const int status = ares_set_servers(channel_, &node);
  if (status != ARES_SUCCESS) ares_destroy(channel_);
  check(status, "set a c-ares channel's server");
}

bool AresChannel::send(std::uint64_t exchange, std::span<std::uint8_t> packet) {
  if (in_flight_ >= max_in_flight) return false;
  auto pending = std::make_unique<Pending>(
      Pending{.channel = *this, .exchange = exchange, .id = draw_id(), .sent = reactor_.now()});
  write_u16(packet, 0, pending->id);
  ids_.set(pending->id);
  ++in_flight_;
  // The callback runs inside ares_send when sending fails at once.
  ares_send(channel_, packet.data(), static_cast<int>(packet.size()), on_done, pending.get());
  pending->is_sending = false;
  if (pending->is_over) return false;
  pending.release();  // NOLINT(bugprone-unused-return-value): on_done deletes it
  return true;
}

void AresChannel::process_timeouts() {
  if (in_flight_ > 0) ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

std::uint16_t AresChannel::draw_id() {
  for (;;) {
    if (random_.empty()) {
      random_.resize(ids_at_once);
      while (getrandom(random_.data(), random_.size() * sizeof random_[0], 0) < 0) {
        // Only EINTR before the kernel's generator is seeded.
      }
    }
    const std::uint16_t id = random_.back();
    random_.pop_back();
    if (!ids_.test(id)) return id;
  }
}

/// c-ares asks for what it waits for, and with neither just before it closes the socket.
void AresChannel::watch(int fd, bool readable, bool writable) {
  const auto known = sockets_.find(fd);
  const std::uint32_t events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);
  if (known != sockets_.end() && events != 0) {
    reactor_.modify(fd, events, known->second.get());
  } else if (known != sockets_.end()) {
    reactor_.remove(fd, known->second.get());
    sockets_.erase(known);
  } else if (events != 0) {
    const auto added = sockets_.emplace(fd, std::make_unique<Socket>(*this, fd)).first;
    try {
      reactor_.add(fd, events, added->second.get());
    } catch (const std::system_error&) {
      sockets_.erase(added);  // c-ares is C, nothing may be thrown through it: its query times out
    }
  }
}

bool AresChannel::has_edns() const {
  ares_options options{};
  int given = 0;
  if (ares_save_options(channel_, &options, &given) != ARES_SUCCESS) return true;
  const bool result = (options.flags & ARES_FLAG_EDNS) != 0;
  ares_destroy_options(&options);
  return result;
}

int AresChannel::open_socket(int family, int socket_type) const {
  if (netns_ < 0) return open_socket_here(family, socket_type);
  try {
    return sandbox::in_netns(netns_, [&] { return open_socket_here(family, socket_type); });
  } catch (const std::system_error& error) {
    errno = error.code().value();  // c-ares is C: nothing may be thrown through it
    return -1;
  }
}

void AresChannel::finish(Pending& pending, int status, std::span<const std::uint8_t> packet) {
  ids_.reset(pending.id);
  --in_flight_;
  pending.is_over = true;
  if (pending.is_sending || is_closing_) return;
  if (status != ARES_SUCCESS) packet = {};
  sink_.done({pending.exchange, packet, status == ARES_ETIMEOUT, reactor_.now() - pending.sent});
}

void AresChannel::on_done(void* argument, int status, int, unsigned char* packet, int size) {
  auto* const pending = static_cast<Pending*>(argument);
  const bool is_sending = pending->is_sending;
  const auto bytes = packet ? std::span<const std::uint8_t>(packet, static_cast<std::size_t>(size))
                            : std::span<const std::uint8_t>();
  pending->channel.finish(*pending, status, bytes);
  if (!is_sending) delete pending;
}

void AresChannel::on_socket_state(void* argument, ares_socket_t fd, int readable, int writable) {
  static_cast<AresChannel*>(argument)->watch(fd, readable != 0, writable != 0);
}

}  // namespace dns
