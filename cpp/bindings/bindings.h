// One function per bound concept, called by module.cpp in this order.
#pragma once

#include <pybind11/pybind11.h>

namespace sophon::bindings {

void bind_isa(pybind11::module_& module);
void bind_exact_index(pybind11::module_& module);
void bind_detection(pybind11::module_& module);
void bind_alignment(pybind11::module_& module);
void bind_network_input(pybind11::module_& module);
void bind_embedding(pybind11::module_& module);
void bind_face_statistics(pybind11::module_& module);
void bind_transparency(pybind11::module_& module);

}  // namespace sophon::bindings
