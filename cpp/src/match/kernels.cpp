// Which compiled copy of a kernel serves an instruction set.
#include <stdexcept>

#include "simd/exact_score.h"

namespace sophon::simd {

#define SOPHON_DECLARE(isa)                                                   \
  namespace isa {                                                             \
  float exact_score(const float* left, const float* right, std::size_t size); \
  }

SOPHON_DECLARE(baseline)
#if defined(__x86_64__)
SOPHON_DECLARE(avx2)
SOPHON_DECLARE(avx512)
SOPHON_DECLARE(avx512vnni)
#elif defined(__aarch64__)
SOPHON_DECLARE(neon)
SOPHON_DECLARE(neondot)
#endif

ExactScore exact_score(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::avx2:
      return avx2::exact_score;
    case Isa::avx512:
      return avx512::exact_score;
    case Isa::avx512vnni:
      return avx512vnni::exact_score;
#elif defined(__aarch64__)
    case Isa::neon:
      return neon::exact_score;
    case Isa::neondot:
      return neondot::exact_score;
#endif
    default:
      return baseline::exact_score;
  }
}

}  // namespace sophon::simd
