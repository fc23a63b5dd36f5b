#include "sophon/transparency.h"

#include "arrays.h"
#include "bindings.h"

namespace sophon::bindings {
namespace {

namespace py = pybind11;

using Bytes = py::array_t<std::uint8_t, py::array::c_style>;

Bytes bound_lay_over_white(const Bytes& bgra) {
  if (bgra.ndim() != 3 || bgra.shape(2) != kChannels + 1) {
    throw std::invalid_argument("a picture with transparency must be uint8 (height, width, 4)");
  }
  Bytes bgr({bgra.shape(0), bgra.shape(1), py::ssize_t{kChannels}});
  const std::span<const std::uint8_t> from{bgra.data(), static_cast<std::size_t>(bgra.size())};
  const std::span<std::uint8_t> to{bgr.mutable_data(), static_cast<std::size_t>(bgr.size())};
  const py::gil_scoped_release release;
  lay_over_white(from, to);
  return bgr;
}

}  // namespace

void bind_transparency(py::module_& module) {
  module.def("lay_over_white", bound_lay_over_white, py::arg("bgra").noconvert());
}

}  // namespace sophon::bindings
