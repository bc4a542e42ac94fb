// Elements of table `inet netd` as messages of a transaction.
#pragma once

#include <vector>

#include "sandbox/nft_batch.h"
#include "sandbox/plan.h"

namespace sandbox {

/// Messages that add them; an element that exists already makes the kernel refuse the transaction
/// (EEXIST). Throws std::invalid_argument for an element that its set cannot hold. The elements
/// have to outlive the batch.
void append_additions(NftBatch& batch, const std::vector<Element>& elements);

/// One message for each element, in this order, that deletes it by key; an absent one makes the
/// kernel refuse the transaction (ENOENT).
void append_deletions(NftBatch& batch, const std::vector<Element>& elements);

}  // namespace sandbox
