// One nftables rule, written left to right as `nft` prints it: what is loaded stands in registers,
// one after the other, until a comparison, a lookup or an action uses it.
//
//   NftRule(family, table, "forward").iif().oif().in("samebr").accept()
//   = iif . oif @samebr accept
#pragma once

#include <linux/netfilter/nf_tables.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/nft_batch.h"

struct nftnl_rule;
struct nftnl_expr;

namespace sandbox {

class NftRule {
 public:
  /// `family` NFPROTO_INET or NFPROTO_IPV4.
  NftRule(std::uint8_t family, const char* table, const char* chain);
  NftRule(NftRule&&) noexcept;
  NftRule& operator=(NftRule&&) noexcept;
  ~NftRule();

  // Conditions that stand alone.
  NftRule&& ip4() &&;                             // meta nfproto ipv4
  NftRule&& ip6() &&;                             // meta nfproto ipv6
  NftRule&& is_protocol(std::uint8_t number) &&;  // meta l4proto tcp
  NftRule&& ct_state(std::uint32_t any_of) &&;    // NF_CT_STATE_BIT(…)
  NftRule&& ct_status(std::uint32_t any_of) &&;   // IPS_*
  NftRule&& to_local_address() &&;                // fib daddr type local

  NftRule&& from_link(const std::string& name) &&;    // iifname "br0"
  NftRule&& to_link(const std::string& name) &&;      // oifname "br0"
  NftRule&& not_to_link(const std::string& name) &&;  // oifname != "br0"

  // Loads into the next registers. Addresses want ip4() or ip6() before them in an inet table.
  NftRule&& iif() &&;
  NftRule&& oif() &&;
  NftRule&& protocol() &&;  // meta l4proto
  NftRule&& ip4_source(std::uint32_t bytes = 4) &&;
  NftRule&& ip4_destination(std::uint32_t bytes = 4) &&;
  NftRule&& ip6_source() &&;
  NftRule&& ip6_destination() &&;
  NftRule&& source_port() &&;
  NftRule&& destination_port() &&;

  // Uses of what was loaded.
  NftRule&& mask(std::span<const std::uint8_t> bits) &&;
  NftRule&& equals(std::span<const std::uint8_t> bytes) &&;
  NftRule&& differs(std::span<const std::uint8_t> bytes) &&;
  NftRule&& in(const char* set) &&;
  NftRule&& not_in(const char* set) &&;
  /// Replaces the loaded key by the map's value.
  NftRule&& mapped_by(const char* map) &&;

  // Actions.
  NftRule&& count() &&;
  NftRule&& accept() &&;
  NftRule&& drop() &&;
  NftRule&& leave() &&;  // return
  NftRule&& jump(const char* chain) &&;
  /// To the loaded address . port; `family` NFPROTO_IPV4 or NFPROTO_IPV6.
  NftRule&& dnat(std::uint8_t family) &&;
  /// To the loaded address.
  NftRule&& snat(std::uint8_t family) &&;
  NftRule&& masquerade() &&;
  NftRule&& notrack() &&;
  /// Writes the port into the TCP or UDP header and repairs its checksum.
  NftRule&& set_source_port(std::uint8_t protocol, std::uint16_t port) &&;
  NftRule&& set_destination_port(std::uint8_t protocol, std::uint16_t port) &&;

  NftRule&& comment(std::string_view text) &&;

  /// NFT_MSG_NEWRULE at the chain's end.
  void append_to(NftBatch& batch) const;

 private:
  struct Delete {
    void operator()(nftnl_rule* rule) const;
  };

  nftnl_expr* add(const char* expression);
  NftRule&& load_meta(std::uint32_t key);
  NftRule&& link_name(std::uint32_t key, std::uint32_t operation, const std::string& name);
  NftRule&& load_payload(std::uint32_t base, std::uint32_t offset, std::uint32_t bytes);
  NftRule&& compare(std::uint32_t operation, std::span<const std::uint8_t> bytes);
  NftRule&& any_bit(std::uint32_t ct_key, std::uint32_t bits);
  NftRule&& look_up(const char* set, std::uint32_t flags);
  NftRule&& verdict(int code, const char* chain);
  NftRule&& write_port(std::uint8_t protocol, std::uint32_t offset, std::uint16_t port);
  std::uint32_t take_register(std::uint32_t bytes);

  std::uint8_t family_;
  std::string chain_;
  std::unique_ptr<nftnl_rule, Delete> rule_;
  std::uint32_t loaded_bytes_ = 0;
};

}  // namespace sandbox
