#include "sophon/network_input.h"

#include <pybind11/stl.h>

#include <array>

#include "arrays.h"
#include "bindings.h"

namespace sophon::bindings {
namespace {

namespace py = pybind11;

using Image = py::array_t<std::uint8_t>;

constexpr PixelFormat kPlainBytes{.rgb = false, .mean = {0, 0, 0}, .scale = {1, 1, 1}};

void require_planes(const FloatOutput& planes) {
  if (planes.ndim() != 3 || planes.shape(0) != kChannels) {
    throw std::invalid_argument("planes must be float32 (3, height, width)");
  }
}

Image bound_warp_crop(const Image& image, const DoubleArray& transform, int height, int width, bool smooth) {
  const ImageView picture = image_view(image);
  const Affine affine = affine_of(transform);
  if (height < 1 || width < 1) {
    throw std::invalid_argument("a crop needs at least one pixel");
  }
  Image crop({height, width, kChannels});
  const std::span<std::uint8_t> bytes{crop.mutable_data(), static_cast<std::size_t>(crop.size())};
  const py::gil_scoped_release release;
  warp(picture, affine, height, width, smooth ? Sampling::smooth : Sampling::point, kPlainBytes, {}, bytes);
  return crop;
}

Image bound_warp_into(const Image& image, const DoubleArray& transform, FloatOutput& planes, bool rgb,
                      std::array<float, 3> mean, std::array<float, 3> scale) {
  const ImageView picture = image_view(image);
  const Affine affine = affine_of(transform);
  require_planes(planes);
  const auto height = static_cast<int>(planes.shape(1));
  const auto width = static_cast<int>(planes.shape(2));
  Image crop({height, width, kChannels});
  const std::span<std::uint8_t> bytes{crop.mutable_data(), static_cast<std::size_t>(crop.size())};
  const std::span<float> tensor = mutable_view(planes);
  const py::gil_scoped_release release;
  warp(picture, affine, height, width, Sampling::point, {.rgb = rgb, .mean = mean, .scale = scale}, tensor, bytes);
  return crop;
}

void bound_resize_into(const Image& image, FloatOutput& planes, int height, int width) {
  const ImageView picture = image_view(image);
  require_planes(planes);
  const auto planes_height = static_cast<int>(planes.shape(1));
  const auto planes_width = static_cast<int>(planes.shape(2));
  const std::span<float> tensor = mutable_view(planes);
  const py::gil_scoped_release release;
  resize(picture, height, width, planes_height, planes_width, tensor);
}

}  // namespace

void bind_network_input(py::module_& module) {
  module.def("warp_crop", bound_warp_crop, py::arg("image").noconvert(), py::arg("transform"), py::arg("height"),
             py::arg("width"), py::arg("smooth") = false);
  module.def("warp_into", bound_warp_into, py::arg("image").noconvert(), py::arg("transform"),
             py::arg("planes").noconvert(), py::arg("rgb"), py::arg("mean"), py::arg("scale"));
  module.def("resize_into", bound_resize_into, py::arg("image").noconvert(), py::arg("planes").noconvert(),
             py::arg("height"), py::arg("width"));
}

}  // namespace sophon::bindings
