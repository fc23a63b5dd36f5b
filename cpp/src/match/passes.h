// The passes of a search: four-bit products for every row, eight-bit ones for rows whose bound reaches the floor,
// float32 for what is left. A row is dropped only where match/bounds.h proves that it can't be a hit.
#pragma once

#include <cstddef>
#include <span>

#include "match/pieces.h"
#include "match/query.h"
#include "match/scratch.h"
#include "simd/match_kernels.h"

namespace sophon::match {

// How many rows of the first pass wait for the others at a time: as many as have their products in the cache.
constexpr std::size_t rows_at_a_time(std::size_t query_count) {
  constexpr std::size_t kProducts = 65536;
  return std::max(kProducts / query_count, kPieceRows);
}

class Passes {
 public:
  Passes(const simd::MatchKernels& kernels, Scratch& scratch) : kernels_(kernels), scratch_(scratch) {}

  // Offers what these pieces have to each query's best.
  void run(std::span<const Piece> pieces, std::span<Query> queries);

 private:
  // Pieces that go through the passes together, with one query's scores of the first pass.
  struct Chunk {
    std::span<const Piece> pieces;
    std::span<const std::size_t> offsets;  // where each piece's scores begin
    const float* scores;
  };

  void coarse_scores(std::span<const Piece> pieces, std::span<const std::size_t> offsets,
                     std::span<const Query> queries, std::size_t stride);
  void raise_floor(const Chunk& chunk, Query& query);
  void collect_candidates(const Chunk& chunk, Query& query);
  void keep_coarse(const Piece& piece, const float* scores, const Query& query, Kept& kept) const;
  void keep_fine(const Piece& piece, const float* scores, Query& query, Kept& kept);
  void score_candidates(Query& query);
  void score(const Block& block, std::size_t slot, Query& query) const;

  const simd::MatchKernels& kernels_;
  Scratch& scratch_;
};

}  // namespace sophon::match
