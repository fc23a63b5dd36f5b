// Which rows a search reads: pieces of blocks, in order where most rows are wanted, by list where few are.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "match/block.h"
#include "match/row_set.h"
#include "match/snapshot.h"
#include "simd/match_kernels.h"

namespace sophon::match {

struct SetNode;

inline constexpr std::size_t kPieceRows = 1024;

struct Piece {
  const Block* block;
  simd::Rows rows;
  // The block's wanted rows, for a piece that is read in order and has others in between; else null.
  const BlockBits* wanted;
  // By place: of listed rows they are brought together, because each would be a cache line by itself.
  const simd::RowScale* coarse_scales;
  const simd::RowScale* fine_scales;
};

// Points into the snapshot, which the user holds.
class Pieces {
 public:
  // All live rows, or those of a set.
  explicit Pieces(const Snapshot& snapshot, const SetNode* allow = nullptr);
  // Pieces point into their own lists.
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;
  Pieces(Pieces&&) = delete;
  Pieces& operator=(Pieces&&) = delete;
  ~Pieces() = default;

  bool are_of(const Snapshot& snapshot) const { return version_ == snapshot.unseen; }
  const std::vector<Piece>& all() const { return pieces_; }
  // Rows that may be hits.
  std::size_t row_count() const { return row_count_; }

 private:
  void add_block(const Block& block, const BlockBits& wanted);
  void add_lists(const Block& block, std::vector<std::uint16_t> slots);

  struct List {
    std::vector<std::uint16_t> slots;
    std::vector<simd::RowScale> coarse_scales;
    std::vector<simd::RowScale> fine_scales;
  };

  std::shared_ptr<const std::atomic<bool>> version_;  // each snapshot has its own
  std::vector<Piece> pieces_;
  std::vector<BlockBits> allowed_;
  std::vector<List> lists_;
  std::size_t row_count_ = 0;
};

}  // namespace sophon::match
