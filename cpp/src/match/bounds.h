// Why an integer pass may drop a row: the proof.
//
// Let q be the query and x a row, as float32 vectors with norms of at most N = 1 + kNormTolerance; T their true inner
// product, S the score that a search returns (MatchKernels::exact_score), t a float that S has to reach. q' = scale·c
// is the query's picture, x' the row's: s·h in the first pass, s·h + t·l in the second. Measured when they were made:
// weight >= |q'|, distance >= |q − q'|, error >= |x − x'|.
//
// 1. T = <q', x'> + <q', x − x'> + <q − q', x>  <=  <q', x'> + weight·error + distance·N      (Cauchy-Schwarz).
//
// 2. If S >= t then T >= t − 2^-24 − 1e-12: S is the sum D in double rounded to float; rounding is monotone, so D is
// not
//    below the middle between t and the float before it, which is at most 2^-24 away (|t| <= N² < 2, and nothing
//    reaches a larger t); D is sixteen sums of exact products of floats, at most dim/16 + 4 <= 260 additions deep, so
//    |D − T| <= 261·2^-53·sum|q_i x_i| <= 261·2^-53·N² < 1e-12.
//
// 3. A kernel computes E = (s·P1 [+ t·P2]) + error·weight in float, P = float(integer product)·scale, the integer
// products
//    exact. With u = 2^-24 every operation and the conversion is off by at most a factor 1 ± u (sizes below 1e-30 may
//    lose an absolute 1e-37 instead, which vanishes in the slack). Let A = |s·h|·|q'|, B = |t·l|·|q'|, R =
//    error·weight: the true terms are at most these. Each product term passes 3 roundings, R one, and the sums two more
//    for all of them, so E is off by at most ((1+u)^3 − 1)(A + B) + uR + ((1+u)^2 − 1)(1+u)^3·(A + B + R) < 5.01u·(A +
//    B) + 3.01u·R. Sizes: pictures are no worse than the zero vector, which quantise_row takes instead where they
//    would be (its float sums, off by at most 2^-11, decide), so error <= N + 2^-6 after rounding up to bfloat16, |s·h|
//    <= |x| + error < 2.02 and |t·l| <= 2·error < 2.04; |q − q'| <= sqrt(dim)/2·max|q|/127 <= 0.26 for dim <= 4096, so
//    |q'| < 1.27, and weight, |q'| rounded up, too. With A < 2.57, B < 2.60, R < 1.30 the sum is below 5.01·5.17u
//    + 3.01·1.30u < 30u.
//
// So S >= t implies E >= t − distance·N − (1 + 30)·2^-24 − 1e-12, and a row with E below that is not a hit. kSlack
// takes 32·2^-24; the cut itself is rounded down. The integer products fit: |sum| <= 40·127·dim < 2^31 for dim <= 4096.
#pragma once

#include <cmath>
#include <limits>

#include "match/quantisation.h"
#include "sophon/exact_index.h"

namespace sophon::match {

inline constexpr double kSlack = 32.0 / (1 << 24);

// What E must reach for the row's score to reach `floor`.
inline float bound_cut(const QuantisedQuery& query, float floor) {
  const double cut = static_cast<double>(floor) - query.distance * (1.0 + kNormTolerance) - kSlack;
  return std::nextafter(static_cast<float>(cut), -std::numeric_limits<float>::infinity());
}

}  // namespace sophon::match
