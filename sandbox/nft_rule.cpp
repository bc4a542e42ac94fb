#include <netinet/in.h>  // before linux/in.h

#include "sandbox/nft_rule.h"

#include <fmt/format.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <sys/socket.h>

#include <array>
#include <bit>
#include <cstddef>
#include <new>
#include <utility>

namespace sandbox {
namespace {

// Registers of 4 bytes each; a field begins at the next one (linux/netfilter/nf_tables.h).
constexpr std::uint32_t first_register = NFT_REG32_00;

std::array<std::uint8_t, 4> host_order_bytes(std::uint32_t number) {
  return std::bit_cast<std::array<std::uint8_t, 4>>(number);
}

}  // namespace

void NftRule::Delete::operator()(nftnl_rule* rule) const {
  nftnl_rule_free(rule);
}

NftRule::NftRule(std::uint8_t family, const char* table, const char* chain)
    : family_(family), chain_(chain), rule_(nftnl_rule_alloc()) {
  if (!rule_) throw std::bad_alloc();
  nftnl_rule_set_u32(rule_.get(), NFTNL_RULE_FAMILY, family);
  nftnl_rule_set_str(rule_.get(), NFTNL_RULE_TABLE, table);
  nftnl_rule_set_str(rule_.get(), NFTNL_RULE_CHAIN, chain);
}

NftRule::NftRule(NftRule&&) noexcept = default;
NftRule& NftRule::operator=(NftRule&&) noexcept = default;
NftRule::~NftRule() = default;

nftnl_expr* NftRule::add(const char* expression) {
  nftnl_expr* made = nftnl_expr_alloc(expression);
  if (!made) throw std::bad_alloc();
  nftnl_rule_add_expr(rule_.get(), made);
  return made;
}

std::uint32_t NftRule::take_register(std::uint32_t bytes) {
  const std::uint32_t taken = first_register + loaded_bytes_ / 4;
  loaded_bytes_ += (bytes + 3) / 4 * 4;
  return taken;
}

NftRule&& NftRule::load_meta(std::uint32_t key) {
  nftnl_expr* meta = add("meta");
  nftnl_expr_set_u32(meta, NFTNL_EXPR_META_KEY, key);
  nftnl_expr_set_u32(meta, NFTNL_EXPR_META_DREG, take_register(4));
  return std::move(*this);
}

NftRule&& NftRule::load_payload(std::uint32_t base, std::uint32_t offset, std::uint32_t bytes) {
  nftnl_expr* payload = add("payload");
  nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_BASE, base);
  nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
  nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_LEN, bytes);
  nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_DREG, take_register(bytes));
  return std::move(*this);
}

NftRule&& NftRule::compare(std::uint32_t operation, std::span<const std::uint8_t> bytes) {
  nftnl_expr* comparison = add("cmp");
  nftnl_expr_set_u32(comparison, NFTNL_EXPR_CMP_SREG, first_register);
  nftnl_expr_set_u32(comparison, NFTNL_EXPR_CMP_OP, operation);
  nftnl_expr_set(comparison, NFTNL_EXPR_CMP_DATA, bytes.data(),
                 static_cast<std::uint32_t>(bytes.size()));
  loaded_bytes_ = 0;
  return std::move(*this);
}

NftRule&& NftRule::mask(std::span<const std::uint8_t> bits) && {
  const std::array<std::uint8_t, 16> zero{};
  const auto bytes = static_cast<std::uint32_t>(bits.size());
  nftnl_expr* bitwise = add("bitwise");
  nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_SREG, first_register);
  nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_DREG, first_register);
  nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_LEN, bytes);
  nftnl_expr_set(bitwise, NFTNL_EXPR_BITWISE_MASK, bits.data(), bytes);
  nftnl_expr_set(bitwise, NFTNL_EXPR_BITWISE_XOR, zero.data(), bytes);
  return std::move(*this);
}

NftRule&& NftRule::any_bit(std::uint32_t ct_key, std::uint32_t bits) {
  nftnl_expr* ct = add("ct");
  nftnl_expr_set_u32(ct, NFTNL_EXPR_CT_KEY, ct_key);
  nftnl_expr_set_u32(ct, NFTNL_EXPR_CT_DREG, take_register(4));
  return std::move(*this).mask(host_order_bytes(bits)).differs(host_order_bytes(0));
}

NftRule&& NftRule::look_up(const char* set, std::uint32_t flags) {
  nftnl_expr* lookup = add("lookup");
  nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_SREG, first_register);
  nftnl_expr_set_str(lookup, NFTNL_EXPR_LOOKUP_SET, set);
  if (flags != 0) nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_FLAGS, flags);
  loaded_bytes_ = 0;
  return std::move(*this);
}

NftRule&& NftRule::ip4() && {
  const std::array<std::uint8_t, 1> number{NFPROTO_IPV4};
  return load_meta(NFT_META_NFPROTO).compare(NFT_CMP_EQ, number);
}

NftRule&& NftRule::ip6() && {
  const std::array<std::uint8_t, 1> number{NFPROTO_IPV6};
  return load_meta(NFT_META_NFPROTO).compare(NFT_CMP_EQ, number);
}

NftRule&& NftRule::is_protocol(std::uint8_t number) && {
  const std::array<std::uint8_t, 1> bytes{number};
  return load_meta(NFT_META_L4PROTO).compare(NFT_CMP_EQ, bytes);
}

NftRule&& NftRule::ct_state(std::uint32_t any_of) && {
  return any_bit(NFT_CT_STATE, any_of);
}
NftRule&& NftRule::ct_status(std::uint32_t any_of) && {
  return any_bit(NFT_CT_STATUS, any_of);
}

NftRule&& NftRule::to_local_address() && {
  nftnl_expr* fib = add("fib");
  nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
  nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
  nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_DREG, take_register(4));
  constexpr std::uint32_t rtn_local = 2;  // linux/rtnetlink.h
  return compare(NFT_CMP_EQ, host_order_bytes(rtn_local));
}

NftRule&& NftRule::link_name(std::uint32_t key, std::uint32_t operation, const std::string& name) {
  load_meta(key);
  // With its final zero, or names that begin so would be meant too.
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(name.c_str());
  return compare(operation, {bytes, name.size() + 1});
}

NftRule&& NftRule::from_link(const std::string& name) && {
  return link_name(NFT_META_IIFNAME, NFT_CMP_EQ, name);
}
NftRule&& NftRule::to_link(const std::string& name) && {
  return link_name(NFT_META_OIFNAME, NFT_CMP_EQ, name);
}
NftRule&& NftRule::not_to_link(const std::string& name) && {
  return link_name(NFT_META_OIFNAME, NFT_CMP_NEQ, name);
}

NftRule&& NftRule::iif() && {
  return load_meta(NFT_META_IIF);
}
NftRule&& NftRule::oif() && {
  return load_meta(NFT_META_OIF);
}
NftRule&& NftRule::protocol() && {
  return load_meta(NFT_META_L4PROTO);
}
NftRule&& NftRule::ip4_source(std::uint32_t bytes) && {
  return load_payload(NFT_PAYLOAD_NETWORK_HEADER, 12, bytes);  // RFC 791 3.1
}
NftRule&& NftRule::ip4_destination(std::uint32_t bytes) && {
  return load_payload(NFT_PAYLOAD_NETWORK_HEADER, 16, bytes);
}
NftRule&& NftRule::ip6_source() && {
  return load_payload(NFT_PAYLOAD_NETWORK_HEADER, 8, 16);  // RFC 8200 3
}
NftRule&& NftRule::ip6_destination() && {
  return load_payload(NFT_PAYLOAD_NETWORK_HEADER, 24, 16);
}
NftRule&& NftRule::source_port() && {
  return load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2);
}
NftRule&& NftRule::destination_port() && {
  return load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
}

NftRule&& NftRule::equals(std::span<const std::uint8_t> bytes) && {
  return compare(NFT_CMP_EQ, bytes);
}
NftRule&& NftRule::differs(std::span<const std::uint8_t> bytes) && {
  return compare(NFT_CMP_NEQ, bytes);
}
NftRule&& NftRule::in(const char* set) && {
  return look_up(set, 0);
}
NftRule&& NftRule::not_in(const char* set) && {
  return look_up(set, NFT_LOOKUP_F_INV);
}

NftRule&& NftRule::mapped_by(const char* map) && {
  nftnl_expr* lookup = add("lookup");
  nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_SREG, first_register);
  nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_DREG, first_register);
  nftnl_expr_set_str(lookup, NFTNL_EXPR_LOOKUP_SET, map);
  loaded_bytes_ = 0;
  return std::move(*this);
}

NftRule&& NftRule::count() && {
  add("counter");
  return std::move(*this);
}

NftRule&& NftRule::verdict(int code, const char* chain) {
  nftnl_expr* immediate = add("immediate");
  nftnl_expr_set_u32(immediate, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
  nftnl_expr_set_u32(immediate, NFTNL_EXPR_IMM_VERDICT, static_cast<std::uint32_t>(code));
  if (chain) nftnl_expr_set_str(immediate, NFTNL_EXPR_IMM_CHAIN, chain);
  return std::move(*this);
}

NftRule&& NftRule::accept() && {
  return verdict(NF_ACCEPT, nullptr);
}
NftRule&& NftRule::drop() && {
  return verdict(NF_DROP, nullptr);
}
NftRule&& NftRule::leave() && {
  return verdict(NFT_RETURN, nullptr);
}
NftRule&& NftRule::jump(const char* chain) && {
  return verdict(NFT_JUMP, chain);
}

NftRule&& NftRule::dnat(std::uint8_t family) && {
  const std::uint32_t address_registers = family == NFPROTO_IPV6 ? 4 : 1;
  nftnl_expr* nat = add("nat");
  nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
  nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_FAMILY, family);
  nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_REG_ADDR_MIN, first_register);
  nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_REG_PROTO_MIN, first_register + address_registers);
  return std::move(*this);
}

NftRule&& NftRule::snat(std::uint8_t family) && {
  nftnl_expr* nat = add("nat");
  nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_TYPE, NFT_NAT_SNAT);
  nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_FAMILY, family);
  nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_REG_ADDR_MIN, first_register);
  return std::move(*this);
}

NftRule&& NftRule::masquerade() && {
  add("masq");
  return std::move(*this);
}

NftRule&& NftRule::notrack() && {
  add("notrack");
  return std::move(*this);
}

NftRule&& NftRule::write_port(std::uint8_t protocol, std::uint32_t offset, std::uint16_t port) {
  const std::array<std::uint8_t, 2> bytes{static_cast<std::uint8_t>(port >> 8),
                                          static_cast<std::uint8_t>(port & 0xff)};
  nftnl_expr* immediate = add("immediate");
  nftnl_expr_set_u32(immediate, NFTNL_EXPR_IMM_DREG, first_register);
  nftnl_expr_set(immediate, NFTNL_EXPR_IMM_DATA, bytes.data(), bytes.size());

  nftnl_expr* payload = add("payload");
  nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_SREG, first_register);
  nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
  nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
  nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_LEN, bytes.size());
  nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
  // The checksum field: RFC 768, RFC 9293 3.1.
  nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_CSUM_OFFSET, protocol == IPPROTO_TCP ? 16 : 6);
  return std::move(*this);
}

NftRule&& NftRule::set_source_port(std::uint8_t protocol, std::uint16_t port) && {
  return write_port(protocol, 0, port);
}
NftRule&& NftRule::set_destination_port(std::uint8_t protocol, std::uint16_t port) && {
  return write_port(protocol, 2, port);
}

NftRule&& NftRule::comment(std::string_view text) && {
  const std::string terminated(text);
  nftnl_udata_buf* data = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
  if (!data) throw std::bad_alloc();
  nftnl_udata_put_strz(data, NFTNL_UDATA_RULE_COMMENT, terminated.c_str());
  nftnl_rule_set_data(rule_.get(), NFTNL_RULE_USERDATA, nftnl_udata_buf_data(data),
                      nftnl_udata_buf_len(data));
  nftnl_udata_buf_free(data);
  return std::move(*this);
}

void NftRule::append_to(NftBatch& batch) const {
  batch.append(
      NFT_MSG_NEWRULE, family_, NLM_F_CREATE | NLM_F_APPEND,
      [this](nlmsghdr* message) { nftnl_rule_nlmsg_build_payload(message, rule_.get()); },
      fmt::format("create a rule of chain {}", chain_));
}

}  // namespace sandbox
