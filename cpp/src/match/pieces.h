// Which rows a search reads: pieces of blocks, in order where most rows are wanted, by list where few are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "match/block.h"
#include "match/row_set.h"
#include "match/snapshot.h"
#include "simd/match_kernels.h"
#include "sophon/subset.h"

namespace sophon::match {

inline constexpr std::size_t kPieceRows = 1024;

struct Piece {
  const Block* block;
  simd::Rows rows;
  // The block's wanted rows, for a piece that is read in order and has others in between; else null.
  const BlockBits* wanted;
};

class Pieces {
 public:
  Pieces(std::shared_ptr<const Snapshot> snapshot, const std::optional<Subset>& allow);
  // Pieces point into their own lists.
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;
  Pieces(Pieces&&) = delete;
  Pieces& operator=(Pieces&&) = delete;
  ~Pieces() = default;

  const std::vector<Piece>& all() const { return pieces_; }
  // Rows that may be hits.
  std::size_t row_count() const { return row_count_; }

 private:
  void add_block(const Block& block, const BlockBits& wanted);
  void add_lists(const Block& block, std::vector<std::uint16_t> slots);

  std::shared_ptr<const Snapshot> snapshot_;
  std::vector<Piece> pieces_;
  std::vector<BlockBits> allowed_;
  std::vector<std::vector<std::uint16_t>> lists_;
  std::size_t row_count_ = 0;
};

}  // namespace sophon::match
