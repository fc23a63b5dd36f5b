// Compiled once per instruction set (see sophon_add_kernels). The loops are written once, over the few operations that
// each instruction set defines at the top: codes of one step of a row, a query's codes for it, sums of products.
//
// A kernel reads whole groups of rows, also slots that a writer is filling meanwhile: their products are computed from
// whatever bytes are there and never used, since no snapshot has such a slot. (Thread sanitizer is off for these
// files.)
#include "simd/match_kernels.h"

#if defined(SOPHON_KERNEL_avx2) || defined(SOPHON_KERNEL_avx512) || defined(SOPHON_KERNEL_avx512vnni)
#include <immintrin.h>
#elif defined(SOPHON_KERNEL_neon) || defined(SOPHON_KERNEL_neondot)
#include <arm_neon.h>
#endif

namespace sophon::simd::SOPHON_KERNEL {
namespace {

constexpr std::size_t kPrefetchAhead = 2048;  // bytes

// By code, over and over: the values as they are multiplied.
struct ShiftedValues {
  alignas(64) std::uint8_t of_code[64]{};
  constexpr ShiftedValues() {
    for (std::size_t i = 0; i < 64; ++i) {
      of_code[i] = static_cast<std::uint8_t>(kCodeValues[i % 16] + kValueShift);
    }
  }
};
constexpr ShiftedValues kShifted;

#if defined(SOPHON_KERNEL_avx512) || defined(SOPHON_KERNEL_avx512vnni)

constexpr std::size_t kStep = 64;  // bytes of a row at a time
constexpr std::size_t kSums = 16;  // sums that are finished together
constexpr std::size_t kTileRows = 4;
constexpr std::size_t kTileQueries = 4;

using Sum = __m512i;
struct Halves {
  __m512i low;
  __m512i high;
};

inline Sum zero() { return _mm512_setzero_si512(); }

inline Halves load_codes(const std::uint8_t* codes) {
  const __m512i both = _mm512_loadu_si512(codes);
  const __m512i values = _mm512_load_si512(kShifted.of_code);
#if defined(SOPHON_KERNEL_avx512vnni)
  // The look-up goes by six bits; the upper two don't matter, since the table repeats.
  return {_mm512_permutexvar_epi8(both, values), _mm512_permutexvar_epi8(_mm512_srli_epi16(both, 4), values)};
#else
  const __m512i mask = _mm512_set1_epi8(15);
  return {_mm512_shuffle_epi8(values, _mm512_and_si512(both, mask)),
          _mm512_shuffle_epi8(values, _mm512_and_si512(_mm512_srli_epi16(both, 4), mask))};
#endif
}

inline Halves load_query(const std::int8_t* low, const std::int8_t* high) {
  return {_mm512_loadu_si512(low), _mm512_loadu_si512(high)};
}

inline Sum add_products(Sum sum, const Halves& codes, const Halves& query) {
#if defined(SOPHON_KERNEL_avx512vnni)
  return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sum, codes.low, query.low), codes.high, query.high);
#else
  // 4 * 40 * 127 fits into 16 bits.
  const __m512i pairs =
      _mm512_add_epi16(_mm512_maddubs_epi16(codes.low, query.low), _mm512_maddubs_epi16(codes.high, query.high));
  return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#endif
}

// A transposition that adds on the way: sums[i]'s total goes to place i.
inline __m512i totals(const Sum (&sums)[kSums]) {
  __m512i pairs[8];
#pragma GCC unroll 8
  for (std::size_t i = 0; i < 8; ++i) {
    pairs[i] = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[2 * i], sums[2 * i + 1]),
                                _mm512_unpackhi_epi32(sums[2 * i], sums[2 * i + 1]));
  }
  __m512i fours[4];
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 4; ++i) {
    fours[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(pairs[2 * i], pairs[2 * i + 1]),
                                _mm512_unpackhi_epi64(pairs[2 * i], pairs[2 * i + 1]));
  }
  const __m512i first =
      _mm512_add_epi32(_mm512_shuffle_i32x4(fours[0], fours[1], 0x44), _mm512_shuffle_i32x4(fours[0], fours[1], 0xEE));
  const __m512i second =
      _mm512_add_epi32(_mm512_shuffle_i32x4(fours[2], fours[3], 0x44), _mm512_shuffle_i32x4(fours[2], fours[3], 0xEE));
  return _mm512_add_epi32(_mm512_shuffle_i32x4(first, second, 0x88), _mm512_shuffle_i32x4(first, second, 0xDD));
}

inline __m512 scaled(__m512i products, __m512 query_scale, __m512i row_scales) {
  const __m512 scales = _mm512_castsi512_ps(_mm512_slli_epi32(row_scales, 16));
  return _mm512_mul_ps(scales, _mm512_mul_ps(_mm512_cvtepi32_ps(products), query_scale));
}

inline void write_scores(const Sum (&sums)[kSums], const NibbleQuery& query, const RowScale* scales, float* scores) {
  const __m512i products = _mm512_sub_epi32(totals(sums), _mm512_set1_epi32(query.offset));
  _mm512_storeu_ps(scores, scaled(products, _mm512_set1_ps(query.scale), _mm512_loadu_si512(scales)));
}

// Sums of a tile are by query, then by row.
struct TileTerms {
  __m512i offsets;
  __m512 scales;
  explicit TileTerms(const NibbleQuery* const (&tile)[kTileQueries])
      : offsets(by_query(tile[0]->offset, tile[1]->offset, tile[2]->offset, tile[3]->offset)),
        scales(_mm512_castsi512_ps(
            by_query(bits(tile[0]->scale), bits(tile[1]->scale), bits(tile[2]->scale), bits(tile[3]->scale)))) {}
  static int bits(float value) { return __builtin_bit_cast(int, value); }
  static __m512i by_query(int a, int b, int c, int d) {
    return _mm512_setr_epi32(a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d);
  }
};

inline void write_tile(const Sum (&sums)[kSums], const TileTerms& terms, const RowScale* scales,
                       float* const (&scores)[kTileQueries], std::size_t place) {
  const __m512i row_scales = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(scales)));
  const __m512 all = scaled(_mm512_sub_epi32(totals(sums), terms.offsets), terms.scales, row_scales);
  _mm_storeu_ps(scores[0] + place, _mm512_castps512_ps128(all));
  _mm_storeu_ps(scores[1] + place, _mm512_extractf32x4_ps(all, 1));
  _mm_storeu_ps(scores[2] + place, _mm512_extractf32x4_ps(all, 2));
  _mm_storeu_ps(scores[3] + place, _mm512_extractf32x4_ps(all, 3));
}

inline void prefetch(const std::uint8_t* address) { _mm_prefetch(reinterpret_cast<const char*>(address), _MM_HINT_T0); }

#elif defined(SOPHON_KERNEL_avx2)

constexpr std::size_t kStep = 32;
constexpr std::size_t kSums = 4;
constexpr std::size_t kTileRows = 2;
constexpr std::size_t kTileQueries = 2;

using Sum = __m256i;
struct Halves {
  __m256i low;
  __m256i high;
};

inline Sum zero() { return _mm256_setzero_si256(); }

inline Halves load_codes(const std::uint8_t* codes) {
  const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
  const __m256i mask = _mm256_set1_epi8(15);
  const __m256i values = _mm256_load_si256(reinterpret_cast<const __m256i*>(kShifted.of_code));
  return {_mm256_shuffle_epi8(values, _mm256_and_si256(both, mask)),
          _mm256_shuffle_epi8(values, _mm256_and_si256(_mm256_srli_epi16(both, 4), mask))};
}

inline Halves load_query(const std::int8_t* low, const std::int8_t* high) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(low)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(high))};
}

inline Sum add_products(Sum sum, const Halves& codes, const Halves& query) {
  // 4 * 40 * 127 fits into 16 bits.
  const __m256i pairs =
      _mm256_add_epi16(_mm256_maddubs_epi16(codes.low, query.low), _mm256_maddubs_epi16(codes.high, query.high));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

inline void finish(const Sum (&sums)[kSums], std::int32_t* totals) {
  const __m256i fours = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(totals),
                   _mm_add_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1)));
}

inline void prefetch(const std::uint8_t* address) { _mm_prefetch(reinterpret_cast<const char*>(address), _MM_HINT_T0); }

#elif defined(SOPHON_KERNEL_neon) || defined(SOPHON_KERNEL_neondot)

constexpr std::size_t kStep = 16;
constexpr std::size_t kSums = 4;
constexpr std::size_t kTileRows = 2;
constexpr std::size_t kTileQueries = 2;

using Sum = int32x4_t;
struct Halves {
  int8x16_t low;
  int8x16_t high;
};

inline Sum zero() { return vdupq_n_s32(0); }

inline Halves load_codes(const std::uint8_t* codes) {
  const uint8x16_t both = vld1q_u8(codes);
  const uint8x16_t values = vld1q_u8(kShifted.of_code);
  return {vreinterpretq_s8_u8(vqtbl1q_u8(values, vandq_u8(both, vdupq_n_u8(15)))),
          vreinterpretq_s8_u8(vqtbl1q_u8(values, vshrq_n_u8(both, 4)))};
}

inline Halves load_query(const std::int8_t* low, const std::int8_t* high) { return {vld1q_s8(low), vld1q_s8(high)}; }

inline Sum add_products(Sum sum, const Halves& codes, const Halves& query) {
#if defined(SOPHON_KERNEL_neondot)
  return vdotq_s32(vdotq_s32(sum, codes.low, query.low), codes.high, query.high);
#else
  // 4 * 40 * 127 fits into 16 bits.
  int16x8_t eights = vmull_s8(vget_low_s8(codes.low), vget_low_s8(query.low));
  eights = vmlal_s8(eights, vget_high_s8(codes.low), vget_high_s8(query.low));
  eights = vmlal_s8(eights, vget_low_s8(codes.high), vget_low_s8(query.high));
  eights = vmlal_s8(eights, vget_high_s8(codes.high), vget_high_s8(query.high));
  return vpadalq_s16(sum, eights);
#endif
}

inline void finish(const Sum (&sums)[kSums], std::int32_t* totals) {
  vst1q_s32(totals, vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3])));
}

inline void prefetch(const std::uint8_t* address) { __builtin_prefetch(address); }

#else

constexpr std::size_t kStep = 32;
constexpr std::size_t kSums = 1;
constexpr std::size_t kTileRows = 1;
constexpr std::size_t kTileQueries = 1;

using Sum = std::int32_t;
using Codes = const std::uint8_t*;
struct Halves {
  const std::int8_t* low;
  const std::int8_t* high;
};

inline Sum zero() { return 0; }
inline Codes load_codes(const std::uint8_t* codes) { return codes; }
inline Halves load_query(const std::int8_t* low, const std::int8_t* high) { return {low, high}; }

inline Sum add_products(Sum sum, Codes codes, const Halves& query) {
  for (std::size_t i = 0; i < kStep; ++i) {
    sum += kShifted.of_code[codes[i] & 15] * query.low[i] + kShifted.of_code[codes[i] >> 4] * query.high[i];
  }
  return sum;
}

inline void finish(const Sum (&sums)[kSums], std::int32_t* totals) { totals[0] = sums[0]; }

inline void prefetch(const std::uint8_t* address) { __builtin_prefetch(address); }

#endif

inline float as_float(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }
inline float code_scale(RowScale scale) { return as_float(scale << 16); }
inline float error(RowScale scale) { return as_float(scale & 0xFFFF0000U); }

#if !defined(SOPHON_KERNEL_avx512) && !defined(SOPHON_KERNEL_avx512vnni)
inline float scaled(std::int32_t product, const NibbleQuery& query, RowScale scale) {
  return code_scale(scale) * (static_cast<float>(product - query.offset) * query.scale);
}

inline void write_scores(const Sum (&sums)[kSums], const NibbleQuery& query, const RowScale* scales, float* scores) {
  std::int32_t products[kSums];
  finish(sums, products);
  for (std::size_t i = 0; i < kSums; ++i) {
    scores[i] = scaled(products[i], query, scales[i]);
  }
}

struct TileTerms {
  const NibbleQuery* const (&tile)[kTileQueries];
  explicit TileTerms(const NibbleQuery* const (&queries)[kTileQueries]) : tile(queries) {}
};

// Sums of a tile are by query, then by row.
inline void write_tile(const Sum (&sums)[kSums], const TileTerms& terms, const RowScale* scales,
                       float* const (&scores)[kTileQueries], std::size_t place) {
  std::int32_t products[kSums];
  finish(sums, products);
  for (std::size_t j = 0; j < kTileQueries; ++j) {
    for (std::size_t i = 0; i < kTileRows; ++i) {
      scores[j][place + i] = scaled(products[j * kTileRows + i], *terms.tile[j], scales[i]);
    }
  }
}
#endif

// The scores of kSums rows. Four rows at a time share the loads of the query and are read nearly in order.
template <std::size_t kSteps, typename RowStart>
[[gnu::always_inline]] inline void group_scores(RowStart row_start, std::size_t steps, const NibbleQuery& query,
                                                const RowScale* scales, float* scores) {
  constexpr std::size_t kTogether = kSums < 4 ? kSums : 4;
  Sum sums[kSums];
#pragma GCC unroll 4
  for (std::size_t first = 0; first < kSums; first += kTogether) {
#pragma GCC unroll 4
    for (std::size_t i = 0; i < kTogether; ++i) {
      sums[first + i] = zero();
    }
#pragma GCC unroll 4
    for (std::size_t step = 0; step < (kSteps == 0 ? steps : kSteps); ++step) {
      const auto query_codes = load_query(query.low + step * kStep, query.high + step * kStep);
#pragma GCC unroll 4
      for (std::size_t i = 0; i < kTogether; ++i) {
        sums[first + i] = add_products(sums[first + i], load_codes(row_start(first + i) + step * kStep), query_codes);
      }
    }
  }
  write_scores(sums, query, scales, scores);
}

// kSteps: the steps of a row where known at compile time, for the usual dimensions; else 0.
template <std::size_t kSteps>
inline void scores_in_order(const NibblePlane& plane, const RowScale* scales, const Rows& rows,
                            const NibbleQuery& query, float* scores) {
  const std::size_t bytes = kSteps == 0 ? plane.row_bytes : kSteps * kStep;
  for (std::size_t place = 0; place < rows.count; place += kSums) {
    const std::uint8_t* const group = plane.codes + (rows.first + place) * bytes;
    for (std::size_t line = 0; line < kSums * bytes; line += 64) {
      prefetch(group + kPrefetchAhead + line);
    }
    group_scores<kSteps>([=](std::size_t row) { return group + row * bytes; }, (bytes + kStep - 1) / kStep, query,
                         scales + place, scores + place);
  }
}

template <std::size_t kSteps>
inline void scores_by_list(const NibblePlane& plane, const RowScale* scales, const Rows& rows, const NibbleQuery& query,
                           float* scores) {
  const std::size_t bytes = kSteps == 0 ? plane.row_bytes : kSteps * kStep;
  for (std::size_t place = 0; place < rows.count; place += kSums) {
    const std::uint16_t* const slots = rows.list + place;
    for (std::size_t i = 0; i < kSums; ++i) {
      for (std::size_t line = 0; line < bytes; line += 64) {
        prefetch(plane.codes + slots[kSums + i] * bytes + line);
      }
    }
    group_scores<kSteps>([=, codes = plane.codes](std::size_t row) { return codes + slots[row] * bytes; },
                         (bytes + kStep - 1) / kStep, query, scales + place, scores + place);
  }
}

template <std::size_t kSteps>
void scores_of_rows(const NibblePlane& plane, const RowScale* scales, const Rows& rows, const NibbleQuery& query,
                    float* scores) {
  if (rows.list == nullptr) {
    scores_in_order<kSteps>(plane, scales, rows, query, scores);
  } else {
    scores_by_list<kSteps>(plane, scales, rows, query, scores);
  }
}

void nibble_scores(const NibblePlane& plane, const RowScale* scales, const Rows& rows, const NibbleQuery& query,
                   float* scores) {
  switch (plane.row_bytes) {
    case 64:
      return scores_of_rows<64 / kStep>(plane, scales, rows, query, scores);
    case 256:
      return scores_of_rows<256 / kStep>(plane, scales, rows, query, scores);
    default:
      return scores_of_rows<0>(plane, scales, rows, query, scores);
  }
}

// kTileRows rows against kTileQueries queries: both are loaded once for all products of the tile.
template <std::size_t kSteps>
[[gnu::always_inline]] inline void tile_products(const std::uint8_t* group, std::size_t row_bytes,
                                                 const NibbleQuery* const (&tile)[kTileQueries], Sum (&sums)[kSums]) {
  static_assert(kTileRows * kTileQueries == kSums);
  const std::size_t bytes = kSteps == 0 ? row_bytes : kSteps * kStep;
  for (Sum& sum : sums) {
    sum = zero();
  }
#pragma GCC unroll 4
  for (std::size_t step = 0; step < bytes; step += kStep) {
    decltype(load_codes(nullptr)) codes[kTileRows];
#pragma GCC unroll 4
    for (std::size_t i = 0; i < kTileRows; ++i) {
      codes[i] = load_codes(group + i * bytes + step);
    }
#pragma GCC unroll 4
    for (std::size_t j = 0; j < kTileQueries; ++j) {
      const auto query_codes = load_query(tile[j]->low + step, tile[j]->high + step);
#pragma GCC unroll 4
      for (std::size_t i = 0; i < kTileRows; ++i) {
        sums[j * kTileRows + i] = add_products(sums[j * kTileRows + i], codes[i], query_codes);
      }
    }
  }
}

template <std::size_t kSteps>
void scores_of_batch(const NibblePlane& plane, const RowScale* scales, const Rows& rows, const NibbleQuery* queries,
                     std::size_t query_count, float* scores, std::size_t stride) {
  for (std::size_t first = 0; first < query_count; first += kTileQueries) {
    const NibbleQuery* tile[kTileQueries];
    float* tile_scores[kTileQueries];
    for (std::size_t j = 0; j < kTileQueries; ++j) {
      // A tile that is not full repeats the last query.
      const std::size_t query = first + j < query_count ? first + j : query_count - 1;
      tile[j] = queries + query;
      tile_scores[j] = scores + query * stride;
    }
    const TileTerms terms(tile);
    for (std::size_t place = 0; place < rows.count; place += kTileRows) {
      const std::size_t row = rows.first + place;
      Sum sums[kSums];
      tile_products<kSteps>(plane.codes + row * plane.row_bytes, plane.row_bytes, tile, sums);
      write_tile(sums, terms, scales + place, tile_scores, place);
    }
  }
}

void nibble_scores_batch(const NibblePlane& plane, const RowScale* scales, const Rows& rows, const NibbleQuery* queries,
                         std::size_t query_count, float* scores, std::size_t stride) {
  switch (plane.row_bytes) {
    case 64:
      return scores_of_batch<64 / kStep>(plane, scales, rows, queries, query_count, scores, stride);
    case 256:
      return scores_of_batch<256 / kStep>(plane, scales, rows, queries, query_count, scores, stride);
    default:
      return scores_of_batch<0>(plane, scales, rows, queries, query_count, scores, stride);
  }
}

#if defined(SOPHON_KERNEL_avx512) || defined(SOPHON_KERNEL_avx512vnni)
// Writes the places of the set bits and returns how many they are.
inline std::size_t write_places(__mmask16 reached, std::size_t first, std::uint16_t* kept) {
  const __m512i counting = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i places = _mm512_add_epi32(counting, _mm512_set1_epi32(static_cast<int>(first)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(kept),
                      _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(reached, places)));
  return static_cast<std::size_t>(__builtin_popcount(reached));
}
#endif

std::size_t keep_scores(const float* scores, std::size_t count, float cut, std::uint16_t* kept) {
  std::size_t kept_count = 0;
  std::size_t place = 0;
#if defined(SOPHON_KERNEL_avx512) || defined(SOPHON_KERNEL_avx512vnni)
  for (; place + 16 <= count; place += 16) {
    const __mmask16 reached = _mm512_cmp_ps_mask(_mm512_loadu_ps(scores + place), _mm512_set1_ps(cut), _CMP_GE_OQ);
    if (reached != 0) {
      kept_count += write_places(reached, place, kept + kept_count);
    }
  }
#endif
  for (; place < count; ++place) {
    kept[kept_count] = static_cast<std::uint16_t>(place);
    kept_count += scores[place] >= cut ? 1U : 0U;
  }
  return kept_count;
}

std::size_t keep_bounds(const float* scores, const RowScale* scales, std::size_t count, float weight, float cut,
                        std::uint16_t* kept) {
  std::size_t kept_count = 0;
  std::size_t place = 0;
#if defined(SOPHON_KERNEL_avx512) || defined(SOPHON_KERNEL_avx512vnni)
  const __m512i high_half = _mm512_set1_epi32(static_cast<int>(0xFFFF0000U));
  for (; place + 16 <= count; place += 16) {
    const __m512 errors = _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(scales + place), high_half));
    const __m512 bounds = _mm512_add_ps(_mm512_loadu_ps(scores + place), _mm512_mul_ps(errors, _mm512_set1_ps(weight)));
    const __mmask16 reached = _mm512_cmp_ps_mask(bounds, _mm512_set1_ps(cut), _CMP_GE_OQ);
    if (reached != 0) {
      kept_count += write_places(reached, place, kept + kept_count);
    }
  }
#endif
  for (; place < count; ++place) {
    kept[kept_count] = static_cast<std::uint16_t>(place);
    kept_count += scores[place] + error(scales[place]) * weight >= cut ? 1U : 0U;
  }
  return kept_count;
}

std::size_t keep_fine_bounds(const float* scores, const float* fine_scores, const RowScale* fine_scales, float weight,
                             float cut, std::size_t count, std::uint16_t* kept, float* bounds) {
  std::size_t kept_count = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint16_t place = kept[i];
    const float bound = scores[place] + fine_scores[i] + error(fine_scales[i]) * weight;
    if (bound >= cut) {
      kept[kept_count] = place;
      bounds[kept_count] = bound;
      ++kept_count;
    }
  }
  return kept_count;
}

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
  constexpr std::size_t kFirst = 8;
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
#endif
  for (std::size_t half = kFirst; half != 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) {
      sums[j] += sums[j + half];
    }
  }
  return static_cast<float>(sums[0]);
}

}  // namespace

extern const MatchKernels match_kernels;
const MatchKernels match_kernels{.exact_score = exact_score,
                                 .nibble_scores = nibble_scores,
                                 .nibble_scores_batch = nibble_scores_batch,
                                 .keep_scores = keep_scores,
                                 .keep_bounds = keep_bounds,
                                 .keep_fine_bounds = keep_fine_bounds};

}  // namespace sophon::simd::SOPHON_KERNEL
