#include "sophon/face_statistics.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <stdexcept>

namespace sophon {
namespace {

constexpr std::size_t kSide = kAlignedSize;
constexpr int kBlurReach = 4;  // a mean over nine pixels: four on either side

using Plane = std::array<std::uint8_t, kSide * kSide>;
using Histogram = std::array<std::uint32_t, 256>;

// The columns of one row that lie in the face region, [begin, end).
struct Span {
  std::size_t begin;
  std::size_t end;
};

using FaceRegion = std::array<Span, kSide>;

constexpr FaceRegion face_region() {
  constexpr int kHalfWidth = 36;
  constexpr int kHalfHeight = 44;
  FaceRegion region{};
  for (std::size_t y = 0; y < kSide; ++y) {
    for (std::size_t x = 0; x < kSide; ++x) {
      const int across = (static_cast<int>(x) - 56) * kHalfHeight;
      const int down = (static_cast<int>(y) - 68) * kHalfWidth;
      if (across * across + down * down <= kHalfWidth * kHalfWidth * kHalfHeight * kHalfHeight) {
        region[y] = {.begin = region[y].end == 0 ? x : region[y].begin, .end = x + 1};
      }
    }
  }
  return region;
}

constexpr FaceRegion kFaceRegion = face_region();

// Of the face region alone: nothing else is looked at.
Plane luma_of(std::span<const std::uint8_t> crop) {
  Plane luma{};
  for (std::size_t y = 0; y < kSide; ++y) {
    for (std::size_t i = y * kSide + kFaceRegion[y].begin; i < y * kSide + kFaceRegion[y].end; ++i) {
      const unsigned blue = crop[3 * i];
      const unsigned green = crop[3 * i + 1];
      const unsigned red = crop[3 * i + 2];
      luma[i] = static_cast<std::uint8_t>((29 * blue + 150 * green + 77 * red + 128) >> 8U);
    }
  }
  return luma;
}

// 1 for the pixels of the face region that come from inside the picture.
struct Coverage {
  Plane seen;
  double visible;
};

Coverage coverage_of(const Affine& image_to_crop, int image_height, int image_width) {
  const Affine inverse = image_to_crop.inverse();
  const auto is_inside = [&](std::size_t x, std::size_t y) {
    const Point p = inverse({.x = static_cast<double>(x), .y = static_cast<double>(y)});
    return p.x >= -0.5 && p.y >= -0.5 && p.x <= image_width - 0.5 && p.y <= image_height - 0.5;
  };
  Coverage coverage{.seen = {}, .visible = 0.0};
  std::size_t region = 0;
  std::size_t seen = 0;
  for (std::size_t y = 0; y < kSide; ++y) {
    const auto [begin, end] = kFaceRegion[y];
    region += end - begin;
    // A line whose ends lie inside the picture lies inside it.
    if (begin < end && is_inside(begin, y) && is_inside(end - 1, y)) {
      std::fill_n(coverage.seen.begin() + static_cast<std::ptrdiff_t>(y * kSide + begin), end - begin, std::uint8_t{1});
      seen += end - begin;
      continue;
    }
    for (std::size_t x = begin; x < end; ++x) {
      const bool inside = is_inside(x, y);
      coverage.seen[y * kSide + x] = inside ? 1 : 0;
      seen += inside ? 1 : 0;
    }
  }
  coverage.visible = static_cast<double>(seen) / static_cast<double>(region);
  return coverage;
}

// The difference of two neighbouring nine-pixel means is a ninth of the difference of the pixels that enter and leave,
// so no blurred picture is needed. `step` is the distance of neighbours: 1 along rows, kSide along columns.
double sharpness(const Plane& luma, const Plane& seen, std::size_t step) {
  constexpr int kMean = 2 * kBlurReach + 1;
  const std::size_t before = (kBlurReach + 1) * step;
  const std::size_t after = kBlurReach * step;
  // Both sums stay below 2^31: a face region has fewer than 5,000 pixels, each adds at most 9 * 255.
  int variation = 0;
  int lost = 0;
  for (std::size_t i = before; i + after < luma.size(); ++i) {
    // All 1 or 0; no branch, so that many pixels are taken at once.
    const int counts = seen[i] & seen[i - before] & seen[i + after];
    const int sharp = kMean * std::abs(int{luma[i]} - int{luma[i - step]});
    const int blurred = std::abs(int{luma[i + after]} - int{luma[i - before]});
    variation += counts * sharp;
    lost += counts * std::max(sharp - blurred, 0);
  }
  return variation == 0 ? 0.0 : static_cast<double>(lost) / static_cast<double>(variation);
}

struct Histograms {
  Histogram left{};
  Histogram right{};
};

Histograms histograms_of(const Plane& luma, const Plane& seen) {
  Histograms histograms;
  for (std::size_t y = 0; y < kSide; ++y) {
    for (std::size_t x = kFaceRegion[y].begin; x < kFaceRegion[y].end; ++x) {
      const std::size_t i = y * kSide + x;
      (x < kSide / 2 ? histograms.left : histograms.right)[luma[i]] += seen[i];
    }
  }
  return histograms;
}

double count(const Histogram& histogram) { return std::accumulate(histogram.begin(), histogram.end(), 0.0); }

double mean(const Histogram& histogram) {
  double sum = 0.0;
  for (std::size_t level = 0; level < histogram.size(); ++level) {
    sum += static_cast<double>(level) * histogram[level];
  }
  return sum / std::max(count(histogram), 1.0);
}

// The level that `share` of the pixels do not exceed, interpolated inside its bin so that it moves smoothly.
double level_at(const Histogram& histogram, double share) {
  const double wanted = share * count(histogram);
  double below = 0.0;
  for (std::size_t level = 0; level < histogram.size(); ++level) {
    const double here = histogram[level];
    if (here > 0.0 && below + here >= wanted) {
      return static_cast<double>(level) + (wanted - below) / here - 0.5;
    }
    below += here;
  }
  return 0.0;
}

double share_from(const Histogram& histogram, std::size_t level) {
  const double above = std::accumulate(histogram.begin() + static_cast<std::ptrdiff_t>(level), histogram.end(), 0.0);
  return above / std::max(count(histogram), 1.0);
}

struct Box {
  std::size_t x;
  std::size_t y;
  std::size_t width;
  std::size_t height;
};

double median(const Plane& luma, const Box& box) {
  Histogram histogram{};
  for (std::size_t y = box.y; y < box.y + box.height; ++y) {
    for (std::size_t x = box.x; x < box.x + box.width; ++x) {
      ++histogram[luma[y * kSide + x]];
    }
  }
  return level_at(histogram, 0.5);
}

double eye_level(const Plane& luma, const Box& below_eye, const Box& cheek) {
  return std::max(median(luma, below_eye), 0.0) / std::max(median(luma, cheek), 1.0);
}

}  // namespace

FaceStatistics measure_face(std::span<const std::uint8_t> crop, const Affine& image_to_crop, int image_height,
                            int image_width) {
  if (crop.size() != 3 * kSide * kSide) {
    throw std::invalid_argument("an aligned face is 112 x 112 x 3 bytes");
  }
  constexpr std::size_t kWhite = 240;
  const Plane luma = luma_of(crop);
  const Coverage coverage = coverage_of(image_to_crop, image_height, image_width);
  const Histograms halves = histograms_of(luma, coverage.seen);
  Histogram whole{};
  std::ranges::transform(halves.left, halves.right, whole.begin(), std::plus{});
  return {.visible = coverage.visible,
          .sharpness_across = sharpness(luma, coverage.seen, 1),
          .sharpness_down = sharpness(luma, coverage.seen, kSide),
          .dark_level = level_at(whole, 0.05),
          .median_level = level_at(whole, 0.5),
          .bright_level = level_at(whole, 0.95),
          .white_share = share_from(whole, kWhite),
          .left_mean = mean(halves.left),
          .right_mean = mean(halves.right),
          .right_eye_level = eye_level(luma, {.x = 30, .y = 57, .width = 17, .height = 5},
                                       {.x = 29, .y = 67, .width = 15, .height = 10}),
          .left_eye_level = eye_level(luma, {.x = 66, .y = 57, .width = 17, .height = 5},
                                      {.x = 69, .y = 67, .width = 15, .height = 10})};
}

}  // namespace sophon
