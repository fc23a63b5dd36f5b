#include "sophon/detection.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <stdexcept>
#include <string>

namespace sophon {
namespace {

void require_size(std::span<const float> tensor, std::size_t expected, const char* name, int stride) {
  if (tensor.size() != expected) {
    throw std::invalid_argument("detector output '" + std::string(name) + "' of stride " + std::to_string(stride) +
                                " has " + std::to_string(tensor.size()) + " values, expected " +
                                std::to_string(expected));
  }
}

bool is_finite(const Detection& face) {
  const auto finite = [](float value) { return std::isfinite(value); };
  return std::ranges::all_of(face.box, finite) && std::ranges::all_of(face.landmarks, finite);
}

float area(const Detection& face) { return (face.box[2] - face.box[0]) * (face.box[3] - face.box[1]); }

float intersection_over_union(const Detection& a, const Detection& b) {
  const float width = std::min(a.box[2], b.box[2]) - std::max(a.box[0], b.box[0]);
  const float height = std::min(a.box[3], b.box[3]) - std::max(a.box[1], b.box[1]);
  if (width <= 0.0F || height <= 0.0F) {
    return 0.0F;
  }
  const float intersection = width * height;
  return intersection / (area(a) + area(b) - intersection);
}

void decode_level(const YunetLevel& level, int height, int width, float min_score, std::vector<Detection>& faces) {
  const auto columns = static_cast<std::size_t>(width / level.stride);
  const std::size_t cells = static_cast<std::size_t>(height / level.stride) * columns;
  require_size(level.classes, cells, "cls", level.stride);
  require_size(level.objects, cells, "obj", level.stride);
  require_size(level.boxes, 4 * cells, "bbox", level.stride);
  require_size(level.landmarks, 10 * cells, "kps", level.stride);
  const auto stride = static_cast<float>(level.stride);
  for (std::size_t cell = 0; cell < cells; ++cell) {
    const float product = std::clamp(level.classes[cell], 0.0F, 1.0F) * std::clamp(level.objects[cell], 0.0F, 1.0F);
    if (!(product >= min_score * min_score)) {  // also drops NaN; the root is only taken of the few that remain
      continue;
    }
    const std::size_t whole_rows = cell / columns;
    const auto row = static_cast<float>(whole_rows);
    const auto column = static_cast<float>(cell - whole_rows * columns);
    const float* const box = &level.boxes[4 * cell];
    const float* const points = &level.landmarks[10 * cell];
    const float half_width = 0.5F * std::exp(box[2]) * stride;
    const float half_height = 0.5F * std::exp(box[3]) * stride;
    const float x = (column + box[0]) * stride;
    const float y = (row + box[1]) * stride;
    Detection face{.box = {x - half_width, y - half_height, x + half_width, y + half_height},
                   .landmarks = {},
                   .score = std::sqrt(product)};
    for (std::size_t i = 0; i < face.landmarks.size(); i += 2) {
      face.landmarks[i] = (column + points[i]) * stride;
      face.landmarks[i + 1] = (row + points[i + 1]) * stride;
    }
    if (is_finite(face)) {
      faces.push_back(face);
    }
  }
}

}  // namespace

std::vector<Detection> decode_yunet(std::span<const YunetLevel> levels, int height, int width, float min_score) {
  std::vector<Detection> faces;
  for (const YunetLevel& level : levels) {
    if (level.stride <= 0 || height <= 0 || width <= 0 || height % level.stride != 0 || width % level.stride != 0) {
      throw std::invalid_argument("the detector's input must be a multiple of its strides");
    }
    decode_level(level, height, width, min_score, faces);
  }
  return faces;
}

void stretch(std::span<Detection> detections, float across, float down) {
  const auto stretch_points = [&](std::span<float> values) {
    for (std::size_t i = 0; i < values.size(); i += 2) {
      values[i] *= across;
      values[i + 1] *= down;
    }
  };
  for (Detection& face : detections) {
    stretch_points(face.box);
    stretch_points(face.landmarks);
  }
}

std::vector<Detection> suppress_overlaps(std::span<const Detection> detections, float max_iou) {
  std::vector<std::size_t> order(detections.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    return detections[a].score != detections[b].score ? detections[a].score > detections[b].score : a < b;
  });
  std::vector<Detection> kept;
  for (const std::size_t i : order) {
    const Detection& face = detections[i];
    const auto covers = [&](const Detection& better) { return intersection_over_union(better, face) > max_iou; };
    if (std::ranges::none_of(kept, covers)) {
      kept.push_back(face);
    }
  }
  return kept;
}

std::vector<Detection> merge_detections(std::span<const Detection> detections, float max_iou, float same_face_iou) {
  std::vector<Detection> faces = suppress_overlaps(detections, max_iou);
  for (Detection& face : faces) {
    std::array<double, 10> sums{};
    double weight = 0.0;
    for (const Detection& other : detections) {
      if (intersection_over_union(face, other) >= same_face_iou) {
        std::ranges::transform(sums, other.landmarks, sums.begin(), [&](double sum, float value) {
          return sum + static_cast<double>(other.score) * static_cast<double>(value);
        });
        weight += static_cast<double>(other.score);
      }
    }
    if (weight > 0.0) {  // not of a box without an area, which does not even overlap itself
      std::ranges::transform(sums, face.landmarks.begin(),
                             [&](double sum) { return static_cast<float>(sum / weight); });
    }
  }
  std::ranges::sort(faces, [](const Detection& a, const Detection& b) {
    return area(a) != area(b) ? area(a) > area(b) : a.score > b.score;
  });
  return faces;
}

}  // namespace sophon
