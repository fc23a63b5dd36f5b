#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <random>
#include <span>
#include <vector>

#include "match/bounds.h"
#include "match/quantisation.h"
#include "simd/match_kernels.h"
#include "vectors.h"

using namespace sophon::match;

namespace {

float error(sophon::simd::RowScale scale) { return std::bit_cast<float>(scale & 0xFFFF0000U); }

struct Pictures {
  explicit Pictures(std::span<const float> row)
      : coarse(code_bytes(row.size()) + 64),
        fine(code_bytes(row.size()) + 64),
        scales(quantise_row(row, whole(coarse), whole(fine))) {}
  static std::span<std::uint8_t> whole(std::vector<std::uint8_t>& codes) {
    return std::span(codes).first(codes.size() - 64);
  }

  // E of match/bounds.h after the second pass; `coarse_bound` gets that of the first.
  float bound(const QuantisedQuery& query, std::size_t dim, float& coarse_bound) const {
    const auto& kernels = sophon::simd::match_kernels(sophon::Isa::baseline);
    const std::vector<std::uint16_t> list(64, 0);
    float first[16];
    float second[16];
    kernels.nibble_scores({.codes = coarse.data(), .row_bytes = code_bytes(dim)}, &scales.coarse,
                          {.list = list.data(), .first = 0, .count = 1}, query.view(), first);
    kernels.nibble_scores({.codes = fine.data(), .row_bytes = code_bytes(dim)}, &scales.fine,
                          {.list = list.data(), .first = 0, .count = 1}, query.view(), second);
    coarse_bound = first[0] + error(scales.coarse) * query.norm;
    return first[0] + second[0] + error(scales.fine) * query.norm;
  }

  std::vector<std::uint8_t> coarse;
  std::vector<std::uint8_t> fine;
  RowScales scales;
};

void check_pair(std::span<const float> query, std::span<const float> row) {
  const float score = sophon::tests::stated_score(query, row);
  const QuantisedQuery picture = quantise_query(query);
  float coarse_bound = 0.0F;
  const float fine_bound = Pictures(row).bound(picture, row.size(), coarse_bound);
  CHECK(coarse_bound >= bound_cut(picture, score));
  CHECK(fine_bound >= bound_cut(picture, score));
}

std::vector<float> normalised(std::vector<float> vector) {
  double square = 0.0;
  for (const float value : vector) {
    square += static_cast<double>(value) * static_cast<double>(value);
  }
  for (float& value : vector) {
    value = static_cast<float>(static_cast<double>(value) / std::sqrt(square));
  }
  return vector;
}

}  // namespace

TEST_CASE("a row's bound reaches the cut of its own score") {
  std::mt19937 random(1);
  for (const std::size_t dim : {1U, 2U, 8U, 33U, 128U, 512U, 1024U}) {
    CAPTURE(dim);
    const auto vectors = sophon::tests::unit_vectors(random, 100, dim);
    for (std::size_t i = 0; i + 1 < 100; ++i) {
      const auto query = std::span(vectors).subspan(i * dim, dim);
      const auto row = std::span(vectors).subspan((i + 1) * dim, dim);
      check_pair(query, row);
      check_pair(query, query);
    }
  }
}

TEST_CASE("rows that point where their picture is worst keep their bounds") {
  std::mt19937 random(2);
  for (const std::size_t dim : {8U, 128U, 512U}) {
    CAPTURE(dim);
    for (int turn = 0; turn < 50; ++turn) {
      // The query that the coarse picture serves worst is what the picture leaves over: Cauchy-Schwarz holds with
      // equality.
      const auto row = sophon::tests::unit_vectors(random, 1, dim);
      std::vector<std::uint8_t> coarse(code_bytes(dim));
      std::vector<std::uint8_t> fine(code_bytes(dim));
      const RowScales scales = quantise_row(row, coarse, fine);
      std::vector<float> rest(row);
      const float scale = std::bit_cast<float>(scales.coarse << 16U);
      for (std::size_t i = 0; i < dim; ++i) {
        const unsigned byte = coarse[i / 64 * 32 + i % 32];
        rest[i] -= scale * static_cast<float>(sophon::simd::kCodeValues[i % 64 >= 32 ? byte / 16 : byte % 16]);
      }
      check_pair(normalised(rest), row);
    }
  }
}

TEST_CASE("spikes, steps and constants are pictured within their error") {
  for (const std::size_t dim : {3U, 64U, 200U, 512U}) {
    CAPTURE(dim);
    std::vector<std::vector<float>> rows;
    std::vector<float> spike(dim, 0.0F);
    spike[dim / 2] = -1.0F;
    rows.push_back(spike);
    spike[0] = 1e-30F;
    rows.push_back(spike);
    rows.push_back(normalised(std::vector<float>(dim, 1.0F)));
    std::vector<float> uneven(dim);
    for (std::size_t i = 0; i < dim; ++i) {
      uneven[i] = std::pow(0.5F, static_cast<float>(i % 40)) * (i % 2 == 0 ? 1.0F : -1.0F);
    }
    rows.push_back(normalised(uneven));
    for (const auto& row : rows) {
      for (const auto& query : rows) {
        check_pair(query, row);
      }
    }
  }
}

// No code's value is zero, so that a picture of few large values could be worse than none; the proof counts on it not
// being so.
TEST_CASE("no picture is worse than the zero vector") {
  for (const std::size_t dim : {64U, 512U, 4096U}) {
    for (const std::size_t spikes : {1U, 2U, 8U}) {
      CAPTURE(dim);
      CAPTURE(spikes);
      std::vector<float> row(dim, 0.0F);
      std::fill_n(row.begin(), spikes, 1.0F);
      row = normalised(row);
      std::vector<std::uint8_t> coarse(code_bytes(dim));
      std::vector<std::uint8_t> fine(code_bytes(dim));
      const RowScales scales = quantise_row(row, coarse, fine);
      CHECK(error(scales.coarse) <= 1.0F + 1.0F / 64);
      CHECK(error(scales.fine) <= error(scales.coarse));
      check_pair(row, row);
    }
  }
}

TEST_CASE("errors are those that make the passes pay") {
  std::mt19937 random(3);
  const auto row = sophon::tests::unit_vectors(random, 1, 512);
  std::vector<std::uint8_t> coarse(code_bytes(512));
  std::vector<std::uint8_t> fine(code_bytes(512));
  const RowScales scales = quantise_row(row, coarse, fine);
  CHECK(error(scales.coarse) < 0.105F);
  CHECK(error(scales.fine) < 0.015F);
  CHECK(quantise_query(row).distance < 0.01);
}
