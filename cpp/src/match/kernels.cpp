// Which compiled copy of the kernels serves an instruction set.
#include "simd/match_kernels.h"

namespace sophon::simd {

namespace baseline {
extern const MatchKernels match_kernels;
}
#if defined(__x86_64__)
namespace sse4 {
extern const MatchKernels match_kernels;
}
namespace avx2 {
extern const MatchKernels match_kernels;
}
namespace avx512 {
extern const MatchKernels match_kernels;
}
namespace avx512vnni {
extern const MatchKernels match_kernels;
}
#elif defined(__aarch64__)
namespace neon {
extern const MatchKernels match_kernels;
}
namespace neondot {
extern const MatchKernels match_kernels;
}
#endif

const MatchKernels& match_kernels(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::sse4:
      return sse4::match_kernels;
    case Isa::avx2:
      return avx2::match_kernels;
    case Isa::avx512:
      return avx512::match_kernels;
    case Isa::avx512vnni:
      return avx512vnni::match_kernels;
#elif defined(__aarch64__)
    case Isa::neon:
      return neon::match_kernels;
    case Isa::neondot:
      return neondot::match_kernels;
#endif
    default:
      return baseline::match_kernels;
  }
}

}  // namespace sophon::simd
