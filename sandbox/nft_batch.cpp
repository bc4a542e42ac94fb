#include "sandbox/nft_batch.h"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "sandbox/attributes.h"

namespace sandbox {
namespace {

// libmnl writes attributes without a look at the buffer's end. A message's nested attributes are at
// most 64 KiB, its fixed ones far less than the rest.
constexpr std::size_t message_room_bytes = 128 * 1024;

// The whole batch is one datagram, and the answers to a batch that is refused everywhere are one
// small message each. 32 MiB hold 500,000 elements.
constexpr int send_buffer_bytes = 32 * 1024 * 1024;
constexpr int receive_buffer_bytes = 4 * 1024 * 1024;

[[noreturn]] void throw_errno(const std::string& act) {
  throw std::system_error(errno, std::system_category(), act);
}

void set_option(int fd, int level, int option, int value, const char* act) {
  if (setsockopt(fd, level, option, &value, sizeof value) < 0) throw_errno(act);
}

/// Where the kernel found the fault in our message (NLMSGERR_ATTR_OFFS), or nothing.
std::optional<std::uint32_t> fault_offset(const nlmsghdr* answer) {
  if ((answer->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return std::nullopt;
  const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(answer));
  std::size_t fixed_bytes = sizeof *error;
  // NETLINK_CAP_ACK: only the header of our message comes back, so the attributes follow it.
  if ((answer->nlmsg_flags & NLM_F_CAPPED) == 0)
    fixed_bytes += mnl_nlmsg_get_payload_len(&error->msg);
  std::optional<std::uint32_t> offset;
  for_each_attribute(answer, fixed_bytes, [&](const nlattr* attribute) {
    if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_OFFS &&
        mnl_attr_get_payload_len(attribute) == sizeof(std::uint32_t))
      offset = mnl_attr_get_u32(attribute);
  });
  return offset;
}

}  // namespace

NftBatch::NftBatch() {
  close_message(nftnl_batch_begin(reinterpret_cast<char*>(make_room()), 0));
}

nlmsghdr* NftBatch::make_room() {
  if (buffer_.size() < used_ + message_room_bytes)
    buffer_.resize(2 * buffer_.size() + message_room_bytes);
  return reinterpret_cast<nlmsghdr*>(buffer_.data() + used_);
}

void NftBatch::close_message(const nlmsghdr* message) {
  used_ += MNL_ALIGN(message->nlmsg_len);
}

void NftBatch::append(std::uint16_t type, std::uint8_t family, std::uint16_t flags,
                      const Build& build, Describe describe) {
  const auto sequence = static_cast<std::uint32_t>(offsets_.size() + 1);
  nlmsghdr* message =
      nftnl_nlmsg_build_hdr(reinterpret_cast<char*>(make_room()), type, family, flags, sequence);
  build(message);
  offsets_.push_back(used_);
  describes_.push_back(std::move(describe));
  close_message(message);
}

void NftBatch::append(std::uint16_t type, std::uint8_t family, std::uint16_t flags,
                      const Build& build, std::string act) {
  append(type, family, flags, build,
         [act = std::move(act)](const nlmsghdr*, const nlattr*) { return act; });
}

struct NftSocket::Refusal {
  int error = 0;
  std::uint32_t sequence = 0;           // of the message; others = the transaction as a whole
  std::optional<std::uint32_t> offset;  // of the faulty attribute in the message
};

NftSocket::NftSocket() : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)) {
  if (!fd_) throw_errno("open nf_tables socket");
  set_option(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, send_buffer_bytes, "enlarge send buffer");
  set_option(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, receive_buffer_bytes, "enlarge receive buffer");
  set_option(fd_.get(), SOL_NETLINK, NETLINK_EXT_ACK, 1, "ask for details of nf_tables errors");
  set_option(fd_.get(), SOL_NETLINK, NETLINK_CAP_ACK, 1, "ask for short nf_tables errors");
}

void NftSocket::send(const NftBatch& batch) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const ssize_t sent = sendto(fd_.get(), batch.buffer_.data(), batch.used_, 0,
                              reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
  if (sent < 0) throw_errno(fmt::format("send {} nf_tables requests", batch.offsets_.size()));
}

// nfnetlink works in the sender's context: all answers are there when sendto returns. It looks at
// every message even after one is refused, so each fault is reported.
std::vector<NftSocket::Refusal> NftSocket::read_answers(std::uint32_t last) {
  std::vector<Refusal> refusals;
  bool acknowledged = false;
  alignas(nlmsghdr) std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t received = recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (received < 0 && errno == EAGAIN) break;
    if (received < 0 && (errno == ENOBUFS || errno == EINTR)) continue;  // some answers are lost
    if (received < 0) throw_errno("read nf_tables answer");
    int left = static_cast<int>(received);
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
    for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_type != NLMSG_ERROR) continue;
      const int error = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
      if (error == 0 && message->nlmsg_seq == last) acknowledged = true;
      if (error != 0) refusals.push_back({error, message->nlmsg_seq, fault_offset(message)});
    }
  }
  if (refusals.empty() && !acknowledged) refusals.push_back({EPROTO, 0, std::nullopt});
  return refusals;
}

std::vector<NftSocket::Refusal> NftSocket::exchange(NftBatch& batch) {
  const auto last = static_cast<std::uint32_t>(batch.offsets_.size());
  reinterpret_cast<nlmsghdr*>(batch.buffer_.data() + batch.offsets_.back())->nlmsg_flags |=
      NLM_F_ACK;
  batch.close_message(nftnl_batch_end(reinterpret_cast<char*>(batch.make_room()), last + 1));
  send(batch);
  return read_answers(last);
}

void NftSocket::fail(const NftBatch& batch, const Refusal& refusal) {
  const auto code = std::error_code(refusal.error, std::system_category());
  if (refusal.sequence == 0 || refusal.sequence > batch.offsets_.size())
    throw std::system_error(code, "commit nf_tables transaction");
  const std::size_t position = refusal.sequence - 1;
  const auto* bytes = batch.buffer_.data() + batch.offsets_[position];
  const auto* message = reinterpret_cast<const nlmsghdr*>(bytes);
  const nlattr* attribute = nullptr;
  if (refusal.offset && *refusal.offset < message->nlmsg_len)
    attribute = reinterpret_cast<const nlattr*>(bytes + *refusal.offset);
  throw std::system_error(code, batch.describes_[position](message, attribute));
}

void NftSocket::commit(NftBatch& batch) {
  if (batch.empty()) return;
  const std::vector<Refusal> refusals = exchange(batch);
  if (!refusals.empty()) fail(batch, refusals.front());
}

std::vector<std::size_t> NftSocket::commit_unless(NftBatch& batch, int code) {
  std::vector<std::size_t> positions;
  if (batch.empty()) return positions;
  for (const Refusal& refusal : exchange(batch)) {
    if (refusal.error != code || refusal.sequence == 0) fail(batch, refusal);
    positions.push_back(refusal.sequence - 1);
  }
  return positions;
}

}  // namespace sandbox
