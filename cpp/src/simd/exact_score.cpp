// Compiled once per instruction set (see sophon_add_kernels).
#include <cstddef>

#if defined(SOPHON_KERNEL_avx2) || defined(SOPHON_KERNEL_avx512) || defined(SOPHON_KERNEL_avx512vnni)
#include <immintrin.h>
#endif

namespace sophon::simd::SOPHON_KERNEL {

float exact_score(const float* left, const float* right, std::size_t size) {
#if defined(SOPHON_KERNEL_avx512) || defined(SOPHON_KERNEL_avx512vnni)
  __m512d low = _mm512_setzero_pd();
  __m512d high = _mm512_setzero_pd();
  for (std::size_t i = 0; i < size; i += 16) {
    low = _mm512_fmadd_pd(_mm512_cvtps_pd(_mm256_loadu_ps(left + i)), _mm512_cvtps_pd(_mm256_loadu_ps(right + i)), low);
    high = _mm512_fmadd_pd(_mm512_cvtps_pd(_mm256_loadu_ps(left + i + 8)),
                           _mm512_cvtps_pd(_mm256_loadu_ps(right + i + 8)), high);
  }
  double sums[8];
  _mm512_storeu_pd(sums, _mm512_add_pd(low, high));
  constexpr std::size_t kFirst = 4;
#else
  double sums[16] = {};
#if defined(SOPHON_KERNEL_avx2)
  __m256d lanes[4] = {_mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd()};
  for (std::size_t i = 0; i < size; i += 16) {
    for (std::size_t j = 0; j < 4; ++j) {
      lanes[j] = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm_loadu_ps(left + i + 4 * j)),
                                 _mm256_cvtps_pd(_mm_loadu_ps(right + i + 4 * j)), lanes[j]);
    }
  }
  for (std::size_t j = 0; j < 4; ++j) {
    _mm256_storeu_pd(sums + 4 * j, lanes[j]);
  }
#else
  for (std::size_t i = 0; i < size; i += 16) {
    for (std::size_t j = 0; j < 16; ++j) {
      sums[j] += static_cast<double>(left[i + j]) * static_cast<double>(right[i + j]);
    }
  }
#endif
  constexpr std::size_t kFirst = 8;
#endif
  for (std::size_t half = kFirst; half != 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) {
      sums[j] += sums[j + half];
    }
  }
  return static_cast<float>(sums[0]);
}

}  // namespace sophon::simd::SOPHON_KERNEL
