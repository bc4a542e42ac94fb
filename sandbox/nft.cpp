#include "sandbox/nft.h"

#include <linux/netfilter.h>

#include <cerrno>
#include <cstddef>
#include <system_error>
#include <utility>

#include "sandbox/nft_batch.h"
#include "sandbox/nft_elements.h"
#include "sandbox/nft_ruleset.h"
#include "sandbox/nft_schema.h"

namespace sandbox {
namespace {

bool is_absent(const std::system_error& error) {
  return error.code() == std::error_code(ENOENT, std::system_category());
}

}  // namespace

Nft::Nft() : socket_(std::make_unique<NftSocket>()) {}
Nft::~Nft() = default;
Nft::Nft(Nft&&) noexcept = default;
Nft& Nft::operator=(Nft&&) noexcept = default;

void Nft::replace(const std::vector<Element>& elements) {
  NftBatch batch;
  append_table(batch, NFPROTO_INET, nft_table);  // so that there is one to delete
  append_table_deletion(batch, NFPROTO_INET, nft_table);
  append_table(batch, NFPROTO_INET, nft_table);
  append_ruleset(batch);
  append_additions(batch, elements);
  socket_->commit(batch);
}

void Nft::remove() {
  NftBatch batch;
  append_table_deletion(batch, NFPROTO_INET, nft_table);
  try {
    socket_->commit(batch);
  } catch (const std::system_error& error) {
    if (!is_absent(error)) throw;
  }
}

void Nft::add(const std::vector<Element>& elements) {
  NftBatch batch;
  append_additions(batch, elements);
  socket_->commit(batch);
}

// The kernel refuses a transaction whole for one absent element, but names every absent one, and a
// refusal costs it an RCU grace period (8 ms): leave those out and try again. The second round is
// the last unless somebody else deletes elements meanwhile.
void Nft::erase(const std::vector<Element>& elements) {
  constexpr int max_rounds = 16;
  std::vector<Element> left = elements;
  for (int round = 0; round < max_rounds; ++round) {
    NftBatch batch;
    append_deletions(batch, left);
    std::vector<std::size_t> absent = socket_->commit_unless(batch, ENOENT);
    if (absent.empty()) return;
    for (auto position = absent.rbegin(); position != absent.rend(); ++position)
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(*position));
  }
  throw std::system_error(EAGAIN, std::system_category(),
                          "delete elements of table inet netd: others are changing it");
}

}  // namespace sandbox
