// Room for up to 64 UDP queries and their responses: one system call each way (recvmmsg, sendmmsg).
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "dns/message.h"

namespace dns {

class UdpBatch {
 public:
  static constexpr std::size_t capacity = 64;

  UdpBatch();
  /// Reads what is there without waiting; the number of queries.
  std::size_t receive(int fd);
  std::span<const std::uint8_t> query(std::size_t index) const;
  const sockaddr_in& client(std::size_t index) const { return slots_[index].client; }
  std::span<std::uint8_t> response_buffer(std::size_t index) { return slots_[index].response; }
  /// The response in slot `index` is ready, to go out with the next `send`.
  void respond(std::size_t index, std::size_t size);
  /// Sends all that are ready. What the socket doesn't take is lost, as UDP may be.
  void send(int fd);

 private:
  struct Slot {
    std::array<std::uint8_t, max_udp_query> query;
    std::array<std::uint8_t, max_udp_response> response;
    sockaddr_in client;
    iovec query_part;
    iovec response_part;
  };
  std::unique_ptr<Slot[]> slots_;
  std::array<mmsghdr, capacity> incoming_{};
  std::array<mmsghdr, capacity> outgoing_{};
  std::size_t ready_ = 0;  // of outgoing_
};

}  // namespace dns
