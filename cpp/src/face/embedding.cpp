#include "sophon/embedding.h"

#include <cmath>
#include <stdexcept>

namespace sophon {

void normalize_embedding(std::span<float> embedding) {
  double squares = 0.0;
  for (const float value : embedding) {
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  constexpr double kSmallestNorm = 1e-6;
  const double norm = std::sqrt(squares);
  if (!std::isfinite(norm) || norm < kSmallestNorm) {
    throw std::invalid_argument("the embedding is unusable: it holds NaN or infinity, or its norm is zero");
  }
  for (float& value : embedding) {
    value = static_cast<float>(static_cast<double>(value) / norm);
  }
}

}  // namespace sophon
