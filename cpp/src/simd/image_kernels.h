// The kernels of src/simd/image.cpp, one set per instruction set. Plain data only: this header is read by files that
// are compiled with different flags.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sophon::simd {

// One crop: the inverse map crop -> picture, samples x samples per pixel; outputs may be null.
struct WarpJob {
  const std::uint8_t* pixels;
  int image_height;
  int image_width;
  std::ptrdiff_t row_bytes;
  double inverse[6];
  int samples;
  int height;
  int width;
  float* planes[3];  // where the B, G and R values go
  float mean[3];     // of B, G and R
  float scale[3];
  std::uint8_t* bytes;
};

// Which source pixels make up each target pixel along one axis: target i is the sum over k < count of
// weights[i * count + k] * source[first[i] + k].
struct AxisTaps {
  const int* first;
  const float* weights;
  int count;
  int size;
};

struct ResizeJob {
  const std::uint8_t* pixels;
  std::ptrdiff_t row_bytes;
  int image_width;
  AxisTaps rows;
  AxisTaps columns;
  float* row_sum;  // 2 * (3 * image_width + 1) floats of scratch
  float* planes[3];
  std::ptrdiff_t plane_width;
};

struct ImageKernels {
  void (*warp)(const WarpJob&);
  void (*resize)(const ResizeJob&);
};

#if defined(__x86_64__)
#define SOPHON_FOR_EACH_KERNEL(use) use(baseline) use(sse4) use(avx2) use(avx512) use(avx512vnni)
#elif defined(__aarch64__)
#define SOPHON_FOR_EACH_KERNEL(use) use(baseline) use(neon) use(neondot)
#else
#define SOPHON_FOR_EACH_KERNEL(use) use(baseline)
#endif

#define SOPHON_DECLARE_IMAGE_KERNELS(isa) \
  namespace isa {                         \
  ImageKernels image_kernels();           \
  }
SOPHON_FOR_EACH_KERNEL(SOPHON_DECLARE_IMAGE_KERNELS)
#undef SOPHON_DECLARE_IMAGE_KERNELS

}  // namespace sophon::simd
