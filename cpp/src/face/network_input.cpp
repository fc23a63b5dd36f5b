#include "sophon/network_input.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "simd/image_kernels.h"
#include "sophon/isa.h"

namespace sophon {
namespace {

constexpr int kMaxSamples = 4;

simd::ImageKernels chosen_kernels() {
  switch (chosen_isa()) {
#if defined(__x86_64__)
    case Isa::sse4:
      return simd::sse4::image_kernels();
    case Isa::avx2:
      return simd::avx2::image_kernels();
    case Isa::avx512:
      return simd::avx512::image_kernels();
    case Isa::avx512vnni:
      return simd::avx512vnni::image_kernels();
#elif defined(__aarch64__)
    case Isa::neon:
      return simd::neon::image_kernels();
    case Isa::neondot:
      return simd::neondot::image_kernels();
#endif
    default:
      return simd::baseline::image_kernels();
  }
}

std::size_t area(int height, int width) { return static_cast<std::size_t>(height) * static_cast<std::size_t>(width); }

void require_picture(const ImageView& image) {
  // The kernels address a picture's bytes with 32-bit offsets.
  const auto bytes = static_cast<double>(image.height) * static_cast<double>(image.row_bytes);
  if (image.height < 1 || image.width < 1 || image.row_bytes < kChannels * static_cast<std::ptrdiff_t>(image.width) ||
      bytes > static_cast<double>(std::numeric_limits<int>::max())) {
    throw std::invalid_argument("a picture needs at least one pixel and at most 2 GiB, its rows one after the other");
  }
}

int samples_per_side(const Affine& crop_to_image) {
  const auto& m = crop_to_image.m;
  const double span = std::sqrt(std::abs(m[0] * m[4] - m[1] * m[3]));
  return static_cast<int>(std::clamp(std::round(span), 1.0, static_cast<double>(kMaxSamples)));
}

// The taps of one axis; see simd::AxisTaps.
struct Taps {
  std::vector<int> first;
  std::vector<float> weights;
  int count;

  [[nodiscard]] simd::AxisTaps view() const {
    return {.first = first.data(), .weights = weights.data(), .count = count, .size = static_cast<int>(first.size())};
  }
};

// Target pixel i covers the source from i * span to (i + 1) * span. All in whole numbers of source pixels / target, so
// that no more taps are taken than pixels are touched.
Taps mean_taps(int source, int target) {
  const auto wide_source = static_cast<std::int64_t>(source);
  const auto first_of = [&](int i) { return static_cast<int>(i * wide_source / target); };
  const auto end_of = [&](int i) { return static_cast<int>(((i + 1) * wide_source + target - 1) / target); };
  Taps taps{.first = {}, .weights = {}, .count = 1};
  for (int i = 0; i < target; ++i) {
    taps.count = std::max(taps.count, end_of(i) - first_of(i));
  }
  for (int i = 0; i < target; ++i) {
    const int first = std::min(first_of(i), source - taps.count);
    taps.first.push_back(first);
    for (std::int64_t k = first; k < first + taps.count; ++k) {
      const std::int64_t overlap =
          std::min((i + 1) * wide_source, (k + 1) * target) - std::max(i * wide_source, k * target);
      taps.weights.push_back(static_cast<float>(static_cast<double>(std::max<std::int64_t>(overlap, 0)) / source));
    }
  }
  return taps;
}

Taps linear_taps(int source, int target) {
  const double span = static_cast<double>(source) / target;
  const int count = std::min(source, 2);
  Taps taps{.first = {}, .weights = {}, .count = count};
  for (int i = 0; i < target; ++i) {
    const double centre = std::clamp((i + 0.5) * span - 0.5, 0.0, source - 1.0);
    const int first = std::clamp(static_cast<int>(std::floor(centre)), 0, source - count);
    taps.first.push_back(first);
    for (int k = first; k < first + count; ++k) {
      taps.weights.push_back(static_cast<float>(std::max(1.0 - std::abs(centre - k), 0.0)));
    }
  }
  return taps;
}

// Zeroes what lies right of and below the picture in each plane.
void blacken_padding(std::span<float> planes, int height, int width, int planes_height, int planes_width) {
  const std::size_t plane_size = area(planes_height, planes_width);
  for (std::size_t c = 0; c < kChannels; ++c) {
    const std::span<float> plane = planes.subspan(c * plane_size, plane_size);
    for (int y = 0; width < planes_width && y < height; ++y) {
      std::ranges::fill(plane.subspan(area(y, planes_width) + static_cast<std::size_t>(width),
                                      static_cast<std::size_t>(planes_width - width)),
                        0.0F);
    }
    std::ranges::fill(plane.subspan(area(height, planes_width)), 0.0F);
  }
}

Taps axis_taps(int source, int target) {
  return target < source ? mean_taps(source, target) : linear_taps(source, target);
}

}  // namespace

void warp(const ImageView& image, const Affine& image_to_crop, int height, int width, Sampling sampling,
          const PixelFormat& format, std::span<float> planes, std::span<std::uint8_t> bytes) {
  require_picture(image);
  const std::size_t pixels = height > 0 && width > 0 ? area(height, width) : 0;
  const auto fits = [&](std::size_t size) { return size == 0 || size == kChannels * pixels; };
  if (pixels == 0 || !fits(planes.size()) || !fits(bytes.size())) {
    throw std::invalid_argument("the crop's buffers do not have the crop's size");
  }
  const Affine inverse = image_to_crop.inverse();
  simd::WarpJob job{.pixels = image.pixels,
                    .image_height = image.height,
                    .image_width = image.width,
                    .row_bytes = image.row_bytes,
                    .inverse = {},
                    .samples = sampling == Sampling::smooth ? samples_per_side(inverse) : 1,
                    .height = height,
                    .width = width,
                    .planes = {},
                    .mean = {},
                    .scale = {},
                    .bytes = bytes.empty() ? nullptr : bytes.data()};
  std::ranges::copy(inverse.m, job.inverse);
  for (std::size_t c = 0; c < kChannels; ++c) {
    const std::size_t plane = format.rgb ? kChannels - 1 - c : c;  // where the network wants channel c of B, G, R
    job.planes[c] = planes.empty() ? nullptr : planes.subspan(plane * pixels).data();
    job.mean[c] = format.mean.at(plane);
    job.scale[c] = format.scale.at(plane);
  }
  chosen_kernels().warp(job);
}

void resize(const ImageView& image, int height, int width, int planes_height, int planes_width,
            std::span<float> planes) {
  require_picture(image);
  if (height < 1 || width < 1 || height > planes_height || width > planes_width ||
      planes.size() != kChannels * area(planes_height, planes_width)) {
    throw std::invalid_argument("the resized picture does not fit the planes");
  }
  blacken_padding(planes, height, width, planes_height, planes_width);
  const Taps rows = axis_taps(image.height, height);
  const Taps columns = axis_taps(image.width, width);
  std::vector<float> row_sum(2 * (kChannels * static_cast<std::size_t>(image.width) + 1));
  simd::ResizeJob job{.pixels = image.pixels,
                      .row_bytes = image.row_bytes,
                      .image_width = image.width,
                      .rows = rows.view(),
                      .columns = columns.view(),
                      .row_sum = row_sum.data(),
                      .planes = {},
                      .plane_width = planes_width};
  for (std::size_t c = 0; c < kChannels; ++c) {
    job.planes[c] = planes.subspan(c * area(planes_height, planes_width)).data();
  }
  chosen_kernels().resize(job);
}

}  // namespace sophon
