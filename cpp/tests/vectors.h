// Unit vectors for the tests, and the readable twin of the matcher.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <utility>
#include <vector>

namespace sophon::tests {

inline std::vector<float> unit_vectors(std::mt19937& random, std::size_t count, std::size_t dim) {
  std::normal_distribution<float> normal;
  std::vector<float> vectors(count * dim);
  for (std::size_t row = 0; row < count; ++row) {
    const std::span vector(vectors.data() + row * dim, dim);
    double square = 0.0;
    for (float& value : vector) {
      value = normal(random);
      square += static_cast<double>(value) * static_cast<double>(value);
    }
    for (float& value : vector) {
      value = static_cast<float>(static_cast<double>(value) / std::sqrt(square));
    }
  }
  return vectors;
}

// The score as its contract states it (simd/match_kernels.h).
inline float stated_score(std::span<const float> left, std::span<const float> right) {
  std::array<double, 16> sums{};
  for (std::size_t i = 0; i < left.size(); ++i) {
    sums[i % 16] += static_cast<double>(left[i]) * static_cast<double>(right[i]);
  }
  for (std::size_t half = 8; half != 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) {
      sums[j] += sums[j + half];
    }
  }
  return static_cast<float>(sums[0]);
}

// The best k (score, key) of the pairs that were put in, in the order of results.
inline std::vector<std::pair<std::int64_t, float>> best_of(const std::map<std::int64_t, float>& scores, std::size_t k) {
  std::vector<std::pair<std::int64_t, float>> ranked(scores.begin(), scores.end());
  std::ranges::stable_sort(ranked, std::greater<>(), &std::pair<std::int64_t, float>::second);
  ranked.resize(std::min(k, ranked.size()));
  return ranked;
}

}  // namespace sophon::tests
