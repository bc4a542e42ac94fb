// What table `inet netd` consists of besides its elements: a constant number of sets, chains and
// rules. docs/nftables.md shows them as `nft` prints them and explains each.
#pragma once

#include <cstdint>

#include "sandbox/nft_batch.h"

namespace sandbox {

/// A message that makes the table. One that exists already stays as it is, or with `flags`
/// NLM_F_EXCL is refused (EEXIST).
void append_table(NftBatch& batch, std::uint8_t family, const char* name, std::uint16_t flags = 0);

/// A message that deletes the table with all in it; an absent one is refused (ENOENT).
void append_table_deletion(NftBatch& batch, std::uint8_t family, const char* name);

/// A chain; `type` null makes a plain one, else `hook` and `priority` attach it (policy accept).
struct Chain {
  const char* name;
  const char* type = nullptr;
  std::uint32_t hook = 0;
  std::int32_t priority = 0;
};
void append_chain(NftBatch& batch, std::uint8_t family, const char* table, const Chain& chain);

/// All sets, chains and rules of table `inet netd`, which has to be empty.
void append_ruleset(NftBatch& batch);

}  // namespace sandbox
