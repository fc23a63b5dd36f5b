// kBlockRows rows: their keys, their vectors, and the integer pictures of the vectors, each in a plane of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "match/pages.h"
#include "match/row_set.h"
#include "simd/match_kernels.h"

namespace sophon::match {

// MatchKernels::exact_score works on 16 values at a time; vectors are padded with zeros to whole steps.
constexpr std::size_t padded_dim(std::size_t dim) { return (dim + 15) / 16 * 16; }

// The bounds (match/bounds.h) are proven up to it.
inline constexpr std::size_t kMaxDim = 4096;

class Block {
 public:
  // The memory of a block: its floats apart, because they may live in a file.
  static std::size_t codes_bytes(std::size_t dim);
  static std::size_t floats_bytes(std::size_t dim);

  Block(std::size_t dim, Pages codes, Pages floats);

  std::span<std::byte> codes_memory() const { return codes_.bytes(); }
  std::span<std::byte> floats_memory() const { return floats_.bytes(); }

  void write(std::size_t slot, std::int64_t key, std::span<const float> vector);
  // The vectors are in a temporary file and need not stay in memory.
  void let_vectors_go() const { floats_.let_go(); }
  // As it is in the other block.
  void copy_row(std::size_t slot, const Block& from, std::size_t from_slot);
  // What was in the row is gone from memory.
  void wipe(std::size_t slot);

  std::int64_t key(std::size_t slot) const { return keys_[slot]; }
  const std::int64_t* keys() const { return keys_; }
  // padded_dim() values.
  const float* vector(std::size_t slot) const { return vectors_ + slot * padded_dim(dim_); }
  simd::NibblePlane coarse() const { return {.codes = coarse_, .row_bytes = row_bytes_}; }
  simd::NibblePlane fine() const { return {.codes = fine_, .row_bytes = row_bytes_}; }
  const simd::RowScale* coarse_scales() const { return coarse_scales_; }
  const simd::RowScale* fine_scales() const { return fine_scales_; }

 private:
  std::size_t dim_;
  std::size_t row_bytes_;
  Pages codes_;
  Pages floats_;
  std::uint8_t* coarse_;
  std::uint8_t* fine_;
  simd::RowScale* coarse_scales_;
  simd::RowScale* fine_scales_;
  std::int64_t* keys_;
  float* vectors_;
};

}  // namespace sophon::match
