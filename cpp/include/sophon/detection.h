// Decoding of the YuNet face detector's output, and non-maximum suppression.
#pragma once

#include <array>
#include <span>
#include <vector>

namespace sophon {

// One face in pixels of the detector's input: x1, y1, x2, y2; five points x, y in the order right eye, left eye, nose
// tip, right and left mouth corner as the subject has them (the image's left one first); score 0..1.
struct Detection {
  std::array<float, 4> box;
  std::array<float, 10> landmarks;
  float score;
};

// The four output tensors of one stride: per cell of the (height / stride) x (width / stride) grid, row by row, the
// class and object probabilities, 4 box and 10 landmark numbers.
struct YunetLevel {
  int stride;
  std::span<const float> classes;
  std::span<const float> objects;
  std::span<const float> boxes;
  std::span<const float> landmarks;
};

// score = sqrt(class * object), centre = (cell + box[0:2]) * stride, size = exp(box[2:4]) * stride,
// point = (cell + landmark) * stride, as the model's authors define it (Wu, Peng, Yu: YuNet, 2023). Faces below
// min_score are dropped, as are those with a number that is not finite. Throws std::invalid_argument where a tensor
// does not fit the input's size.
std::vector<Detection> decode_yunet(std::span<const YunetLevel> levels, int height, int width, float min_score);

// Stretches faces from the detector's input to the picture.
void stretch(std::span<Detection> detections, float across, float down);

// Greedy suppression: best score first (ties: in the order given), a box that overlaps a kept one by more than max_iou
// (intersection over union) is dropped. The result is ordered by score.
std::vector<Detection> suppress_overlaps(std::span<const Detection> detections, float max_iou);

// What is left after suppression, largest first (equally large ones: best score first). A face's landmarks are the
// mean, weighted by score, of all detections whose boxes overlap its own by at least same_face_iou.
std::vector<Detection> merge_detections(std::span<const Detection> detections, float max_iou, float same_face_iou);

}  // namespace sophon
