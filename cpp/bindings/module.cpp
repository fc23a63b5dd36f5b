#include "bindings.h"

PYBIND11_MODULE(_core, module) {
  module.doc() = "The native core of sophon. Its public face is the package; see _core.pyi for the types.";
  sophon::bindings::bind_isa(module);
  sophon::bindings::bind_exact_index(module);
  sophon::bindings::bind_detection(module);
  sophon::bindings::bind_alignment(module);
  sophon::bindings::bind_network_input(module);
  sophon::bindings::bind_embedding(module);
  sophon::bindings::bind_face_statistics(module);
  sophon::bindings::bind_transparency(module);
}
