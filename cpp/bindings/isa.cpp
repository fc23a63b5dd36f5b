#include "sophon/isa.h"

#include <pybind11/stl.h>

#include "bindings.h"

namespace sophon::bindings {
namespace {

template <typename Isas>
std::vector<std::string> names(const Isas& isas) {
  std::vector<std::string> result;
  result.reserve(isas.size());
  for (const Isa isa : isas) {
    result.emplace_back(name(isa));
  }
  return result;
}

}  // namespace

void bind_isa(pybind11::module_& module) {
  module.def("version", [] { return std::string(version()); });
  module.def("compiled_isas", [] { return names(compiled_isas()); });
  module.def("usable_isas", [] { return names(usable_isas()); });
  module.def("chosen_isa", [] { return std::string(name(chosen_isa())); });
}

}  // namespace sophon::bindings
