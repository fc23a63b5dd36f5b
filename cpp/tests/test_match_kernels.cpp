#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "match/quantisation.h"
#include "simd/match_kernels.h"
#include "vectors.h"

using sophon::Isa;
using namespace sophon::simd;
using namespace sophon::match;

namespace {

constexpr std::size_t kRows = 96;

// A plane of random codes, its scales, and random queries.
struct Problem {
  explicit Problem(std::size_t dim, std::size_t query_count = 7)
      : random(static_cast<unsigned>(dim)), row_bytes(code_bytes(dim)), codes(kRows * row_bytes + 64), scales(kRows) {
    for (auto& byte : codes) {
      byte = static_cast<std::uint8_t>(random());
    }
    std::uniform_real_distribution<float> scale(0.001F, 0.1F);
    for (auto& packed : scales) {
      packed = std::bit_cast<std::uint32_t>(scale(random)) >> 16U |
               (std::bit_cast<std::uint32_t>(scale(random)) & 0xFFFF0000U);
    }
    const auto vectors = sophon::tests::unit_vectors(random, query_count, dim);
    for (std::size_t i = 0; i < query_count; ++i) {
      queries.push_back(quantise_query(std::span(vectors).subspan(i * dim, dim)));
      views.push_back(queries.back().view());
    }
  }

  NibblePlane plane() const { return {.codes = codes.data(), .row_bytes = row_bytes}; }

  float reference_score(std::size_t row, std::size_t query) const {
    const NibbleQuery& view = views[query];
    std::int32_t product = 0;
    for (std::size_t i = 0; i < row_bytes; ++i) {
      const std::uint8_t byte = codes[row * row_bytes + i];
      product += kCodeValues[byte % 16] * view.low[i] + kCodeValues[byte / 16] * view.high[i];
    }
    return std::bit_cast<float>(scales[row] << 16U) * (static_cast<float>(product) * view.scale);
  }

  std::mt19937 random;
  std::size_t row_bytes;
  std::vector<std::uint8_t> codes;
  std::vector<RowScale> scales;
  std::vector<QuantisedQuery> queries;
  std::vector<NibbleQuery> views;
};

const std::vector<std::size_t> kDims{1,   8,   31,  64,  65,  100, 128,  129,  192,
                                     256, 320, 511, 512, 513, 768, 1000, 1024, 4096};

}  // namespace

TEST_CASE("every instruction set gives the reference's scores, in order, by list and in batches") {
  for (const Isa isa : sophon::usable_isas()) {
    const MatchKernels& kernels = match_kernels(isa);
    for (const std::size_t dim : kDims) {
      CAPTURE(std::string(name(isa)));
      CAPTURE(dim);
      const Problem problem(dim);

      std::vector<float> scores(kRows);
      kernels.nibble_scores(problem.plane(), problem.scales.data() + 16, {.list = nullptr, .first = 16, .count = 64},
                            problem.views[0], scores.data());
      for (std::size_t i = 0; i < 64; ++i) {
        REQUIRE(scores[i] == problem.reference_score(16 + i, 0));
      }

      std::vector<std::uint16_t> list;
      for (std::size_t row = 0; row < kRows; row += 5) {
        list.push_back(static_cast<std::uint16_t>(row));
      }
      const std::size_t listed = list.size();
      list.resize(listed + 32, list.back());
      std::vector<RowScale> listed_scales(list.size());
      std::ranges::transform(list, listed_scales.begin(), [&](std::uint16_t row) { return problem.scales[row]; });
      kernels.nibble_scores(problem.plane(), listed_scales.data(), {.list = list.data(), .first = 0, .count = listed},
                            problem.views[1], scores.data());
      for (std::size_t i = 0; i < listed; ++i) {
        REQUIRE(scores[i] == problem.reference_score(list[i], 1));
      }

      for (const std::size_t queries : {1U, 2U, 4U, 7U}) {
        std::vector<float> batch(queries * 100);
        kernels.nibble_scores_batch(problem.plane(), problem.scales.data(),
                                    {.list = nullptr, .first = 0, .count = kRows}, problem.views.data(), queries,
                                    batch.data(), 100);
        for (std::size_t query = 0; query < queries; ++query) {
          for (std::size_t row = 0; row < kRows; ++row) {
            REQUIRE(batch[query * 100 + row] == problem.reference_score(row, query));
          }
        }
      }
    }
  }
}

TEST_CASE("every instruction set keeps the same places") {
  const Problem problem(64);
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
  std::vector<float> scores(kRows);
  std::vector<float> fine_scores(kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    scores[i] = uniform(random);
    fine_scores[i] = 0.1F * uniform(random);
  }
  scores[40] = 0.25F;  // on the cut
  const auto error = [&](std::size_t i) { return std::bit_cast<float>(problem.scales[i] & 0xFFFF0000U); };
  for (const Isa isa : sophon::usable_isas()) {
    CAPTURE(std::string(name(isa)));
    const MatchKernels& kernels = match_kernels(isa);
    for (const std::size_t count : {0U, 1U, 15U, 16U, 50U, 96U}) {
      std::vector<std::uint16_t> kept(kRows + 16);
      kept.resize(kernels.keep_scores(scores.data(), count, 0.25F, kept.data()));
      std::vector<std::uint16_t> expected;
      for (std::uint16_t i = 0; i < count; ++i) {
        if (scores[i] >= 0.25F) {
          expected.push_back(i);
        }
      }
      CHECK(kept == expected);

      kept.assign(kRows + 16, 0);
      kept.resize(kernels.keep_bounds(scores.data(), problem.scales.data(), count, 0.9F, 0.25F, kept.data()));
      expected.clear();
      for (std::uint16_t i = 0; i < count; ++i) {
        if (scores[i] + error(i) * 0.9F >= 0.25F) {
          expected.push_back(i);
        }
      }
      CHECK(kept == expected);

      std::vector<float> bounds(kept.size());
      const std::vector<std::uint16_t> before = kept;
      const std::size_t left = kernels.keep_fine_bounds(scores.data(), fine_scores.data(), problem.scales.data(), 0.9F,
                                                        0.25F, kept.size(), kept.data(), bounds.data());
      std::size_t next = 0;
      for (std::size_t i = 0; i < before.size(); ++i) {
        const float bound = scores[before[i]] + fine_scores[i] + error(i) * 0.9F;
        if (bound >= 0.25F) {
          REQUIRE(next < left);
          CHECK(kept[next] == before[i]);
          CHECK(bounds[next] == bound);
          ++next;
        }
      }
      CHECK(next == left);
    }
  }
}

TEST_CASE("every instruction set gives the stated score") {
  std::mt19937 random(2);
  for (const std::size_t dim : {16U, 32U, 48U, 128U, 512U, 1024U, 4096U}) {
    const auto vectors = sophon::tests::unit_vectors(random, 20, dim);
    for (std::size_t i = 0; i + 1 < 20; ++i) {
      const auto left = std::span(vectors).subspan(i * dim, dim);
      const auto right = std::span(vectors).subspan((i + 1) * dim, dim);
      for (const Isa isa : sophon::usable_isas()) {
        CAPTURE(std::string(name(isa)));
        CHECK(match_kernels(isa).exact_score(left.data(), right.data(), dim) ==
              sophon::tests::stated_score(left, right));
      }
    }
  }
}
