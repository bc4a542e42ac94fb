#include "sandbox/nft_elements.h"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "sandbox/attributes.h"
#include "sandbox/nft_schema.h"

namespace sandbox {
namespace {

using Chunk = std::vector<const Element*>;

// The nested attribute that holds a message's elements has a 16-bit length; the largest element
// (pub6a) takes 64 bytes.
constexpr std::size_t elements_per_message = 512;

std::map<const SetSchema*, Chunk> group_by_set(const std::vector<Element>& elements) {
  std::map<const SetSchema*, Chunk> groups;
  for (const Element& element : elements)
    groups[&schema_of(element)].push_back(&element);
  return groups;
}

void add_to(nftnl_set* set, const Element& element, bool with_value) {
  nftnl_set_elem* made = nftnl_set_elem_alloc();
  if (!made) throw std::bad_alloc();
  const auto key = encode(element.key);
  nftnl_set_elem_set(made, NFTNL_SET_ELEM_KEY, key.data(), static_cast<std::uint32_t>(key.size()));
  if (with_value && !element.value.empty()) {
    const auto value = encode(element.value);
    nftnl_set_elem_set(made, NFTNL_SET_ELEM_DATA, value.data(),
                       static_cast<std::uint32_t>(value.size()));
  }
  nftnl_set_elem_add(set, made);
}

void build(nlmsghdr* message, const Chunk& chunk, bool with_value) {
  const std::unique_ptr<nftnl_set, decltype(&nftnl_set_free)> set(nftnl_set_alloc(),
                                                                  nftnl_set_free);
  if (!set) throw std::bad_alloc();
  nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, nft_table);
  nftnl_set_set_str(set.get(), NFTNL_SET_NAME, chunk.front()->set.c_str());
  for (const Element* element : chunk)
    add_to(set.get(), *element, with_value);
  nftnl_set_elems_nlmsg_build_payload(message, set.get());
}

/// The element that the kernel points to in the message, or null.
const Element* faulty_element(const nlmsghdr* message, const nlattr* fault, const Chunk& chunk) {
  const Element* found = nullptr;
  for_each_attribute(message, sizeof(nfgenmsg), [&](const nlattr* list) {
    if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS) return;
    std::size_t index = 0;
    for_each_nested(list, [&](const nlattr* element) {
      if (element == fault && index < chunk.size()) found = chunk[index];
      ++index;
    });
  });
  return found;
}

std::string describe(bool adding, const Element* faulty, const Chunk& chunk) {
  const char* verb = adding ? "add" : "delete";
  const std::string place = fmt::format("{} set {} of table inet {}", adding ? "to" : "from",
                                        chunk.front()->set, nft_table);
  if (!faulty && chunk.size() == 1) faulty = chunk.front();
  if (faulty) return fmt::format("{} element {} {}", verb, to_text(*faulty), place);
  return fmt::format("{} {} elements, the first {}, {}", verb, chunk.size(),
                     to_text(*chunk.front()), place);
}

void append(NftBatch& batch, const Chunk& chunk, bool adding) {
  batch.append(
      adding ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, NFPROTO_INET,
      adding ? NLM_F_CREATE | NLM_F_EXCL : 0,
      [&](nlmsghdr* message) { build(message, chunk, adding); },
      [adding, chunk](const nlmsghdr* message, const nlattr* fault) {
        return describe(adding, faulty_element(message, fault, chunk), chunk);
      });
}

}  // namespace

void append_additions(NftBatch& batch, const std::vector<Element>& elements) {
  for (const auto& [schema, all] : group_by_set(elements)) {
    for (std::size_t begin = 0; begin < all.size(); begin += elements_per_message) {
      const std::size_t end = std::min(all.size(), begin + elements_per_message);
      append(batch,
             Chunk(all.begin() + static_cast<std::ptrdiff_t>(begin),
                   all.begin() + static_cast<std::ptrdiff_t>(end)),
             true);
    }
  }
}

void append_deletions(NftBatch& batch, const std::vector<Element>& elements) {
  for (const Element& element : elements) {
    schema_of(element);  // throws for one that no set holds
    append(batch, Chunk{&element}, false);
  }
}

}  // namespace sandbox
