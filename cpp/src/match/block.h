// kBlockRows rows: their keys and their vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "match/pages.h"
#include "match/row_set.h"

namespace sophon::match {

// The exact kernel works on kScoreLanes floats at a time; vectors are padded with zeros to whole steps.
inline constexpr std::size_t kScoreLanes = 16;
constexpr std::size_t padded_dim(std::size_t dim) { return (dim + kScoreLanes - 1) / kScoreLanes * kScoreLanes; }

class Block {
 public:
  explicit Block(std::size_t dim);

  std::int64_t& key(std::size_t slot) { return keys_[slot]; }
  std::int64_t key(std::size_t slot) const { return keys_[slot]; }
  std::span<float> vector(std::size_t slot) { return vectors_.subspan(slot * stride_, stride_); }
  std::span<const float> vector(std::size_t slot) const { return vectors_.subspan(slot * stride_, stride_); }

  // What was in the row is gone from memory.
  void wipe(std::size_t slot);

 private:
  std::size_t stride_;
  Pages pages_;
  std::span<float> vectors_;
  std::span<std::int64_t> keys_;
};

}  // namespace sophon::match
