// NumPy arrays as the core's views. Shapes and layouts are checked here, once for all concepts.
#pragma once

#include <pybind11/numpy.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

#include "sophon/alignment.h"
#include "sophon/image.h"

namespace sophon::bindings {

// float32, C-contiguous; converted on the way in where it isn't.
using FloatArray = pybind11::array_t<float, pybind11::array::c_style | pybind11::array::forcecast>;
using DoubleArray = pybind11::array_t<double, pybind11::array::c_style | pybind11::array::forcecast>;
// Written in place, so never converted: bound with .noconvert().
using FloatOutput = pybind11::array_t<float, pybind11::array::c_style>;

inline std::span<const float> view(const FloatArray& array) {
  return {array.data(), static_cast<std::size_t>(array.size())};
}

inline std::span<float> mutable_view(FloatOutput& array) {
  return {array.mutable_data(), static_cast<std::size_t>(array.size())};
}

// A BGR picture uint8 (H, W, 3) whose pixels lie next to each other; rows may be apart, as in a slice.
inline ImageView image_view(const pybind11::array_t<std::uint8_t>& array) {
  if (array.ndim() != 3 || array.shape(2) != kChannels) {
    throw std::invalid_argument("a picture must be uint8 (height, width, 3)");
  }
  if (array.strides(2) != 1 || array.strides(1) != kChannels || array.strides(0) < 0) {
    throw std::invalid_argument(
        "a picture's pixels must lie next to each other: pass numpy.ascontiguousarray(picture)");
  }
  return {.pixels = array.data(),
          .height = static_cast<int>(array.shape(0)),
          .width = static_cast<int>(array.shape(1)),
          .row_bytes = array.strides(0)};
}

// A (2, 3) matrix.
inline Affine affine_of(const DoubleArray& array) {
  if (array.ndim() != 2 || array.shape(0) != 2 || array.shape(1) != 3) {
    throw std::invalid_argument("a transform must be (2, 3)");
  }
  Affine transform{};
  std::copy_n(array.data(), transform.m.size(), transform.m.begin());
  return transform;
}

}  // namespace sophon::bindings
