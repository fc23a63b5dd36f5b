#include "sophon/detection.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include "arrays.h"
#include "bindings.h"

namespace sophon::bindings {
namespace {

namespace py = pybind11;

// A row per face: box 0:4, landmarks 4:14, score 14.
constexpr py::ssize_t kColumns = 15;
static_assert(sizeof(Detection) == kColumns * sizeof(float));

FloatArray as_array(const std::vector<Detection>& faces) {
  FloatArray result({static_cast<py::ssize_t>(faces.size()), kColumns});
  float* row = result.mutable_data();
  for (const Detection& face : faces) {
    row = std::ranges::copy(face.box, row).out;
    row = std::ranges::copy(face.landmarks, row).out;
    *row++ = face.score;
  }
  return result;
}

std::vector<Detection> as_detections(const FloatArray& array) {
  if (array.ndim() != 2 || array.shape(1) != kColumns) {
    throw std::invalid_argument("detections must be (n, 15): box, landmarks, score");
  }
  std::vector<Detection> faces(static_cast<std::size_t>(array.shape(0)));
  const float* row = array.data();
  for (Detection& face : faces) {
    std::copy_n(row, 4, face.box.begin());
    std::copy_n(row + 4, 10, face.landmarks.begin());
    face.score = row[14];
    row += kColumns;
  }
  return faces;
}

FloatArray bound_decode_yunet(const std::vector<FloatArray>& outputs, int height, int width, float min_score,
                              float across, float down) {
  constexpr std::array kStrides{8, 16, 32};
  if (outputs.size() != 4 * kStrides.size()) {
    throw std::invalid_argument("expected 12 detector outputs: cls, obj, bbox, kps, each of strides 8, 16, 32");
  }
  std::vector<YunetLevel> levels;
  levels.reserve(kStrides.size());
  for (std::size_t i = 0; i < kStrides.size(); ++i) {
    levels.push_back({.stride = kStrides.at(i),
                      .classes = view(outputs[i]),
                      .objects = view(outputs[i + 3]),
                      .boxes = view(outputs[i + 6]),
                      .landmarks = view(outputs[i + 9])});
  }
  std::vector<Detection> faces;
  {
    const py::gil_scoped_release release;
    faces = decode_yunet(levels, height, width, min_score);
    stretch(faces, across, down);
  }
  return as_array(faces);
}

FloatArray bound_merge_detections(const std::vector<FloatArray>& found, float max_iou, float same_face_iou) {
  std::vector<Detection> faces;
  for (const FloatArray& some : found) {
    std::ranges::copy(as_detections(some), std::back_inserter(faces));
  }
  {
    const py::gil_scoped_release release;
    faces = merge_detections(faces, max_iou, same_face_iou);
  }
  return as_array(faces);
}

}  // namespace

void bind_detection(py::module_& module) {
  module.def("decode_yunet", bound_decode_yunet, py::arg("outputs"), py::arg("height"), py::arg("width"),
             py::arg("min_score"), py::arg("across") = 1.0F, py::arg("down") = 1.0F);
  module.def("merge_detections", bound_merge_detections, py::arg("found"), py::arg("max_iou"),
             py::arg("same_face_iou"));
}

}  // namespace sophon::bindings
