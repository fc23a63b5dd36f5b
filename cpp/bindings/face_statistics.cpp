#include "sophon/face_statistics.h"

#include "arrays.h"
#include "bindings.h"

namespace sophon::bindings {
namespace {

namespace py = pybind11;

FaceStatistics bound_measure_face(const py::array_t<std::uint8_t>& crop, const DoubleArray& transform, int image_height,
                                  int image_width) {
  const ImageView picture = image_view(crop);
  if (picture.row_bytes != static_cast<std::ptrdiff_t>(kChannels) * picture.width) {
    throw std::invalid_argument("an aligned face's rows must lie next to each other");
  }
  const Affine affine = affine_of(transform);
  const std::span<const std::uint8_t> bytes{crop.data(), static_cast<std::size_t>(crop.size())};
  const py::gil_scoped_release release;
  return measure_face(bytes, affine, image_height, image_width);
}

}  // namespace

void bind_face_statistics(py::module_& module) {
  const py::handle type(reinterpret_cast<PyObject*>(&PyType_Type));  // pybind11's own would be a needless metaclass
  py::class_<FaceStatistics>(module, "FaceStatistics", py::metaclass(type))
      .def_readonly("visible", &FaceStatistics::visible)
      .def_readonly("sharpness_across", &FaceStatistics::sharpness_across)
      .def_readonly("sharpness_down", &FaceStatistics::sharpness_down)
      .def_readonly("dark_level", &FaceStatistics::dark_level)
      .def_readonly("median_level", &FaceStatistics::median_level)
      .def_readonly("bright_level", &FaceStatistics::bright_level)
      .def_readonly("white_share", &FaceStatistics::white_share)
      .def_readonly("left_mean", &FaceStatistics::left_mean)
      .def_readonly("right_mean", &FaceStatistics::right_mean)
      .def_readonly("right_eye_level", &FaceStatistics::right_eye_level)
      .def_readonly("left_eye_level", &FaceStatistics::left_eye_level);
  module.def("measure_face", bound_measure_face, py::arg("crop").noconvert(), py::arg("transform"),
             py::arg("image_height"), py::arg("image_width"));
}

}  // namespace sophon::bindings
