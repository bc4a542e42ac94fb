#include "sandbox/linux_peers.h"

#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>

#include "sandbox/attributes.h"

namespace sandbox {
namespace {

using Act = PeerChange::Act;
using Table = PeerChange::Table;

constexpr std::size_t message_bytes = 128;  // more than any message here has
constexpr int answer_bytes = 1 << 20;       // room for an error of each message of a batch
constexpr std::size_t datagram_bytes = 32768;

[[noreturn]] void fail(const char* act) {
  throw std::system_error(errno, std::system_category(), act);
}

Fd open_socket() {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) fail("open rtnetlink socket");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    fail("bind rtnetlink socket");
  const int on = 1;
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK})
    if (::setsockopt(fd.get(), SOL_NETLINK, option, &on, sizeof on) < 0)
      fail("configure rtnetlink socket");
  // Without CAP_NET_ADMIN in the first user namespace the limit of all applies; then answers may be
  // lost, which is noticed.
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &answer_bytes, sizeof answer_bytes) < 0)
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &answer_bytes, sizeof answer_bytes);
  return fd;
}

std::uint16_t flags_of(Act act) {
  switch (act) {
    case Act::put:
      return NLM_F_CREATE | NLM_F_REPLACE;
    case Act::append:
      return NLM_F_CREATE | NLM_F_APPEND;
    case Act::erase:
      return 0;
  }
  return 0;
}

ndmsg header_of(const PeerLinks& links, const PeerChange& change) {
  ndmsg header{};
  header.ndm_family = AF_BRIDGE;
  header.ndm_ifindex = static_cast<int>(links.vxlan);
  switch (change.table) {
    case Table::tunnel:
      header.ndm_state = NUD_PERMANENT;
      header.ndm_flags = NTF_SELF;
      break;
    case Table::forward:
      header.ndm_state = NUD_NOARP;  // static
      header.ndm_flags = NTF_MASTER | NTF_STICKY;
      break;
    case Table::neighbour:
      header.ndm_family = change.address.is_v4() ? AF_INET : AF_INET6;
      header.ndm_ifindex = static_cast<int>(links.bridge);
      header.ndm_state = NUD_PERMANENT;
      break;
  }
  return header;
}

/// Returns the end of the message written at `at`.
char* write(char* at, const PeerLinks& links, const PeerChange& change, std::uint32_t sequence) {
  nlmsghdr* const message = mnl_nlmsg_put_header(at);
  message->nlmsg_type = change.act == Act::erase ? RTM_DELNEIGH : RTM_NEWNEIGH;
  message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags_of(change.act));
  message->nlmsg_seq = sequence;
  const ndmsg header = header_of(links, change);
  std::memcpy(mnl_nlmsg_put_extra_header(message, sizeof header), &header, sizeof header);
  const bool neighbour = change.table == Table::neighbour;
  if (!neighbour || change.act != Act::erase)
    mnl_attr_put(message, NDA_LLADDR, change.mac.bytes.size(), change.mac.bytes.data());
  // An erase without a destination takes all that the entry has (vxlan_fdb_delete).
  if (neighbour || (change.table == Table::tunnel && !change.address.is_any()))
    mnl_attr_put(message, NDA_DST, change.address.bytes().size(), change.address.bytes().data());
  return at + NLMSG_ALIGN(message->nlmsg_len);
}

/// The kernel's own words (NLMSGERR_ATTR_MSG), or "".
std::string words_of(const nlmsghdr* message) {
  std::string words;
  if (message->nlmsg_flags & NLM_F_ACK_TLVS)
    for_each_attribute(message, sizeof(nlmsgerr), [&](const nlattr* attribute) {
      if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG) words = mnl_attr_get_str(attribute);
    });
  return words;
}

/// Erased already: by hand, or with its link.
bool is_gone(const PeerChange& change, int error) {
  return change.act == Act::erase && (error == ENOENT || error == ENODEV);
}

std::string failure_text(const PeerChange& change, const std::string& words, int error) {
  std::string text = to_text(change) + ": ";
  if (!words.empty()) text += words + ": ";
  return text + std::system_category().message(error);
}

template <std::size_t size>
const ndmsg& parse(nlmsghdr* message, nlattr* (&attributes)[size]) {
  nlmsg_parse(message, sizeof(ndmsg), attributes, static_cast<int>(size) - 1, nullptr);
  return *static_cast<const ndmsg*>(nlmsg_data(message));
}

std::optional<ipam::Mac> mac_of(const nlattr* attribute) {
  ipam::Mac mac;
  if (!attribute || nla_len(attribute) != static_cast<int>(mac.bytes.size())) return std::nullopt;
  std::memcpy(mac.bytes.data(), nla_data(attribute), mac.bytes.size());
  return mac;
}

std::optional<ipam::Address> address_of(const nlattr* attribute) {
  if (!attribute) return std::nullopt;
  return ipam::Address::from_bytes(std::span(static_cast<const std::uint8_t*>(nla_data(attribute)),
                                             static_cast<std::size_t>(nla_len(attribute))));
}

/// Both tables of the vxlan link come in one dump: the bridge's entries have a master.
void take_fdb_entry(nlmsghdr* message, const PeerLinks& links, PeerTables& tables) {
  nlattr* attributes[NDA_MAX + 1] = {};
  const ndmsg& header = parse(message, attributes);
  const auto mac = mac_of(attributes[NDA_LLADDR]);
  if (!mac || header.ndm_ifindex != static_cast<int>(links.vxlan)) return;
  if (attributes[NDA_MASTER]) {
    if (nla_get_u32(attributes[NDA_MASTER]) != links.bridge || attributes[NDA_VLAN]) return;
    tables.forwards[*mac] = {
        .sticky = header.ndm_state == NUD_NOARP && (header.ndm_flags & NTF_STICKY) != 0,
        .local = header.ndm_state == NUD_PERMANENT};
    return;
  }
  const bool odd = attributes[NDA_PORT] || attributes[NDA_VNI] || attributes[NDA_IFINDEX] ||
                   attributes[NDA_NH_ID] || attributes[NDA_SRC_VNI];
  const PeerTables::Tunnel tunnel{.vtep = address_of(attributes[NDA_DST]).value_or(ipam::Address()),
                                  .permanent = (header.ndm_state & NUD_PERMANENT) != 0,
                                  .plain = header.ndm_flags == NTF_SELF && !odd};
  // Entries that come or go during the dump may move one across the edge of a datagram: it is told
  // twice then.
  auto& all = tables.tunnels[*mac];
  if (std::ranges::find(all, tunnel) == all.end()) all.push_back(tunnel);
}

void take_neighbour(nlmsghdr* message, const PeerLinks& links, PeerTables& tables) {
  nlattr* attributes[NDA_MAX + 1] = {};
  const ndmsg& header = parse(message, attributes);
  const auto address = address_of(attributes[NDA_DST]);
  if (!address || header.ndm_ifindex != static_cast<int>(links.bridge)) return;
  tables.neighbours[*address] = {
      .mac = mac_of(attributes[NDA_LLADDR]).value_or(ipam::Mac()),
      .permanent = header.ndm_state == NUD_PERMANENT && header.ndm_flags == 0};
}

/// Runs a dump; nothing when the link is gone, or its family is missing here.
template <class Take>
void dump(RtnlSocket& rtnl, RtnlMessage& message, const char* act, Take take) {
  try {
    rtnl.dump(message, act, take);
  } catch (const std::system_error& error) {
    const int code = error.code().value();
    if (code != ENODEV && code != EAFNOSUPPORT && code != EOPNOTSUPP) throw;
  }
}

}  // namespace

LinuxPeers::LinuxPeers() : socket_(open_socket()), buffer_(batch_size * message_bytes) {}

PeerTables LinuxPeers::read(const PeerLinks& links) {
  PeerTables tables;
  ndmsg header{};
  header.ndm_family = AF_BRIDGE;
  header.ndm_ifindex = static_cast<int>(links.vxlan);
  RtnlMessage entries(RTM_GETNEIGH);
  entries.append(header);
  dump(rtnl_, entries, "list forwarding entries",
       [&](nlmsghdr* message) { take_fdb_entry(message, links, tables); });
  for (const int family : {AF_INET, AF_INET6}) {
    ndmsg of{};
    of.ndm_family = static_cast<std::uint8_t>(family);
    RtnlMessage neighbours(RTM_GETNEIGH);
    neighbours.append(of);
    neighbours.put_u32(NDA_IFINDEX, links.bridge);
    dump(rtnl_, neighbours, "list neighbours",
         [&](nlmsghdr* message) { take_neighbour(message, links, tables); });
  }
  return tables;
}

PeerOutcome LinuxPeers::change(const PeerLinks& links, const std::vector<PeerChange>& changes) {
  PeerOutcome outcome;
  for (std::span rest(changes); !rest.empty();) {
    const auto batch = rest.first(std::min(batch_size, rest.size()));
    send(links, batch, outcome);
    rest = rest.subspan(batch.size());
  }
  return outcome;
}

/// Only the last message asks for an acknowledgement: those that fail answer all the same.
void LinuxPeers::send(const PeerLinks& links, std::span<const PeerChange> changes,
                      PeerOutcome& outcome) {
  const std::uint32_t first = sequence_ + 1;
  char* end = buffer_.data();
  for (const PeerChange& change : changes) {
    char* const at = end;
    end = write(at, links, change, ++sequence_);
    if (sequence_ - first + 1 == changes.size())
      reinterpret_cast<nlmsghdr*>(at)->nlmsg_flags |= NLM_F_ACK;
  }
  const auto size = static_cast<std::size_t>(end - buffer_.data());
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  while (::sendto(socket_.get(), buffer_.data(), size, 0,
                  reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0)
    if (errno != EINTR) fail("change peers");
  receive(changes, first, outcome);
}

/// The kernel has worked through the messages before sendto returns, so all answers are here.
void LinuxPeers::receive(std::span<const PeerChange> changes, std::uint32_t first,
                         PeerOutcome& outcome) {
  alignas(nlmsghdr) std::array<char, datagram_bytes> datagram;
  for (bool acknowledged = false; !acknowledged;) {
    const ssize_t size = ::recv(socket_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == ENOBUFS) {
      outcome.lost = true;
      continue;
    }
    if (size < 0 && errno == EAGAIN) {
      outcome.lost = true;  // the acknowledgement was among what didn't fit
      return;
    }
    if (size < 0) fail("change peers");
    int left = static_cast<int>(size);
    for (auto* message = reinterpret_cast<nlmsghdr*>(datagram.data()); mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
      const std::uint32_t position = message->nlmsg_seq - first;
      if (message->nlmsg_type != NLMSG_ERROR || position >= changes.size()) continue;
      acknowledged = acknowledged || position + 1 == changes.size();
      nlmsgerr answer;
      std::memcpy(&answer, mnl_nlmsg_get_payload(message), sizeof answer);
      const PeerChange& change = changes[position];
      if (answer.error != 0 && !is_gone(change, -answer.error))
        outcome.failures.push_back(failure_text(change, words_of(message), -answer.error));
    }
  }
}

}  // namespace sandbox
