// rtnetlink(7): build a message, send it, hear what the kernel says. The requests themselves are in
// links.h and addresses.h.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ipam/address.h"

struct nl_msg;
struct nl_sock;
struct nlattr;
struct nlmsghdr;

namespace sandbox {

/// A request under construction. Every function throws std::system_error (EMSGSIZE) when the
/// message would exceed a page.
class RtnlMessage {
 public:
  /// `type` is RTM_NEWLINK …; NLM_F_REQUEST and NLM_F_ACK are added to `flags` when it is sent.
  RtnlMessage(int type, int flags = 0);

  /// The family's fixed header (ifinfomsg, ifaddrmsg, rtmsg), before any attribute.
  template <class Header>
  void append(const Header& header) {
    append_bytes(&header, sizeof header);
  }

  void put(int attribute, std::span<const std::uint8_t> bytes);
  void put(int attribute, const std::string& text);  // zero-terminated
  void put_u32(int attribute, std::uint32_t value);
  void put_u16(int attribute, std::uint16_t value);
  void put_u8(int attribute, std::uint8_t value);
  void put(int attribute, const ipam::Mac& mac) { put(attribute, std::span(mac.bytes)); }
  void put(int attribute, const ipam::Address& address) { put(attribute, address.bytes()); }

  /// Attribute `attribute` holds what `fill()` puts.
  template <class Fill>
  void nest(int attribute, Fill&& fill) {
    nlattr* const start = begin_nest(attribute);
    fill();
    end_nest(start);
  }

  nl_msg* get() { return message_.get(); }

 private:
  struct Free {
    void operator()(nl_msg* message) const;
  };
  void append_bytes(const void* bytes, std::size_t size);
  nlattr* begin_nest(int attribute);
  void end_nest(nlattr* start);

  std::unique_ptr<nl_msg, Free> message_;
};

/// A NETLINK_ROUTE socket, or one of another protocol (linux/netlink.h), in the namespace of the
/// thread that constructs it, for good. One thread at a time.
///
/// Failures are thrown as std::system_error with the kernel's code and the text
/// "ACT[: the kernel's own words]: ERROR", where ACT says act and object ("create veth nv3f2a91").
class RtnlSocket {
 public:
  using Reply = std::function<void(nlmsghdr*)>;

  explicit RtnlSocket(int protocol = NETLINK_ROUTE);

  /// Sends and waits for the acknowledgement.
  void request(RtnlMessage& message, const std::string& act) { exchange(message, act, {}); }
  /// Sends and hands each answer to `reply`. For a get of one object.
  void query(RtnlMessage& message, const std::string& act, const Reply& reply) {
    exchange(message, act, reply);
  }
  /// Lists: adds NLM_F_DUMP and hands each object to `reply`, after all have arrived. Repeats what
  /// a change in between made inconsistent (NLM_F_DUMP_INTR) a bounded number of times.
  void dump(RtnlMessage& message, const std::string& act, const Reply& reply);

 private:
  struct Free {
    void operator()(nl_sock* socket) const;
  };
  void exchange(RtnlMessage& message, const std::string& act, const Reply& reply);
  std::uint32_t send(RtnlMessage& message, const std::string& act);
  std::size_t receive(std::span<std::uint8_t> buffer, const std::string& act);
  std::optional<std::vector<std::uint8_t>> collect(RtnlMessage& message, const std::string& act);

  std::unique_ptr<nl_sock, Free> socket_;
};

}  // namespace sandbox
