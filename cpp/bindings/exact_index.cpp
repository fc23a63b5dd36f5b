#include "sophon/exact_index.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "bindings.h"

namespace sophon::bindings {
namespace {

namespace py = pybind11;

using Keys = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;
using Vectors = py::array_t<float, py::array::c_style | py::array::forcecast>;
using Released = py::call_guard<py::gil_scoped_release>;

std::span<const std::int64_t> view(const Keys& keys) { return {keys.data(), static_cast<std::size_t>(keys.size())}; }

// (n, dim), or (dim,) for one vector.
std::span<const float> view(const Vectors& vectors, std::size_t dim) {
  const bool fits = (vectors.ndim() == 1 || vectors.ndim() == 2) &&
                    vectors.shape(vectors.ndim() - 1) == static_cast<py::ssize_t>(dim);
  if (!fits) {
    throw py::value_error("vectors must be an array of shape (n, " + std::to_string(dim) + ")");
  }
  return {vectors.data(), static_cast<std::size_t>(vectors.size())};
}

// Hands the vector's memory to NumPy without a copy.
template <typename T>
py::array_t<T> matrix(std::vector<T>&& values, std::size_t columns) {
  auto owned = std::make_unique<std::vector<T>>(std::move(values));
  const T* const start = owned->data();
  const std::size_t rows = owned->size() / columns;
  const py::capsule owner(owned.release(),
                          [](void* memory) { std::unique_ptr<std::vector<T>>(static_cast<std::vector<T>*>(memory)); });
  return py::array_t<T>({rows, columns}, start, owner);
}

ExactIndex made(std::size_t dim, const std::string& store, const std::optional<std::filesystem::path>& directory) {
  if (store == "float32") {
    return ExactIndex(dim);
  }
  if (store == "int8") {
    return ExactIndex::with_vectors_in_files(dim, directory.value_or(std::filesystem::temp_directory_path()));
  }
  throw py::value_error("store must be 'float32' or 'int8', not '" + store + "'");
}

py::list explanations(const std::vector<SearchCounts>& counts) {
  using py::literals::operator""_a;
  py::list result;
  for (const SearchCounts& query : counts) {
    result.append(
        py::dict("rows"_a = query.rows, "coarse"_a = query.coarse, "fine"_a = query.fine, "scored"_a = query.scored));
  }
  return result;
}

void add(ExactIndex& index, const Keys& keys, const Vectors& vectors, const std::vector<Subset>& join) {
  const auto rows = view(vectors, index.dim());
  const py::gil_scoped_release released;
  index.add(view(keys), rows, join);
}

void replace(ExactIndex& index, const Keys& keys, const Vectors& vectors,
             const std::optional<std::vector<Subset>>& belong) {
  const auto rows = view(vectors, index.dim());
  const py::gil_scoped_release released;
  if (belong) {
    index.replace(view(keys), rows, std::span<const Subset>(*belong));
  } else {
    index.replace(view(keys), rows);
  }
}

py::tuple search(const ExactIndex& index, const Vectors& queries, std::size_t k, float threshold,
                 std::optional<Subset> allow, bool explain, std::size_t threads) {
  const auto rows = view(queries, index.dim());
  SearchResult result;
  {
    const py::gil_scoped_release released;
    result = index.search(rows, {.k = k, .threshold = threshold, .allow = std::move(allow), .threads = threads});
  }
  const auto keys = matrix(std::move(result.keys), k);
  const auto scores = matrix(std::move(result.scores), k);
  if (explain) {
    return py::make_tuple(keys, scores, explanations(result.counts));
  }
  return py::make_tuple(keys, scores);
}

}  // namespace

// NOLINTNEXTLINE(misc-const-correctness): one signature for all
void bind_exact_index(py::module_& module) {
  // pybind11's own metaclass only serves static properties.
  const auto type = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(&PyType_Type));

  py::register_local_exception_translator([](std::exception_ptr thrown) {
    try {
      std::rethrow_exception(std::move(thrown));
    } catch (const UnknownKey& error) {
      py::set_error(PyExc_KeyError, error.what());
    } catch (const BadFile& error) {
      py::set_error(PyExc_ValueError, error.what());
    } catch (const std::system_error& error) {
      // OSError(number, text) makes the fitting subclass, e.g. FileNotFoundError.
      PyErr_SetObject(PyExc_OSError, py::make_tuple(error.code().value(), error.what()).ptr());
    }
  });

  py::class_<Subset>(module, "Subset", py::metaclass(type))
      .def(
          "add",
          [](const Subset& set, const Keys& keys) {
            const py::gil_scoped_release released;
            set.add(view(keys));
          },
          py::arg("keys"))
      .def(
          "remove",
          [](const Subset& set, const Keys& keys) {
            const py::gil_scoped_release released;
            set.remove(view(keys));
          },
          py::arg("keys"))
      .def("__contains__", &Subset::contains, py::arg("key"), Released())
      .def("__len__", &Subset::size, Released())
      .def(
          "__and__", [](const Subset& left, const Subset& right) { return left & right; }, py::arg("other"))
      .def("__or__", [](const Subset& left, const Subset& right) { return left | right; }, py::arg("other"));

  py::class_<ExactIndex>(module, "ExactIndex", py::metaclass(type))
      .def(py::init(&made), py::arg("dim"), py::arg("store") = "float32", py::arg("directory") = py::none())
      .def_static(
          "load", [](const std::filesystem::path& path, bool mmap) { return ExactIndex::load(path, mmap); },
          py::arg("path"), py::arg("mmap") = true, Released())
      .def("save", &ExactIndex::save, py::arg("path"), Released())
      .def_property_readonly("dim", &ExactIndex::dim)
      .def("add", &add, py::arg("keys"), py::arg("vectors"), py::arg("join") = std::vector<Subset>{})
      .def("replace", &replace, py::arg("keys"), py::arg("vectors"), py::arg("belong") = py::none())
      .def(
          "remove",
          [](ExactIndex& index, const Keys& keys) {
            const py::gil_scoped_release released;
            return index.remove(view(keys));
          },
          py::arg("keys"))
      .def("contains", &ExactIndex::contains, py::arg("key"), Released())
      .def("__contains__", &ExactIndex::contains, py::arg("key"), Released())
      .def("__len__", &ExactIndex::size)
      .def(
          "get",
          [](const ExactIndex& index, std::int64_t key) {
            std::vector<float> vectors;
            {
              const py::gil_scoped_release released;
              vectors = index.get(key);
            }
            return matrix(std::move(vectors), index.dim());
          },
          py::arg("key"))
      .def(
          "subset",
          [](const ExactIndex& index, const Keys& keys) {
            const py::gil_scoped_release released;
            return index.subset(view(keys));
          },
          py::arg("keys") = Keys())
      .def("search", &search, py::arg("queries"), py::arg("k") = 1, py::arg("threshold") = -1.0F,
           py::arg("allow") = py::none(), py::arg("explain") = false, py::arg("threads") = 1);
}

}  // namespace sophon::bindings
