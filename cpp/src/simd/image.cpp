// Crops and resized pictures as network input. Compiled once per instruction set; every copy does the same operations
// on each value in the same order, so all give the same bits.
#include <math.h>  // the C functions: inline templates of <cmath> could be shared between the copies
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "simd/image_kernels.h"

namespace sophon::simd::SOPHON_KERNEL {
namespace {

constexpr int kChannels = 3;
constexpr int kMaxSamples = 4;

// Where the samples of one crop row lie in the picture: sample j of pixel x at (xx * (x + offset j) + x0, ...).
struct SampleRow {
  float xx;
  float yx;
  float x0;
  float y0;
};

SampleRow sample_row(const WarpJob& job, int y, float offset) {
  const double row = static_cast<double>(y) + static_cast<double>(offset);
  return {.xx = static_cast<float>(job.inverse[0]),
          .yx = static_cast<float>(job.inverse[3]),
          .x0 = static_cast<float>(job.inverse[1] * row + job.inverse[2]),
          .y0 = static_cast<float>(job.inverse[4] * row + job.inverse[5])};
}

// Sub-pixel offsets of n samples spread evenly over a pixel, around its centre.
float sample_offset(int i, int n) { return (static_cast<float>(i) + 0.5F) / static_cast<float>(n) - 0.5F; }

float tap(const WarpJob& job, int x, int y, int channel) {
  if (x < 0 || y < 0 || x >= job.image_width || y >= job.image_height) {
    return 0.0F;
  }
  return static_cast<float>(job.pixels[y * job.row_bytes + std::ptrdiff_t{kChannels} * x + channel]);
}

float mix(float a, float b, float t) { return a + t * (b - a); }

void add_sample(const WarpJob& job, float x, float y, float* sums) {
  const float left = floorf(x);
  const float top = floorf(y);
  const bool touches = left >= -1.0F && top >= -1.0F && left < static_cast<float>(job.image_width) &&
                       top < static_cast<float>(job.image_height);
  if (!touches) {  // all four taps are outside, where everything is black; or a coordinate is not a number
    return;
  }
  const int column = static_cast<int>(left);
  const int row = static_cast<int>(top);
  for (int c = 0; c < kChannels; ++c) {
    const float upper = mix(tap(job, column, row, c), tap(job, column + 1, row, c), x - left);
    const float lower = mix(tap(job, column, row + 1, c), tap(job, column + 1, row + 1, c), x - left);
    sums[c] += mix(upper, lower, y - top);
  }
}

void store(const WarpJob& job, std::ptrdiff_t pixel, int channel, float value) {
  if (job.bytes != nullptr) {
    job.bytes[kChannels * pixel + channel] = static_cast<std::uint8_t>(value);
  }
  if (job.planes[channel] != nullptr) {
    job.planes[channel][pixel] = (value - job.mean[channel]) * job.scale[channel];
  }
}

void warp_pixel(const WarpJob& job, const SampleRow* rows, const float* offsets, int x, int y) {
  float sums[kChannels] = {};
  for (int i = 0; i < job.samples; ++i) {
    for (int j = 0; j < job.samples; ++j) {
      const float column = static_cast<float>(x) + offsets[j];
      add_sample(job, rows[i].xx * column + rows[i].x0, rows[i].yx * column + rows[i].y0, sums);
    }
  }
  const float share = 1.0F / static_cast<float>(job.samples * job.samples);
  for (int c = 0; c < kChannels; ++c) {
    store(job, static_cast<std::ptrdiff_t>(y) * job.width + x, c, floorf(sums[c] * share + 0.5F));
  }
}

#if defined(__AVX2__)
constexpr int kLanes = 8;

__m256 mix(__m256 a, __m256 b, __m256 t) { return _mm256_add_ps(a, _mm256_mul_ps(t, _mm256_sub_ps(b, a))); }

__m256 channel_of(__m256i words, int shift) {
  return _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_srli_epi32(words, shift), _mm256_set1_epi32(0xFF)));
}

// Adds one sample to each of eight neighbouring pixels; false, with nothing done, where one of them is not wholly
// inside.
bool add_samples(const WarpJob& job, const SampleRow& row, __m256 column, __m256* sums) {
  const __m256 x = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(row.xx), column), _mm256_set1_ps(row.x0));
  const __m256 y = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(row.yx), column), _mm256_set1_ps(row.y0));
  const __m256 left = _mm256_floor_ps(x);
  const __m256 top = _mm256_floor_ps(y);
  const __m256 zero = _mm256_setzero_ps();
  const __m256 last_x = _mm256_set1_ps(static_cast<float>(job.image_width - 1));
  const __m256 last_y = _mm256_set1_ps(static_cast<float>(job.image_height - 1));
  const __m256 inside =
      _mm256_and_ps(_mm256_and_ps(_mm256_cmp_ps(left, zero, _CMP_GE_OQ), _mm256_cmp_ps(top, zero, _CMP_GE_OQ)),
                    _mm256_and_ps(_mm256_cmp_ps(left, last_x, _CMP_LT_OQ), _mm256_cmp_ps(top, last_y, _CMP_LT_OQ)));
  if (_mm256_movemask_ps(inside) != 0xFF) {
    return false;
  }
  const __m256i offset =
      _mm256_add_epi32(_mm256_mullo_epi32(_mm256_cvttps_epi32(top), _mm256_set1_epi32(static_cast<int>(job.row_bytes))),
                       _mm256_mullo_epi32(_mm256_cvttps_epi32(left), _mm256_set1_epi32(kChannels)));
  // Four bytes from the left pixel on hold B G R of it; four bytes from its last one on hold B G R of the right pixel
  // in the upper three. Neither reads past the right pixel.
  const auto* const upper = reinterpret_cast<const int*>(job.pixels);
  const auto* const lower = reinterpret_cast<const int*>(job.pixels + job.row_bytes);
  const __m256i next = _mm256_add_epi32(offset, _mm256_set1_epi32(2));
  const __m256i upper_left = _mm256_i32gather_epi32(upper, offset, 1);
  const __m256i upper_right = _mm256_i32gather_epi32(upper, next, 1);
  const __m256i lower_left = _mm256_i32gather_epi32(lower, offset, 1);
  const __m256i lower_right = _mm256_i32gather_epi32(lower, next, 1);
  const __m256 tx = _mm256_sub_ps(x, left);
  const __m256 ty = _mm256_sub_ps(y, top);
  for (int c = 0; c < kChannels; ++c) {
    const __m256 above = mix(channel_of(upper_left, 8 * c), channel_of(upper_right, 8 * c + 8), tx);
    const __m256 below = mix(channel_of(lower_left, 8 * c), channel_of(lower_right, 8 * c + 8), tx);
    sums[c] = _mm256_add_ps(sums[c], mix(above, below, ty));
  }
  return true;
}

bool warp_eight_pixels(const WarpJob& job, const SampleRow* rows, const float* offsets, int x, int y) {
  const __m256 columns = _mm256_add_ps(_mm256_set1_ps(static_cast<float>(x)), _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7));
  __m256 sums[kChannels] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  for (int i = 0; i < job.samples; ++i) {
    for (int j = 0; j < job.samples; ++j) {
      if (!add_samples(job, rows[i], _mm256_add_ps(columns, _mm256_set1_ps(offsets[j])), sums)) {
        return false;
      }
    }
  }
  const __m256 share = _mm256_set1_ps(1.0F / static_cast<float>(job.samples * job.samples));
  const std::ptrdiff_t pixel = static_cast<std::ptrdiff_t>(y) * job.width + x;
  for (int c = 0; c < kChannels; ++c) {
    const __m256 value = _mm256_floor_ps(_mm256_add_ps(_mm256_mul_ps(sums[c], share), _mm256_set1_ps(0.5F)));
    if (job.planes[c] != nullptr) {
      const __m256 centred = _mm256_sub_ps(value, _mm256_set1_ps(job.mean[c]));
      _mm256_storeu_ps(job.planes[c] + pixel, _mm256_mul_ps(centred, _mm256_set1_ps(job.scale[c])));
    }
    if (job.bytes != nullptr) {
      alignas(32) int bytes[kLanes];
      _mm256_store_si256(reinterpret_cast<__m256i*>(bytes), _mm256_cvttps_epi32(value));
      for (int lane = 0; lane < kLanes; ++lane) {
        job.bytes[kChannels * (pixel + lane) + c] = static_cast<std::uint8_t>(bytes[lane]);
      }
    }
  }
  return true;
}
#else
constexpr int kLanes = 1;

bool warp_eight_pixels(const WarpJob&, const SampleRow*, const float*, int, int) { return false; }
#endif

void warp(const WarpJob& job) {
  float offsets[kMaxSamples];
  SampleRow rows[kMaxSamples];
  for (int i = 0; i < job.samples; ++i) {
    offsets[i] = sample_offset(i, job.samples);
  }
  for (int y = 0; y < job.height; ++y) {
    for (int i = 0; i < job.samples; ++i) {
      rows[i] = sample_row(job, y, offsets[i]);
    }
    for (int x = 0; x < job.width;) {
      if (x + kLanes <= job.width && warp_eight_pixels(job, rows, offsets, x, y)) {
        x += kLanes;
      } else {
        const int end = x + kLanes < job.width ? x + kLanes : job.width;
        for (; x < end; ++x) {
          warp_pixel(job, rows, offsets, x, y);
        }
      }
    }
  }
}

// Adds N rows, each with its weight, to sum; the first ones replace what was there.
template <int N, bool kFirst>
void add_rows(float* sum, const std::uint8_t* const* rows, const float* weights, int values) {
  for (int i = 0; i < values; ++i) {
    float value = kFirst ? weights[0] * static_cast<float>(rows[0][i]) : sum[i];
    for (int k = kFirst ? 1 : 0; k < N; ++k) {
      value = value + weights[k] * static_cast<float>(rows[k][i]);
    }
    sum[i] = value;
  }
}

void sum_rows(const ResizeJob& job, int y, float* sum) {
  const int values = kChannels * job.image_width;
  const float* const weights = job.rows.weights + static_cast<std::ptrdiff_t>(y) * job.rows.count;
  const auto row_of = [&](int k) { return job.pixels + (job.rows.first[y] + k) * job.row_bytes; };
  int k = 0;
  if (job.rows.count == 1) {
    const std::uint8_t* const rows[] = {row_of(0)};
    add_rows<1, true>(sum, rows, weights, values);
    return;
  }
  for (; k + 2 <= job.rows.count; k += 2) {
    const std::uint8_t* const rows[] = {row_of(k), row_of(k + 1)};
    if (k == 0) {
      add_rows<2, true>(sum, rows, weights, values);
    } else {
      add_rows<2, false>(sum, rows, weights + k, values);
    }
  }
  if (k < job.rows.count) {
    const std::uint8_t* const rows[] = {row_of(k)};
    add_rows<1, false>(sum, rows, weights + k, values);
  }
}

// B, G, R and one value that does not count, so that a pixel is one load; two of them are the pixels of two target
// rows.
using Pixel = float __attribute__((vector_size(16)));
using Pair = float __attribute__((vector_size(32)));

Pixel load_pixel(const float* values) {
  Pixel pixel;
  memcpy(&pixel, values, sizeof pixel);
  return pixel;
}

void store_pixel(float* target, const Pixel& pixel) { memcpy(target, &pixel, sizeof pixel); }

struct TargetRows {
  const float* sums[2];     // what sum_rows made of the source rows
  std::ptrdiff_t place[2];  // in the planes
};

// One target pixel of N taps, in both rows; of as many as the job says where N is 0.
template <int N>
Pair sum_column(const ResizeJob& job, const TargetRows& rows, int x) {
  const int count = N == 0 ? job.columns.count : N;
  const float* const weights = job.columns.weights + static_cast<std::ptrdiff_t>(x) * count;
  const std::ptrdiff_t first = std::ptrdiff_t{kChannels} * job.columns.first[x];
  const auto load = [&](int k) {
    const std::ptrdiff_t place = first + std::ptrdiff_t{kChannels} * k;
    return __builtin_shufflevector(load_pixel(rows.sums[0] + place), load_pixel(rows.sums[1] + place), 0, 1, 2, 3, 4, 5,
                                   6, 7);
  };
  Pair sum = weights[0] * load(0);
  for (int k = 1; k < count; ++k) {
    sum = sum + weights[k] * load(k);
  }
  return sum;
}

// Four values of one channel, in both rows.
void store_channel(float* plane, const TargetRows& rows, int x, const Pair& values) {
  store_pixel(plane + rows.place[0] + x, __builtin_shufflevector(values, values, 0, 1, 2, 3));
  store_pixel(plane + rows.place[1] + x, __builtin_shufflevector(values, values, 4, 5, 6, 7));
}

template <int N>
void sum_columns(const ResizeJob& job, const TargetRows& rows) {
  int x = 0;
  for (; x + 4 <= job.columns.size; x += 4) {
    const Pair a = sum_column<N>(job, rows, x);
    const Pair b = sum_column<N>(job, rows, x + 1);
    const Pair c = sum_column<N>(job, rows, x + 2);
    const Pair d = sum_column<N>(job, rows, x + 3);
    const Pair blue_green_1 = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
    const Pair blue_green_2 = __builtin_shufflevector(c, d, 0, 8, 1, 9, 4, 12, 5, 13);
    const Pair red_1 = __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
    const Pair red_2 = __builtin_shufflevector(c, d, 2, 10, 3, 11, 6, 14, 7, 15);
    store_channel(job.planes[0], rows, x,
                  __builtin_shufflevector(blue_green_1, blue_green_2, 0, 1, 8, 9, 4, 5, 12, 13));
    store_channel(job.planes[1], rows, x,
                  __builtin_shufflevector(blue_green_1, blue_green_2, 2, 3, 10, 11, 6, 7, 14, 15));
    store_channel(job.planes[2], rows, x, __builtin_shufflevector(red_1, red_2, 0, 1, 8, 9, 4, 5, 12, 13));
  }
  for (; x < job.columns.size; ++x) {
    const Pair sum = sum_column<N>(job, rows, x);
    for (int c = 0; c < kChannels; ++c) {
      job.planes[c][rows.place[0] + x] = sum[c];
      job.planes[c][rows.place[1] + x] = sum[c + 4];
    }
  }
}

// Two target rows at a time; an odd last one is made twice.
template <int N>
void resize_with_taps(const ResizeJob& job) {
  float* const sums[] = {job.row_sum, job.row_sum + std::ptrdiff_t{kChannels} * job.image_width + 1};
  const int last = job.rows.size - 1;
  for (int y = 0; y <= last; y += 2) {
    const int next = y < last ? y + 1 : last;
    sum_rows(job, y, sums[0]);
    sum_rows(job, next, sums[1]);
    sum_columns<N>(job, {.sums = {sums[0], sums[1]}, .place = {y * job.plane_width, next * job.plane_width}});
  }
}

void resize(const ResizeJob& job) {
  switch (job.columns.count) {
    case 2:
      return resize_with_taps<2>(job);
    case 3:
      return resize_with_taps<3>(job);
    case 4:
      return resize_with_taps<4>(job);
    default:
      return resize_with_taps<0>(job);
  }
}

}  // namespace

ImageKernels image_kernels() { return {.warp = warp, .resize = resize}; }

}  // namespace sophon::simd::SOPHON_KERNEL
