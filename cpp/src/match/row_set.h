// Sets of rows that share what they have in common: a change copies one block's bits, not the whole set.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace sophon::match {

// A row is a place in the gallery: block * kBlockRows + slot.
using Row = std::uint32_t;
inline constexpr std::size_t kBlockRows = 4096;

using BlockBits = std::array<std::uint64_t, kBlockRows / 64>;

class RowSet {
 public:
  bool contains(Row row) const {
    const BlockBits* const bits = block(row / kBlockRows);
    return bits != nullptr && ((*bits)[row % kBlockRows / 64] >> (row % 64) & std::uint64_t{1}) != 0;
  }
  // The bits of one block; null when the set has no row there.
  const BlockBits* block(std::size_t index) const { return index < blocks_.size() ? blocks_[index].get() : nullptr; }
  std::size_t block_count() const { return blocks_.size(); }

 private:
  friend class RowSetEditor;
  std::vector<std::shared_ptr<const BlockBits>> blocks_;
};

// Changes a copy of a set; the set it came from stays as it is.
class RowSetEditor {
 public:
  explicit RowSetEditor(RowSet set) : set_(std::move(set)), own_(set_.blocks_.size(), nullptr) {}
  void insert(Row row) { bits(row / kBlockRows)[row % kBlockRows / 64] |= std::uint64_t{1} << (row % 64); }
  void erase(Row row) {
    if (set_.contains(row)) {
      bits(row / kBlockRows)[row % kBlockRows / 64] &= ~(std::uint64_t{1} << (row % 64));
    }
  }
  RowSet take() { return std::move(set_); }

 private:
  BlockBits& bits(std::size_t block);

  RowSet set_;
  std::vector<BlockBits*> own_;  // blocks already copied for this edit
};

}  // namespace sophon::match
