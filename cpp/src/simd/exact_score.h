// The kernel that decides: its bits are the scores that searches return.
#pragma once

#include <cstddef>

#include "sophon/isa.h"

namespace sophon::simd {

// The inner product of two vectors whose size is a multiple of 16. The order of summation is part of the contract:
// sixteen sums in double, sum j over the products i = j (mod 16) by rising i; then sum j += sum j + 8 for j < 8,
// likewise by 4, 2 and 1; sum 0 rounded to float. Products of floats are exact in double, so a fused multiply-add gives
// the same bits.
using ExactScore = float (*)(const float* left, const float* right, std::size_t size);

ExactScore exact_score(Isa isa);

}  // namespace sophon::simd
