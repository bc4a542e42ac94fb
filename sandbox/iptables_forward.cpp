#include "sandbox/iptables_forward.h"

#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <string_view>
#include <system_error>
#include <vector>

#include "sandbox/nft_batch.h"
#include "sandbox/nft_rule.h"

namespace sandbox {
namespace {

constexpr const char* table = "filter";
constexpr const char* forward = "FORWARD";
constexpr const char* user_chain = "DOCKER-USER";
constexpr const char* isolation_chain = "DOCKER-ISOLATION-STAGE-2";  // until Docker 27
constexpr std::array<std::uint8_t, 2> families{NFPROTO_IPV4, NFPROTO_IPV6};

[[noreturn]] void fail(const char* act) {
  throw std::system_error(errno, std::system_category(), act);
}

/// Asks nf_tables and calls `use` for each answer. False: what was asked for is not there.
bool query(std::uint16_t type, std::uint8_t family, std::uint16_t flags,
           const std::function<void(nlmsghdr*)>& put,
           const std::function<void(const nlmsghdr*)>& use) {
  const Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!fd) fail("open nf_tables socket");
  alignas(nlmsghdr) std::array<char, 32768> buffer{};
  nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
  request->nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
  request->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(nfgenmsg)));
  header->nfgen_family = family;
  header->version = NFNETLINK_V0;
  put(request);
  if (send(fd.get(), request, request->nlmsg_len, 0) < 0) fail("ask nf_tables");
  for (;;) {
    const ssize_t received = recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) fail("read nf_tables answer");
    int left = static_cast<int>(received);
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
    for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_type == NLMSG_DONE) return true;
      if (message->nlmsg_type != NLMSG_ERROR) {
        use(message);
        continue;
      }
      errno = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
      if (errno == ENOENT) return false;
      if (errno != 0) fail("ask nf_tables");
      return true;
    }
  }
}

bool has_chain(std::uint8_t family, const char* chain) {
  const auto put = [&](nlmsghdr* request) {
    mnl_attr_put_strz(request, NFTA_CHAIN_TABLE, table);
    mnl_attr_put_strz(request, NFTA_CHAIN_NAME, chain);
  };
  return query(NFT_MSG_GETCHAIN, family, 0, put, [](const nlmsghdr*) {});
}

/// What netd writes into the rule's comment: which of its rules it is, for which link.
std::string comment_of(std::string_view what, const std::string& link) {
  return "netd " + std::string(what) + " " + link;
}

struct Written {
  std::string comment;
  std::uint64_t handle = 0;
};

/// netd's rules in FORWARD, of all links.
std::vector<Written> written_rules(std::uint8_t family) {
  std::vector<Written> rules;
  const auto put = [&](nlmsghdr* request) {
    mnl_attr_put_strz(request, NFTA_RULE_TABLE, table);
    mnl_attr_put_strz(request, NFTA_RULE_CHAIN, forward);
  };
  query(NFT_MSG_GETRULE, family, NLM_F_DUMP, put, [&](const nlmsghdr* message) {
    const std::unique_ptr<nftnl_rule, void (*)(const nftnl_rule*)> rule(nftnl_rule_alloc(),
                                                                        nftnl_rule_free);
    if (!rule || nftnl_rule_nlmsg_parse(message, rule.get()) < 0) return;
    std::uint32_t bytes = 0;
    const auto* data =
        static_cast<const char*>(nftnl_rule_get_data(rule.get(), NFTNL_RULE_USERDATA, &bytes));
    // Type, length, then the text with its final zero: libnftnl/udata.h.
    constexpr std::uint32_t head = 2;
    if (!data || bytes <= head) return;
    std::string comment(data + head, bytes - head);
    comment.resize(comment.find('\0') == std::string::npos ? comment.size() : comment.find('\0'));
    if (comment.starts_with("netd "))
      rules.push_back({comment, nftnl_rule_get_u64(rule.get(), NFTNL_RULE_HANDLE)});
  });
  return rules;
}

bool contains(const std::vector<Written>& rules, const std::string& comment) {
  for (const Written& rule : rules)
    if (rule.comment == comment) return true;
  return false;
}

void append_missing(NftBatch& batch, std::uint8_t family, const std::string& link) {
  const std::vector<Written> there = written_rules(family);
  const auto rule = [&] { return NftRule(family, table, forward); };
  const std::string apart = comment_of("apart", link), out = comment_of("from", link),
                    in = comment_of("to", link);
  if (!contains(there, out)) {
    if (!contains(there, apart) && has_chain(family, isolation_chain))
      rule()
          .from_link(link)
          .not_to_link(link)
          .count()
          .jump(isolation_chain)
          .comment(apart)
          .append_to(batch);
    rule().from_link(link).count().accept().comment(out).append_to(batch);
  }
  if (!contains(there, in)) rule().to_link(link).count().accept().comment(in).append_to(batch);
}

void append_deletions(NftBatch& batch, std::uint8_t family, const std::string& link) {
  for (const Written& written : written_rules(family)) {
    if (!written.comment.ends_with(" " + link)) continue;
    batch.append(
        NFT_MSG_DELRULE, family, 0,
        [&](nlmsghdr* message) {
          mnl_attr_put_strz(message, NFTA_RULE_TABLE, table);
          mnl_attr_put_strz(message, NFTA_RULE_CHAIN, forward);
          mnl_attr_put_u64(message, NFTA_RULE_HANDLE, htobe64(written.handle));
        },
        "delete rule of chain FORWARD of table filter");
  }
}

}  // namespace

void admit_forwarding(const std::string& link) {
  NftBatch batch;
  for (const std::uint8_t family : families)
    if (has_chain(family, user_chain)) append_missing(batch, family, link);
  if (!batch.empty()) NftSocket().commit(batch);
}

void withdraw_forwarding(const std::string& link) {
  NftBatch batch;
  for (const std::uint8_t family : families)
    append_deletions(batch, family, link);
  if (!batch.empty()) NftSocket().commit_unless(batch, ENOENT);
}

}  // namespace sandbox
