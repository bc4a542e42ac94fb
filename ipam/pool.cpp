#include "ipam/pool.h"

#include <bit>
#include <limits>

namespace ipam {

std::optional<unsigned> Pool::Chunk::find_free(unsigned from) const {
  for (unsigned word = from / 64; word < chunk_words; ++word) {
    std::uint64_t free = ~words[word];
    if (word == from / 64) free &= ~std::uint64_t{0} << (from % 64);
    if (free != 0) return word * 64 + static_cast<unsigned>(std::countr_zero(free));
  }
  return std::nullopt;
}

Pool::Pool(const Prefix& subnet, const std::optional<Prefix>& range)
    : subnet_(subnet.masked()),
      range_(range && subnet.contains(*range) ? range->masked() : subnet_),
      first_(offset_of(range_.network())),
      last_(offset_of(range_.last())),
      next_(first_) {
  if (subnet_.address.bits() - subnet_.length < 2) return;  // /31, /32, /127, /128
  set(0);
  if (subnet_.family() == Family::v4) set(offset_of(subnet_.last()));
}

std::optional<Address> Pool::allocate() {
  auto found = find_free(next_, last_);
  if (!found && next_ > first_) found = find_free(first_, next_ - 1);
  if (!found) return std::nullopt;
  set(*found);
  next_ = *found == last_ ? first_ : *found + 1;
  return address_at(*found);
}

std::optional<Address> Pool::allocate_first() {
  const auto found = find_free(first_, last_);
  if (!found) return std::nullopt;
  set(*found);
  return address_at(*found);
}

bool Pool::reserve(const Address& address) {
  if (!contains(address) || is_allocated(address)) return false;
  set(offset_of(address));
  return true;
}

void Pool::release(const Address& address) {
  if (!is_allocated(address) || is_own(offset_of(address))) return;
  clear(offset_of(address));
}

bool Pool::is_allocated(const Address& address) const {
  return contains(address) && test(offset_of(address));
}

std::uint64_t Pool::available() const {
  // Counted as "free ones beyond the first", for the size of ::/0 itself doesn't fit.
  const Offset beyond_first = last_ - first_;
  if (beyond_first < used_in_range_) return 0;
  const Offset more = beyond_first - used_in_range_;
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  return more >= most ? most : static_cast<std::uint64_t>(more) + 1;
}

std::size_t Pool::memory_bytes() const {
  constexpr std::size_t node_overhead = 4 * sizeof(void*);
  return sizeof(Pool) + chunks_.size() * (sizeof(*chunks_.begin()) + node_overhead);
}

Offset Pool::offset_of(const Address& address) const {
  return address.value() - subnet_.address.value();
}

Address Pool::address_at(Offset offset) const {
  return Address::from_value(subnet_.family(), subnet_.address.value() + offset);
}

bool Pool::is_own(Offset offset) const {
  if (subnet_.address.bits() - subnet_.length < 2) return false;
  return offset == 0 || (subnet_.family() == Family::v4 && offset == offset_of(subnet_.last()));
}

bool Pool::test(Offset offset) const {
  const auto chunk = chunks_.find(offset / chunk_bits);
  if (chunk == chunks_.end()) return false;
  const auto bit = static_cast<unsigned>(offset % chunk_bits);
  return (chunk->second.words[bit / 64] >> (bit % 64) & 1) != 0;
}

void Pool::set(Offset offset) {
  Chunk& chunk = chunks_[offset / chunk_bits];
  const auto bit = static_cast<unsigned>(offset % chunk_bits);
  chunk.words[bit / 64] |= std::uint64_t{1} << (bit % 64);
  ++chunk.used;
  ++used_;
  if (is_in_range(offset)) ++used_in_range_;
}

void Pool::clear(Offset offset) {
  const auto chunk = chunks_.find(offset / chunk_bits);
  const auto bit = static_cast<unsigned>(offset % chunk_bits);
  chunk->second.words[bit / 64] &= ~(std::uint64_t{1} << (bit % 64));
  --used_;
  if (is_in_range(offset)) --used_in_range_;
  if (--chunk->second.used == 0) chunks_.erase(chunk);
}

/// The first free offset in [from, to]. Only full chunks are walked over: the first one with a gap,
/// or the first one that isn't there, ends the search.
std::optional<Offset> Pool::find_free(Offset from, Offset to) const {
  for (auto chunk = chunks_.lower_bound(from / chunk_bits);; ++chunk) {
    const Offset index = from / chunk_bits;
    if (chunk == chunks_.end() || chunk->first != index) return from;
    if (const auto bit = chunk->second.find_free(static_cast<unsigned>(from % chunk_bits))) {
      const Offset found = index * chunk_bits + *bit;
      return found <= to ? std::optional(found) : std::nullopt;
    }
    if (index == to / chunk_bits) return std::nullopt;
    from = (index + 1) * chunk_bits;
  }
}

}  // namespace ipam
