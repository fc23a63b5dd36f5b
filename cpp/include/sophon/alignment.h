// The similarity transform that lays a face's landmarks onto a template.
#pragma once

#include <array>
#include <span>

namespace sophon {

struct Point {
  double x;
  double y;
};

// Maps (x, y) to (m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]).
struct Affine {
  std::array<double, 6> m;

  [[nodiscard]] Point operator()(Point p) const;
  // Throws std::invalid_argument for a map that can't be inverted or holds a number that is not finite.
  [[nodiscard]] Affine inverse() const;
};

// The rotation, uniform scale and shift, without reflection, that minimises the squared distance of the mapped source
// points to the target points (Umeyama 1991; in the plane the solution is the quotient of two complex sums). Throws
// std::invalid_argument for fewer than two points, unequal counts, points that all coincide, or points not finite.
Affine similarity_transform(std::span<const Point> source, std::span<const Point> target);

}  // namespace sophon
