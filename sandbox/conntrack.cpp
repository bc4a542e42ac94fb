#include "sandbox/conntrack.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <optional>
#include <system_error>
#include <utility>

#include "sandbox/attributes.h"

namespace sandbox {
namespace {

// The dump walks the machine's whole table (262,144 flows by default), on the control thread.
constexpr auto search_limit = std::chrono::milliseconds(200);
constexpr std::size_t delete_run_bytes = 32 * 1024;

[[noreturn]] void fail(const char* act) {
  throw std::system_error(errno, std::system_category(), act);
}

/// What this thread has worked, in the kernel too (the dump is made while we read it).
std::chrono::nanoseconds work_done() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

/// Calls `use` for each message of the datagram; true when one of them ended the answer.
template <typename Use>
bool each_message(const std::vector<char>& buffer, std::size_t bytes, Use use) {
  int left = static_cast<int>(bytes);
  const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
  for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
    if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) return true;
    use(message);
  }
  return false;
}

nlmsghdr* put_request(char* buffer, std::uint16_t type, std::uint16_t flags, std::uint8_t family) {
  nlmsghdr* request = mnl_nlmsg_put_header(buffer);
  request->nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type);
  request->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(nfgenmsg)));
  header->nfgen_family = family;
  header->version = NFNETLINK_V0;
  return request;
}

/// The attribute of that type among those of `parent`, or null.
const nlattr* find(const nlattr* parent, int type) {
  const nlattr* found = nullptr;
  for_each_nested(parent, [&](const nlattr* attribute) {
    if (mnl_attr_get_type(attribute) == type) found = attribute;
  });
  return found;
}

std::optional<ipam::Address> find_address(const nlattr* parent, int v4_type, int v6_type) {
  const nlattr* attribute = find(parent, v4_type);
  if (!attribute) attribute = find(parent, v6_type);
  if (!attribute) return std::nullopt;
  const auto* bytes = static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute));
  return ipam::Address::from_bytes({bytes, mnl_attr_get_payload_len(attribute)});
}

std::optional<FlowTuple> read_tuple(const nlattr* tuple) {
  const nlattr* ip = tuple ? find(tuple, CTA_TUPLE_IP) : nullptr;
  const nlattr* transport = tuple ? find(tuple, CTA_TUPLE_PROTO) : nullptr;
  if (!ip || !transport) return std::nullopt;
  const auto source = find_address(ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC);
  const auto destination = find_address(ip, CTA_IP_V4_DST, CTA_IP_V6_DST);
  const nlattr* number = find(transport, CTA_PROTO_NUM);
  const nlattr* port = find(transport, CTA_PROTO_DST_PORT);
  if (!source || !destination || !number) return std::nullopt;
  return FlowTuple{.source = *source,
                   .destination = *destination,
                   .protocol = mnl_attr_get_u8(number),
                   .destination_port = port ? ntohs(mnl_attr_get_u16(port)) : std::uint16_t{0}};
}

bool is_local(const ipam::Address& address) {
  const Fd fd(socket(address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return false;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  const auto bytes = address.bytes();
  int bound = -1;
  if (address.is_v4()) {
    std::memcpy(&v4.sin_addr, bytes.data(), bytes.size());
    bound = bind(fd.get(), reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  } else {
    std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
    bound = bind(fd.get(), reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  }
  return bound == 0;
}

/// Requests that delete flows, each a copy of what names the flow in its dump.
class Deletions {
 public:
  void append(const nlmsghdr* flow) {
    const std::size_t begin = bytes_.size();
    bytes_.resize(begin + flow->nlmsg_len + 64);
    const auto* header = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(flow));
    nlmsghdr* request =
        put_request(bytes_.data() + begin, IPCTNL_MSG_CT_DELETE, 0, header->nfgen_family);
    for_each_attribute(flow, sizeof(nfgenmsg), [&](const nlattr* attribute) {
      const int type = mnl_attr_get_type(attribute);
      // The id: not a newer flow of the same addresses and ports.
      if (type != CTA_TUPLE_ORIG && type != CTA_ZONE && type != CTA_ID) return;
      mnl_attr_put(request, attribute->nla_type, mnl_attr_get_payload_len(attribute),
                   mnl_attr_get_payload(attribute));
    });
    bytes_.resize(begin + MNL_ALIGN(request->nlmsg_len));
    ends_.push_back(bytes_.size());
  }

  /// Calls use(bytes, count) for runs of whole requests, at most 32 KiB or one request each.
  template <typename Use>
  void each_run(Use use) const {
    std::size_t begin = 0;
    for (std::size_t i = 0; i < ends_.size(); ++i) {
      const bool last = i + 1 == ends_.size();
      if (!last && ends_[i + 1] - begin <= delete_run_bytes) continue;
      use(bytes_.data() + begin, ends_[i] - begin);
      begin = ends_[i];
    }
  }

  std::size_t size() const { return ends_.size(); }

 private:
  std::vector<char> bytes_;
  std::vector<std::size_t> ends_;
};

std::optional<Flow> read_flow(const nlmsghdr* message) {
  const nlattr* original = nullptr;
  const nlattr* reply = nullptr;
  for_each_attribute(message, sizeof(nfgenmsg), [&](const nlattr* attribute) {
    if (mnl_attr_get_type(attribute) == CTA_TUPLE_ORIG) original = attribute;
    if (mnl_attr_get_type(attribute) == CTA_TUPLE_REPLY) reply = attribute;
  });
  const auto there = read_tuple(original);
  const auto back = read_tuple(reply);
  if (!there || !back) return std::nullopt;
  return Flow{.original = *there, .reply = *back};
}

}  // namespace

FlowFilter::FlowFilter(const std::vector<ipam::Address>& addresses,
                       const std::vector<Element>& ports)
    : addresses_(addresses.begin(), addresses.end()) {
  for (const Element& element : ports) {
    const bool one_address = element.set == "pub4a" || element.set == "pub6a";
    if (!one_address && element.set != "pub4" && element.set != "pub6") continue;
    const std::size_t first = one_address ? 1 : 0;
    const auto& container = std::get<ipam::Address>(element.value.at(0));
    ports_.emplace(HostPort{.protocol = std::get<Protocol>(element.key.at(first)),
                            .number = std::get<PortNumber>(element.key.at(first + 1)).number},
                   Mapping{.container = container,
                           .host = one_address ? std::get<ipam::Address>(element.key.front())
                                               : ipam::Address::any(container.family())});
  }
}

bool FlowFilter::leads_to_port(const Flow& flow) const {
  const FlowTuple& there = flow.original;
  const auto [first, last] = ports_.equal_range(HostPort{
      .protocol = static_cast<Protocol>(there.protocol), .number = there.destination_port});
  return std::any_of(first, last, [&](const auto& entry) {
    const Mapping& mapping = entry.second;
    if (mapping.host.family() != there.destination.family()) return false;
    if (!mapping.host.is_any() && mapping.host != there.destination) return false;
    if (flow.reply.source == mapping.container) return true;
    // Not translated, as it began before the port was published. Loopback never is: its flows are
    // the relay's. The same port of another machine is none of ours.
    return flow.reply.source == there.destination && !there.destination.is_loopback() &&
           is_local(there.destination);
  });
}

bool FlowFilter::matches(const Flow& flow) const {
  for (const ipam::Address& address : {flow.original.source, flow.original.destination,
                                       flow.reply.source, flow.reply.destination}) {
    if (addresses_.contains(address)) return true;
  }
  return leads_to_port(flow);
}

Conntrack::Conntrack() : buffer_(64 * 1024) {
  open();
}

void Conntrack::open() {
  fd_.reset(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!fd_) fail("open conntrack socket");
  const timeval patience{.tv_sec = 1, .tv_usec = 0};  // should the kernel lose an answer
  if (setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
    fail("set conntrack timeout");
}

void Conntrack::send(const void* request, std::size_t bytes) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (sendto(fd_.get(), request, bytes, 0, reinterpret_cast<const sockaddr*>(&kernel),
             sizeof kernel) < 0)
    fail("send conntrack request");
}

/// The bytes of the next datagram; 0 when there is none, or it was lost.
std::size_t Conntrack::receive(int flags) {
  const ssize_t bytes = recv(fd_.get(), buffer_.data(), buffer_.size(), flags);
  if (bytes >= 0) return static_cast<std::size_t>(bytes);
  if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR) return 0;
  fail("read conntrack answer");
}

/// How many flows the namespace has; all bits set when the kernel does not say.
std::uint32_t Conntrack::count() {
  alignas(nlmsghdr) std::array<char, 64> buffer;
  const nlmsghdr* request = put_request(buffer.data(), IPCTNL_MSG_CT_GET_STATS, 0, AF_UNSPEC);
  send(request, request->nlmsg_len);
  std::uint32_t flows = UINT32_MAX;
  each_message(buffer_, receive(0), [&](const nlmsghdr* message) {
    for_each_attribute(message, sizeof(nfgenmsg), [&](const nlattr* attribute) {
      if (mnl_attr_get_type(attribute) == CTA_STATS_GLOBAL_ENTRIES)
        flows = ntohl(mnl_attr_get_u32(attribute));
    });
  });
  while (receive(MSG_DONTWAIT) > 0)
    continue;
  return flows;
}

std::size_t Conntrack::forget(const FlowFilter& filter) {
  if (filter.empty() || count() == 0) return 0;

  alignas(nlmsghdr) std::array<char, 64> buffer;
  const nlmsghdr* request = put_request(buffer.data(), IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC);
  send(request, request->nlmsg_len);
  Deletions deletions;
  const auto limit = work_done() + search_limit;
  bool ended = false;
  while (!ended && work_done() < limit) {
    const std::size_t bytes = receive(0);
    if (bytes == 0) break;
    ended = each_message(buffer_, bytes, [&](const nlmsghdr* message) {
      const auto flow = read_flow(message);
      if (flow && filter.matches(*flow)) deletions.append(message);
    });
  }
  if (!ended) open();  // the dump still occupies the old socket

  // A flow that ended meanwhile is refused (ENOENT), which is as good.
  deletions.each_run([&](const char* requests, std::size_t bytes) {
    send(requests, bytes);
    while (receive(MSG_DONTWAIT) > 0)
      continue;
  });
  return deletions.size();
}

}  // namespace sandbox
