#include "sophon/embedding.h"

#include "arrays.h"
#include "bindings.h"

namespace sophon::bindings {
namespace {

FloatArray bound_normalize_embeddings(const FloatArray& raw) {
  if (raw.ndim() != 2) {
    throw std::invalid_argument("embeddings must be (n, dim)");
  }
  FloatArray result({raw.shape(0), raw.shape(1)}, raw.data());
  const std::span<float> values{result.mutable_data(), static_cast<std::size_t>(result.size())};
  const auto dim = static_cast<std::size_t>(raw.shape(1));
  const pybind11::gil_scoped_release release;
  for (std::size_t begin = 0; begin < values.size(); begin += dim) {
    normalize_embedding(values.subspan(begin, dim));
  }
  return result;
}

}  // namespace

void bind_embedding(pybind11::module_& module) {
  module.def("normalize_embeddings", bound_normalize_embeddings, pybind11::arg("raw"));
}

}  // namespace sophon::bindings
