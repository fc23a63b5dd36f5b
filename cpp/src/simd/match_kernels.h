// The matcher's kernels: one set per instruction set, all with the same results, bit for bit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sophon/isa.h"

namespace sophon::simd {

// What the four-bit codes stand for: small integers near the sixteen values that picture a normal distribution best.
// They are close together where most of a vector's values are, so that little is left over.
inline constexpr std::array<std::int8_t, 16> kCodeValues{-20, -15, -12, -9, -7, -5, -3, -1, 1, 3, 5, 7, 9, 12, 15, 20};

// Kernels multiply what is not negative.
inline constexpr int kValueShift = 20;

// Rows of a plane of four-bit codes: byte b of a row holds two codes, one in each half.
struct NibblePlane {
  const std::uint8_t* codes;
  std::size_t row_bytes;  // a multiple of 32; 64 bytes after the last row may be read
};

// What a pass knows of a row: the scale of its codes' values, and how far the row's picture is from the row at most.
// Two bfloat16: the scale in the low half, the error in the high one.
using RowScale = std::uint32_t;

// A query's codes in the order of a row's bytes: those that meet the low halves and those that meet the high ones.
// Both have row_bytes codes, then 64 zeros.
struct NibbleQuery {
  const std::int8_t* low;
  const std::int8_t* high;
  std::int32_t offset;  // kValueShift * the sum of all codes: what the shift adds to every product
  float scale;          // the value of a code
};

// Which rows of a block: list[i] where there is a list, else first + i. Without a list, first and count are multiples
// of 16; a list goes on with 32 more valid entries, whose results don't matter.
struct Rows {
  const std::uint16_t* list;
  std::size_t first;
  std::size_t count;
};

struct MatchKernels {
  // The inner product of two vectors whose size is a multiple of 16. The order of summation is part of the contract:
  // sixteen sums in double, sum j over the products i = j (mod 16) by rising i; then sum j += sum j + 8 for j < 8,
  // likewise by 4, 2 and 1; sum 0 rounded to float. Products of floats are exact in double, so a fused multiply-add
  // gives the same bits.
  float (*exact_score)(const float* left, const float* right, std::size_t size);

  // scores[i] = scale of row i * (the integer inner product of row i and the query * query.scale), in float.
  // `scales` are by place: scales[i] is row i's. They and `scores` have room for a multiple of 16.
  void (*nibble_scores)(const NibblePlane& plane, const RowScale* scales, const Rows& rows, const NibbleQuery& query,
                        float* scores);

  // The same for several queries and rows without a list: query j's scores begin at scores + j * stride.
  void (*nibble_scores_batch)(const NibblePlane& plane, const RowScale* scales, const Rows& rows,
                              const NibbleQuery* queries, std::size_t query_count, float* scores, std::size_t stride);

  // The places i, rising, where scores[i] >= cut; returns how many. `kept` has room for count + 16.
  std::size_t (*keep_scores)(const float* scores, std::size_t count, float cut, std::uint16_t* kept);

  // The places i where scores[i] + the error in scales[i] * weight >= cut, likewise.
  std::size_t (*keep_bounds)(const float* scores, const RowScale* scales, std::size_t count, float weight, float cut,
                             std::uint16_t* kept);

  // Both passes together, over `count` places: place kept[i] stays where its bound scores[kept[i]] + fine_scores[i] +
  // the error in fine_scales[i] * weight >= cut. What stays is packed to the front of `kept`, its bounds to `bounds`.
  std::size_t (*keep_fine_bounds)(const float* scores, const float* fine_scores, const RowScale* fine_scales,
                                  float weight, float cut, std::size_t count, std::uint16_t* kept, float* bounds);
};

const MatchKernels& match_kernels(Isa isa);

}  // namespace sophon::simd
