#include "sandbox/rtnl.h"

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "sandbox/fd.h"

namespace sandbox {
namespace {

/// The kernel fills at most 32 KiB a datagram of a dump (netlink_dump in net/netlink/af_netlink.c).
constexpr std::size_t datagram_bytes = 32768;
/// Each further try of a dump needs another change in between; see RtnlSocket::dump.
constexpr int dump_tries = 16;

using Datagram = std::array<std::uint8_t, datagram_bytes>;

[[noreturn]] void fail(int code, const std::string& act) {
  throw std::system_error(code, std::system_category(), act);
}

void require_room(int result) {
  if (result < 0) fail(EMSGSIZE, "build rtnetlink message");
}

/// What the kernel says beyond the code (NLMSGERR_ATTR_MSG), or "".
std::string kernel_words(nlmsghdr* header) {
  if (!(header->nlmsg_flags & NLM_F_ACK_TLVS)) return "";
  // NETLINK_CAP_ACK: the request isn't repeated in the answer, the attributes follow at once.
  nlattr* attributes[NLMSGERR_ATTR_MAX + 1] = {};
  if (nlmsg_parse(header, sizeof(nlmsgerr), attributes, NLMSGERR_ATTR_MAX, nullptr) < 0) return "";
  const nlattr* const text = attributes[NLMSGERR_ATTR_MSG];
  return text ? nla_get_string(text) : "";
}

/// Returns when `header` (NLMSG_ERROR) says success.
void require_success(nlmsghdr* header, const std::string& act) {
  nlmsgerr answer;
  std::memcpy(&answer, nlmsg_data(header), sizeof answer);
  if (answer.error == 0) return;
  const std::string words = kernel_words(header);
  fail(-answer.error, words.empty() ? act : act + ": " + words);
}

/// NLMSG_DONE carries the error of a dump that failed on its way.
void require_complete(nlmsghdr* header, const std::string& act) {
  std::int32_t error = 0;
  if (nlmsg_datalen(header) < static_cast<int>(sizeof error)) return;
  std::memcpy(&error, nlmsg_data(header), sizeof error);
  if (error < 0) fail(-error, act);
}

template <class Visit>
void for_each_message(std::span<std::uint8_t> bytes, Visit&& visit) {
  int remaining = static_cast<int>(bytes.size());
  for (auto* header = reinterpret_cast<nlmsghdr*>(bytes.data()); nlmsg_ok(header, remaining);
       header = nlmsg_next(header, &remaining)) {
    visit(header);
  }
}

/// A socket with a port number that the kernel picks: libnl's own numbers end at 1,024 sockets.
Fd open_socket(int protocol) {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd) fail(errno, "open rtnetlink socket");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    fail(errno, "bind rtnetlink socket");
  }
  // STRICT_CHK: dumps obey their filters (one link's addresses, one table's routes).
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK}) {
    const int on = 1;
    if (::setsockopt(fd.get(), SOL_NETLINK, option, &on, sizeof on) < 0) {
      fail(errno, "configure rtnetlink socket");
    }
  }
  return fd;
}

}  // namespace

RtnlMessage::RtnlMessage(int type, int flags) : message_(nlmsg_alloc_simple(type, flags)) {
  if (!message_) throw std::bad_alloc();
}

void RtnlMessage::Free::operator()(nl_msg* message) const {
  nlmsg_free(message);
}

void RtnlMessage::append_bytes(const void* bytes, std::size_t size) {
  require_room(nlmsg_append(message_.get(), const_cast<void*>(bytes), size, NLMSG_ALIGNTO));
}

void RtnlMessage::put(int attribute, std::span<const std::uint8_t> bytes) {
  require_room(nla_put(message_.get(), attribute, static_cast<int>(bytes.size()), bytes.data()));
}

void RtnlMessage::put(int attribute, const std::string& text) {
  require_room(nla_put_string(message_.get(), attribute, text.c_str()));
}

void RtnlMessage::put_u32(int attribute, std::uint32_t value) {
  require_room(nla_put_u32(message_.get(), attribute, value));
}

void RtnlMessage::put_u16(int attribute, std::uint16_t value) {
  require_room(nla_put_u16(message_.get(), attribute, value));
}

void RtnlMessage::put_u8(int attribute, std::uint8_t value) {
  require_room(nla_put_u8(message_.get(), attribute, value));
}

nlattr* RtnlMessage::begin_nest(int attribute) {
  nlattr* const nest = nla_nest_start(message_.get(), attribute | NLA_F_NESTED);
  require_room(nest ? 0 : -1);
  return nest;
}

void RtnlMessage::end_nest(nlattr* nest) {
  require_room(nla_nest_end(message_.get(), nest));
}

void RtnlSocket::Free::operator()(nl_sock* socket) const {
  nl_socket_free(socket);
}

RtnlSocket::RtnlSocket(int protocol) : socket_(nl_socket_alloc()) {
  if (!socket_) throw std::bad_alloc();
  Fd fd = open_socket(protocol);
  if (nl_socket_set_fd(socket_.get(), protocol, fd.get()) < 0) {
    fail(EINVAL, "open rtnetlink socket");
  }
  static_cast<void>(fd.release());  // nl_socket_free closes it
}

std::uint32_t RtnlSocket::send(RtnlMessage& message, const std::string& act) {
  errno = 0;
  if (nl_send_auto(socket_.get(), message.get()) < 0) fail(errno ? errno : EIO, act);
  return nlmsg_hdr(message.get())->nlmsg_seq;
}

std::size_t RtnlSocket::receive(std::span<std::uint8_t> buffer, const std::string& act) {
  for (;;) {
    const ssize_t size =
        ::recv(nl_socket_get_fd(socket_.get()), buffer.data(), buffer.size(), MSG_TRUNC);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) fail(errno, act);
    if (static_cast<std::size_t>(size) > buffer.size()) fail(EMSGSIZE, act);
    return static_cast<std::size_t>(size);
  }
}

void RtnlSocket::exchange(RtnlMessage& message, const std::string& act, const Reply& reply) {
  const std::uint32_t sequence = send(message, act);
  alignas(nlmsghdr) Datagram datagram;
  for (bool acknowledged = false; !acknowledged;) {
    const std::span received = std::span(datagram).first(receive(datagram, act));
    for_each_message(received, [&](nlmsghdr* header) {
      if (header->nlmsg_seq != sequence) return;  // left over from a request that failed half-way
      if (header->nlmsg_type != NLMSG_ERROR) {
        if (reply) reply(header);
        return;
      }
      acknowledged = true;
      require_success(header, act);
    });
  }
}

std::optional<std::vector<std::uint8_t>> RtnlSocket::collect(RtnlMessage& message,
                                                             const std::string& act) {
  const std::uint32_t sequence = send(message, act);
  std::vector<std::uint8_t> objects;
  alignas(nlmsghdr) Datagram datagram;
  bool consistent = true;
  for (bool done = false; !done;) {
    const std::span received = std::span(datagram).first(receive(datagram, act));
    for_each_message(received, [&](nlmsghdr* header) {
      if (header->nlmsg_seq != sequence) return;
      if (header->nlmsg_flags & NLM_F_DUMP_INTR) consistent = false;
      if (header->nlmsg_type == NLMSG_ERROR) require_success(header, act);
      if (header->nlmsg_type == NLMSG_DONE) require_complete(header, act);
      done = header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR;
    });
    objects.insert(objects.end(), received.begin(), received.end());
  }
  if (!consistent) return std::nullopt;
  return objects;
}

void RtnlSocket::dump(RtnlMessage& message, const std::string& act, const Reply& reply) {
  nlmsghdr* const request = nlmsg_hdr(message.get());
  request->nlmsg_flags |= NLM_F_DUMP;
  for (int tries = 0; tries < dump_tries; ++tries) {
    auto objects = collect(message, act);
    if (!objects) {
      request->nlmsg_seq = NL_AUTO_SEQ;
      continue;
    }
    for_each_message(*objects, [&](nlmsghdr* header) {
      if (header->nlmsg_seq != request->nlmsg_seq) return;
      if (header->nlmsg_type >= NLMSG_MIN_TYPE) reply(header);
    });
    return;
  }
  fail(EAGAIN, act + ": changed each time while it was read");
}

}  // namespace sandbox
