#include "dns/udp_batch.h"

#include <cerrno>

namespace dns {

UdpBatch::UdpBatch() : slots_(std::make_unique<Slot[]>(capacity)) {
  for (std::size_t i = 0; i < capacity; ++i) {
    Slot& slot = slots_[i];
    slot.query_part = {slot.query.data(), slot.query.size()};
    msghdr& header = incoming_[i].msg_hdr;
    header.msg_name = &slot.client;
    header.msg_iov = &slot.query_part;
    header.msg_iovlen = 1;
  }
}

std::size_t UdpBatch::receive(int fd) {
  for (mmsghdr& message : incoming_)
    message.msg_hdr.msg_namelen = sizeof(sockaddr_in);
  const int count = recvmmsg(fd, incoming_.data(), capacity, MSG_DONTWAIT, nullptr);
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

std::span<const std::uint8_t> UdpBatch::query(std::size_t index) const {
  return std::span(slots_[index].query).first(incoming_[index].msg_len);
}

void UdpBatch::respond(std::size_t index, std::size_t size) {
  Slot& slot = slots_[index];
  slot.response_part = {slot.response.data(), size};
  msghdr& header = outgoing_[ready_++].msg_hdr;
  header.msg_name = &slot.client;
  header.msg_namelen = sizeof slot.client;
  header.msg_iov = &slot.response_part;
  header.msg_iovlen = 1;
}

void UdpBatch::send(int fd) {
  std::size_t sent = 0;
  while (sent < ready_) {
    const int count =
        sendmmsg(fd, &outgoing_[sent], static_cast<unsigned>(ready_ - sent), MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) break;
    // An error is about the first message only (a firewall's EPERM, say): leave that one out.
    sent += count < 0 ? 1 : static_cast<std::size_t>(count);
  }
  ready_ = 0;
}

}  // namespace dns
