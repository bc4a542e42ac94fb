#include "sandbox/nft_ruleset.h"

#include <fmt/format.h>
#include <libnftnl/chain.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>

#include <array>
#include <bit>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "sandbox/nft_rule.h"
#include "sandbox/nft_schema.h"

namespace sandbox {
namespace {

// Filter chains decide at the usual priority; a user's own table may come before or after them.
constexpr std::array chains{
    Chain{"raw_pre", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW},
    Chain{"nat_pre", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST},
    Chain{"nat_out", "nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST},
    Chain{"publish"},
    Chain{"input", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER},
    Chain{"forward", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER},
    Chain{"output", "filter", NF_INET_LOCAL_OUT, NF_IP_PRI_FILTER},
    Chain{"to_net"},
    Chain{"nat_post", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC},
    Chain{"post_in"},
    Chain{"post_out"},
};

constexpr std::array<std::uint8_t, 1> loopback_network{127};  // 127.0.0.0/8
const auto loopback_index = std::bit_cast<std::array<std::uint8_t, 4>>(std::uint32_t{1});
constexpr std::array<std::uint8_t, 16> loopback6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr std::array<std::uint8_t, 16> link_local6{0xfe, 0x80};  // fe80::/10
constexpr std::array<std::uint8_t, 16> link_local6_mask{0xff, 0xc0};

constexpr std::uint32_t established_or_related =
    NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED);

NftRule rule(const char* chain) {
  return NftRule(NFPROTO_INET, nft_table, chain);
}

// Where DNAT to a container begins. An internal network's packets are translated as well: `forward`
// drops them then. Left as they are, they would reach the socket that reserves the port on the
// host.
std::vector<NftRule> publishing() {
  std::vector<NftRule> rules;
  rules.push_back(rule("raw_pre")
                      .iif()
                      .differs(loopback_index)
                      .ip4()
                      .ip4_destination(1)
                      .equals(loopback_network)
                      .count()
                      .drop()
                      .comment("nobody reaches loopback from a wire"));
  rules.push_back(rule("nat_pre").to_local_address().jump("publish"));
  rules.push_back(rule("nat_out")
                      .ip4()
                      .ip4_destination(1)
                      .equals(loopback_network)
                      .leave()
                      .comment("loopback is served by the relay"));
  rules.push_back(rule("nat_out").ip6().ip6_destination().equals(loopback6).leave());
  rules.push_back(rule("nat_out").to_local_address().jump("publish"));

  rules.push_back(
      rule("publish").ip4().ip4_destination().protocol().destination_port().mapped_by("pub4a").dnat(
          NFPROTO_IPV4));
  rules.push_back(
      rule("publish").ip4().protocol().destination_port().mapped_by("pub4").dnat(NFPROTO_IPV4));
  // A link-local source cannot be routed on to the container; the relay may serve it.
  rules.push_back(rule("publish")
                      .iif()
                      .not_in("internal")
                      .ip6()
                      .ip6_source()
                      .mask(link_local6_mask)
                      .equals(link_local6)
                      .leave());
  rules.push_back(
      rule("publish").ip6().ip6_destination().protocol().destination_port().mapped_by("pub6a").dnat(
          NFPROTO_IPV6));
  rules.push_back(
      rule("publish").ip6().protocol().destination_port().mapped_by("pub6").dnat(NFPROTO_IPV6));
  return rules;
}

// Who may talk to the host. A VXLAN packet has no proof of its sender but its address: whoever else
// can reach the port could put frames into the networks.
std::vector<NftRule> admitting() {
  std::vector<NftRule> rules;
  rules.push_back(rule("input")
                      .iif()
                      .in("overlays")
                      .count()
                      .drop()
                      .comment("the host is in no overlay network"));
  rules.push_back(rule("input")
                      .ip4()
                      .is_protocol(IPPROTO_UDP)
                      .destination_port()
                      .in("tunnels")
                      .ip4_source()
                      .not_in("hosts4")
                      .count()
                      .drop()
                      .comment("tunnels only from hosts of the cluster"));
  rules.push_back(rule("input")
                      .ip6()
                      .is_protocol(IPPROTO_UDP)
                      .destination_port()
                      .in("tunnels")
                      .ip6_source()
                      .not_in("hosts6")
                      .count()
                      .drop()
                      .comment("tunnels only from hosts of the cluster"));
  rules.push_back(rule("input")
                      .is_protocol(IPPROTO_UDP)
                      .destination_port()
                      .in("enc_ports")
                      .iif()
                      .not_in("enc_links")
                      .count()
                      .drop()
                      .comment("in encrypted networks nothing comes in clear text"));
  rules.push_back(rule("output")
                      .is_protocol(IPPROTO_UDP)
                      .destination_port()
                      .in("enc_ports")
                      .oif()
                      .not_in("enc_links")
                      .count()
                      .drop()
                      .comment("nor does it leave so"));
  return rules;
}

// Who may talk to whom. The source's policy comes before the destination's: an internal network
// must not get out through a port that another network publishes.
std::vector<NftRule> filtering() {
  std::vector<NftRule> rules;
  rules.push_back(rule("forward").ct_state(established_or_related).accept());
  rules.push_back(rule("forward").iif().oif().in("samebr").accept());
  rules.push_back(rule("forward").iif().in("internal").count().drop());
  rules.push_back(rule("forward").oif().in("nets").jump("to_net"));

  rules.push_back(rule("to_net").ct_state(NF_CT_STATE_INVALID_BIT).count().drop());
  rules.push_back(rule("to_net").oif().in("internal").count().drop());
  rules.push_back(rule("to_net").ct_status(IPS_DST_NAT).accept());
  rules.push_back(
      rule("to_net").ip4().ip4_destination().protocol().destination_port().in("open4").accept());
  rules.push_back(
      rule("to_net").ip6().ip6_destination().protocol().destination_port().in("open6").accept());
  rules.push_back(rule("to_net").oif().in("open_in").accept());
  rules.push_back(rule("to_net").count().drop().comment("other networks, unpublished ports"));
  return rules;
}

// Which address packets leave with. A container that is answered directly over its bridge would not
// know the answer to what it sent to the host's address: hairpins are masqueraded.
std::vector<NftRule> masquerading() {
  std::vector<NftRule> rules;
  rules.push_back(rule("nat_post").oif().in("nets").ct_status(IPS_DST_NAT).jump("post_in"));
  rules.push_back(rule("nat_post").iif().oif().in("samebr").leave());
  rules.push_back(rule("nat_post").iif().in("nets").jump("post_out"));

  rules.push_back(rule("post_in").iif().oif().in("samebr").masquerade().comment("hairpin"));
  rules.push_back(rule("post_in").iif().oif().in("icc_off").masquerade().comment("hairpin"));
  rules.push_back(
      rule("post_in").ip4().ip4_source().ip4_destination().in("hair4").masquerade().comment(
          "to itself, bridged with br_netfilter"));
  rules.push_back(rule("post_in").ip6().ip6_source().ip6_destination().in("hair6").masquerade());
  rules.push_back(rule("post_in")
                      .ip4()
                      .ip4_source(1)
                      .equals(loopback_network)
                      .masquerade()
                      .comment("127.0.0.0/8 means nothing outside"));
  rules.push_back(rule("post_in").iif().in("nets").jump("post_out"));

  rules.push_back(rule("post_out").ip4().iif().mapped_by("snat4").snat(NFPROTO_IPV4));
  rules.push_back(rule("post_out").ip6().iif().mapped_by("snat6").snat(NFPROTO_IPV6));
  rules.push_back(rule("post_out").ip4().iif().in("masq").masquerade());
  rules.push_back(rule("post_out").ip6().iif().in("masq6").masquerade());
  return rules;
}

void set_comment(nftnl_set* set, const SetSchema& schema) {
  nftnl_udata_buf* data = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
  if (!data) throw std::bad_alloc();
  // BYTEORDER_HOST_ENDIAN = 1, BYTEORDER_BIG_ENDIAN = 2: how `nft list` reads a key of one field.
  const bool host_order = schema.key.size() == 1 && schema.key.front() == FieldType::link;
  nftnl_udata_put_u32(data, NFTNL_UDATA_SET_KEYBYTEORDER, host_order ? 1 : 2);
  if (schema.is_map()) nftnl_udata_put_u32(data, NFTNL_UDATA_SET_DATABYTEORDER, 2);
  nftnl_udata_put_strz(data, NFTNL_UDATA_SET_COMMENT, std::string(schema.comment).c_str());
  nftnl_set_set_data(set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(data),
                     nftnl_udata_buf_len(data));
  nftnl_udata_buf_free(data);
}

void append_set(NftBatch& batch, const SetSchema& schema, std::uint32_t id) {
  const std::unique_ptr<nftnl_set, decltype(&nftnl_set_free)> set(nftnl_set_alloc(),
                                                                  nftnl_set_free);
  if (!set) throw std::bad_alloc();
  const std::string name(schema.name);
  nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, nft_table);
  nftnl_set_set_str(set.get(), NFTNL_SET_NAME, name.c_str());
  nftnl_set_set_u32(set.get(), NFTNL_SET_ID, id);
  nftnl_set_set_u32(set.get(), NFTNL_SET_FLAGS, schema.is_map() ? NFT_SET_MAP : 0);
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_TYPE, nft_type(schema.key));
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_LEN, encoded_bytes(schema.key));
  if (schema.is_map()) {
    nftnl_set_set_u32(set.get(), NFTNL_SET_DATA_TYPE, nft_type(schema.value));
    nftnl_set_set_u32(set.get(), NFTNL_SET_DATA_LEN, encoded_bytes(schema.value));
  }
  set_comment(set.get(), schema);
  batch.append(
      NFT_MSG_NEWSET, NFPROTO_INET, NLM_F_CREATE | NLM_F_EXCL,
      [&](nlmsghdr* message) { nftnl_set_nlmsg_build_payload(message, set.get()); },
      fmt::format("create set {} of table inet {}", name, nft_table));
}

void append_table_message(NftBatch& batch, std::uint16_t type, std::uint16_t flags,
                          std::uint8_t family, const char* name, const char* verb) {
  const std::unique_ptr<nftnl_table, decltype(&nftnl_table_free)> table(nftnl_table_alloc(),
                                                                        nftnl_table_free);
  if (!table) throw std::bad_alloc();
  nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, name);
  batch.append(
      type, family, flags,
      [&](nlmsghdr* message) { nftnl_table_nlmsg_build_payload(message, table.get()); },
      fmt::format("{} table {} {}", verb, family == NFPROTO_INET ? "inet" : "ip", name));
}

}  // namespace

void append_table(NftBatch& batch, std::uint8_t family, const char* name, std::uint16_t flags) {
  append_table_message(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | flags, family, name, "create");
}

void append_table_deletion(NftBatch& batch, std::uint8_t family, const char* name) {
  append_table_message(batch, NFT_MSG_DELTABLE, 0, family, name, "delete");
}

void append_chain(NftBatch& batch, std::uint8_t family, const char* table, const Chain& chain) {
  const std::unique_ptr<nftnl_chain, decltype(&nftnl_chain_free)> made(nftnl_chain_alloc(),
                                                                       nftnl_chain_free);
  if (!made) throw std::bad_alloc();
  nftnl_chain_set_str(made.get(), NFTNL_CHAIN_TABLE, table);
  nftnl_chain_set_str(made.get(), NFTNL_CHAIN_NAME, chain.name);
  if (chain.type) {
    nftnl_chain_set_str(made.get(), NFTNL_CHAIN_TYPE, chain.type);
    nftnl_chain_set_u32(made.get(), NFTNL_CHAIN_HOOKNUM, chain.hook);
    nftnl_chain_set_s32(made.get(), NFTNL_CHAIN_PRIO, chain.priority);
    nftnl_chain_set_u32(made.get(), NFTNL_CHAIN_POLICY, NF_ACCEPT);
  }
  batch.append(
      NFT_MSG_NEWCHAIN, family, NLM_F_CREATE | NLM_F_EXCL,
      [&](nlmsghdr* message) { nftnl_chain_nlmsg_build_payload(message, made.get()); },
      fmt::format("create chain {} of table {}", chain.name, table));
}

void append_ruleset(NftBatch& batch) {
  std::uint32_t id = 0;
  for (const SetSchema& schema : nft_sets())
    append_set(batch, schema, ++id);
  for (const Chain& chain : chains)
    append_chain(batch, NFPROTO_INET, nft_table, chain);
  for (const auto& part : {publishing(), admitting(), filtering(), masquerading()})
    for (const NftRule& each : part)
      each.append_to(batch);
}

}  // namespace sandbox
