// Vectors as integers. A row x is s·h + t·l + rest, h and l made of the values that simd::kCodeValues gives four-bit
// codes: s·h alone is the coarse picture of the first pass, with l the picture is nearly eight bits fine, and the
// second pass reads l only. A query is one int8 code per value. All that the bounds need is how far a picture is from
// its vector: that is measured, not modelled, so the choice of the scales decides speed alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "simd/match_kernels.h"

namespace sophon::match {

// Codes are packed 64 to 32 bytes: value w of them is in byte w mod 32, in the low half for w < 32, else in the high
// one.
constexpr std::size_t code_bytes(std::size_t dim) { return (dim + 63) / 64 * 32; }

struct RowScales {
  simd::RowScale coarse;
  simd::RowScale fine;
};

// Writes code_bytes(x.size()) bytes to each of `coarse` and `fine`.
RowScales quantise_row(std::span<const float> x, std::span<std::uint8_t> coarse, std::span<std::uint8_t> fine);

struct QuantisedQuery {
  std::vector<std::int8_t> codes;  // low ones, 64 zeros, high ones, 64 zeros
  std::int32_t offset;
  float scale;
  float norm;       // of the picture, rounded up
  double distance;  // of the picture from the query, rounded up

  simd::NibbleQuery view() const {
    return {.low = codes.data(), .high = codes.data() + codes.size() / 2, .offset = offset, .scale = scale};
  }
};

QuantisedQuery quantise_query(std::span<const float> query);

}  // namespace sophon::match
