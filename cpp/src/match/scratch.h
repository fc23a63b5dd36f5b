// Memory that a search works in, kept for the next one: fresh memory would cost more than many a search.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "match/block.h"
#include "match/pieces.h"
#include "simd/match_kernels.h"

namespace sophon::match {

// A row that the integer passes could not rule out.
struct Candidate {
  float bound;
  std::uint32_t slot;
  const Block* block;
};

// Places of one piece that the first pass kept; `list` has their slots, `fine_scales` the second pass's scales.
struct Kept {
  std::size_t count = 0;
  std::array<std::uint16_t, kPieceRows + 32> places;
  std::array<std::uint16_t, kPieceRows + 32> list;
  std::array<simd::RowScale, kPieceRows + 16> fine_scales;
};

struct Scratch {
  std::vector<float> scores;  // of the first pass, by query and place
  std::array<Kept, 2> kept;
  std::array<float, kPieceRows + 16> fine_scores;  // of one piece
  std::array<float, kPieceRows + 16> bounds;
  std::vector<Candidate> candidates;
  std::vector<std::uint8_t> gathered;  // codes of listed rows
};

class ScratchPool {
 public:
  std::unique_ptr<Scratch> take() {
    const std::scoped_lock guard(mutex_);
    if (free_.empty()) {
      return std::make_unique<Scratch>();
    }
    auto scratch = std::move(free_.back());
    free_.pop_back();
    return scratch;
  }
  void give_back(std::unique_ptr<Scratch> scratch) {
    const std::scoped_lock guard(mutex_);
    free_.push_back(std::move(scratch));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> free_;
};

}  // namespace sophon::match
