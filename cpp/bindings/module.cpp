#include "bindings.h"

PYBIND11_MODULE(_core, module) {
  module.doc() = "The native core of sophon. Its public face is the package; see _core.pyi for the types.";
  sophon::bindings::bind_isa(module);
  sophon::bindings::bind_exact_index(module);
}
