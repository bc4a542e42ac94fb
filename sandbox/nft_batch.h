// One nf_tables transaction, and the netlink socket that carries it out.
// Source: linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h; libnftnl writes the payloads.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sandbox/fd.h"

namespace sandbox {

/// The messages between NFNL_MSG_BATCH_BEGIN and _END: the kernel does all of them or none.
class NftBatch {
 public:
  /// Writes what follows the message's header (libnftnl's …_nlmsg_build_payload, at most 64 KiB).
  using Build = std::function<void(nlmsghdr* message)>;
  /// What a refused message was for: "create chain forward". `attribute` is where the kernel points
  /// to in the message, or null.
  using Describe = std::function<std::string(const nlmsghdr* message, const nlattr* attribute)>;

  NftBatch();

  /// `type` NFT_MSG_*, `family` NFPROTO_*, `flags` NLM_F_*.
  void append(std::uint16_t type, std::uint8_t family, std::uint16_t flags, const Build& build,
              Describe describe);
  void append(std::uint16_t type, std::uint8_t family, std::uint16_t flags, const Build& build,
              std::string act);
  bool empty() const { return describes_.empty(); }

 private:
  friend class NftSocket;

  nlmsghdr* make_room();
  void close_message(const nlmsghdr* message);

  std::vector<std::uint8_t> buffer_;
  std::size_t used_ = 0;
  std::vector<std::size_t> offsets_;  // of each message, the two batch marks left out
  std::vector<Describe> describes_;
};

/// A NETLINK_NETFILTER socket of the network namespace in which it was opened.
class NftSocket {
 public:
  NftSocket();

  /// Carries the transaction out and waits for its end. An empty batch is done at once. Throws
  /// std::system_error that describes the first refused message.
  void commit(NftBatch& batch);

  /// As commit, but when messages are refused for no other reason than `code`, nothing is thrown:
  /// their positions come back, and nothing is done. Empty = done.
  std::vector<std::size_t> commit_unless(NftBatch& batch, int code);

 private:
  struct Refusal;
  std::vector<Refusal> exchange(NftBatch& batch);
  std::vector<Refusal> read_answers(std::uint32_t last);
  void send(const NftBatch& batch);
  [[noreturn]] static void fail(const NftBatch& batch, const Refusal& refusal);

  Fd fd_;
};

}  // namespace sandbox
