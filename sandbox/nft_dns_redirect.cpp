#include <netinet/in.h>  // before linux/in.h

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "sandbox/nft.h"
#include "sandbox/nft_batch.h"
#include "sandbox/nft_rule.h"
#include "sandbox/nft_ruleset.h"

namespace sandbox {
namespace {

constexpr const char* table = "netd-dns";
constexpr Chain output{"output", "filter", NF_INET_LOCAL_OUT, NF_IP_PRI_RAW};
constexpr std::array<std::uint8_t, 4> server{127, 0, 0, 11};
constexpr std::uint16_t dns_port = 53;

std::array<std::uint8_t, 2> network_order(std::uint16_t port) {
  return {static_cast<std::uint8_t>(port >> 8), static_cast<std::uint8_t>(port & 0xff)};
}

// notrack: the entries of a query and its answer would not match each other's ports. It does not
// switch conntrack on for the sandbox either, which NAT rules would.
NftRule query_rule(std::uint8_t protocol, std::uint16_t port) {
  return NftRule(NFPROTO_IPV4, table, output.name)
      .ip4_destination()
      .equals(server)
      .is_protocol(protocol)
      .destination_port()
      .equals(network_order(dns_port))
      .notrack()
      .set_destination_port(protocol, port);
}

NftRule answer_rule(std::uint8_t protocol, std::uint16_t port) {
  return NftRule(NFPROTO_IPV4, table, output.name)
      .ip4_source()
      .equals(server)
      .is_protocol(protocol)
      .source_port()
      .equals(network_order(port))
      .notrack()
      .set_source_port(protocol, dns_port);
}

void append_redirect(NftBatch& batch, std::uint16_t port) {
  append_table(batch, NFPROTO_IPV4, table, NLM_F_EXCL);
  append_chain(batch, NFPROTO_IPV4, table, output);
  for (const std::uint8_t protocol : {IPPROTO_UDP, IPPROTO_TCP}) {
    query_rule(protocol, port).append_to(batch);
    answer_rule(protocol, port).append_to(batch);
  }
}

bool is(const std::system_error& error, int code) {
  return error.code() == std::error_code(code, std::system_category());
}

}  // namespace

// Whatever deletes makes the kernel wait for an RCU grace period (15 ms) when the socket is closed,
// so a new sandbox, which has no table to replace, is spared it.
void redirect_dns(std::uint16_t port) {
  NftSocket socket;
  try {
    NftBatch fresh;
    append_redirect(fresh, port);
    socket.commit(fresh);
    return;
  } catch (const std::system_error& error) {
    if (!is(error, EEXIST)) throw;
  }
  NftBatch replacement;
  append_table_deletion(replacement, NFPROTO_IPV4, table);
  append_redirect(replacement, port);
  socket.commit(replacement);
}

void remove_dns_redirect() {
  NftBatch batch;
  append_table_deletion(batch, NFPROTO_IPV4, table);
  try {
    NftSocket().commit(batch);
  } catch (const std::system_error& error) {
    if (!is(error, ENOENT)) throw;
  }
}

}  // namespace sandbox
