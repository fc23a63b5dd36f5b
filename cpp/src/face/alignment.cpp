#include "sophon/alignment.h"

#include <cmath>
#include <complex>
#include <cstddef>
#include <stdexcept>

namespace sophon {
namespace {

using Complex = std::complex<double>;

Complex as_complex(Point p) { return {p.x, p.y}; }

Complex centroid(std::span<const Point> points) {
  Complex sum;
  for (const Point p : points) {
    sum += as_complex(p);
  }
  return sum / static_cast<double>(points.size());
}

}  // namespace

Point Affine::operator()(Point p) const {
  return {.x = m[0] * p.x + m[1] * p.y + m[2], .y = m[3] * p.x + m[4] * p.y + m[5]};
}

Affine Affine::inverse() const {
  const double determinant = m[0] * m[4] - m[1] * m[3];
  const double a = m[4] / determinant;
  const double b = -m[1] / determinant;
  const double c = -m[3] / determinant;
  const double d = m[0] / determinant;
  const Affine result{{a, b, -(a * m[2] + b * m[5]), c, d, -(c * m[2] + d * m[5])}};
  for (const double value : result.m) {
    if (!std::isfinite(value)) {
      throw std::invalid_argument("the transform can't be inverted");
    }
  }
  return result;
}

Affine similarity_transform(std::span<const Point> source, std::span<const Point> target) {
  if (source.size() != target.size() || source.size() < 2) {
    throw std::invalid_argument("a similarity transform needs two or more points, as many targets as sources");
  }
  const Complex source_centre = centroid(source);
  const Complex target_centre = centroid(target);
  Complex covariance;
  double spread = 0.0;
  for (std::size_t i = 0; i < source.size(); ++i) {
    const Complex s = as_complex(source[i]) - source_centre;
    covariance += std::conj(s) * (as_complex(target[i]) - target_centre);
    spread += std::norm(s);
  }
  const Complex turn = covariance / spread;
  const Complex shift = target_centre - turn * source_centre;
  if (!(spread > 0.0) || !std::isfinite(std::abs(turn)) || std::abs(turn) == 0.0 || !std::isfinite(std::abs(shift))) {
    throw std::invalid_argument("the landmarks coincide or are not finite; no similarity transform fits them");
  }
  return {{turn.real(), -turn.imag(), shift.real(), turn.imag(), turn.real(), shift.imag()}};
}

}  // namespace sophon
