#include "sophon/alignment.h"

#include <vector>

#include "arrays.h"
#include "bindings.h"

namespace sophon::bindings {
namespace {

std::vector<Point> points_of(const DoubleArray& array) {
  if (array.ndim() != 2 || array.shape(1) != 2) {
    throw std::invalid_argument("points must be (n, 2)");
  }
  std::vector<Point> points;
  points.reserve(static_cast<std::size_t>(array.shape(0)));
  for (pybind11::ssize_t i = 0; i < array.shape(0); ++i) {
    points.push_back({.x = array.at(i, 0), .y = array.at(i, 1)});
  }
  return points;
}

DoubleArray bound_similarity_transform(const DoubleArray& source, const DoubleArray& target) {
  const Affine transform = similarity_transform(points_of(source), points_of(target));
  return DoubleArray({2, 3}, transform.m.data());
}

FloatArray bound_map_back(const DoubleArray& transform, const DoubleArray& points) {
  const Affine inverse = affine_of(transform).inverse();
  FloatArray result({points.shape(0), pybind11::ssize_t{2}});
  auto rows = result.mutable_unchecked<2>();
  pybind11::ssize_t row = 0;
  for (const Point& point : points_of(points)) {
    const Point before = inverse(point);
    rows(row, 0) = static_cast<float>(before.x);
    rows(row, 1) = static_cast<float>(before.y);
    ++row;
  }
  return result;
}

}  // namespace

void bind_alignment(pybind11::module_& module) {
  module.def("similarity_transform", bound_similarity_transform, pybind11::arg("source"), pybind11::arg("target"));
  module.def("map_back", bound_map_back, pybind11::arg("transform"), pybind11::arg("points"));
}

}  // namespace sophon::bindings
