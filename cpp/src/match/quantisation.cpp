#include "match/quantisation.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace sophon::match {
namespace {

using simd::kCodeValues;

constexpr float kHighest = kCodeValues.back();

// A code's value is nearest from here on.
constexpr auto kStarts = [] {
  std::array<float, kCodeValues.size() - 1> starts{};
  for (std::size_t i = 0; i < starts.size(); ++i) {
    starts[i] = static_cast<float>(kCodeValues[i] + kCodeValues[i + 1]) / 2;
  }
  return starts;
}();

// Sums of squares in double over at most a few thousand terms are off by less than this factor.
constexpr double kSumSlack = 1.0 + 1e-12;

struct CodePlace {
  std::size_t byte;
  bool high;
};

constexpr CodePlace code_place(std::size_t i) { return {.byte = i / 64 * 32 + i % 32, .high = i % 64 >= 32}; }

float bfloat16(float value) {
  return std::bit_cast<float>((std::bit_cast<std::uint32_t>(value) + 0x8000U) & 0xFFFF0000U);
}

float rounded_up(double value) {
  const auto nearest = static_cast<float>(value);
  return static_cast<double>(nearest) >= value ? nearest
                                               : std::nextafter(nearest, std::numeric_limits<float>::infinity());
}

// `value` must be a bfloat16; the error is rounded up to one.
simd::RowScale row_scale(float value, double error) {
  const auto error_bits = std::bit_cast<std::uint32_t>(rounded_up(error)) + 0xFFFFU;
  return std::bit_cast<std::uint32_t>(value) >> 16 | (error_bits & 0xFFFF0000U);
}

// Rounds to the nearest integer, for |value| < 2^22; unlike std::nearbyint it vectorises everywhere.
float nearest_integer(float value) {
  constexpr float kShift = 12582912.0F;
  return (value + kShift) - kShift;
}

std::size_t nearest_code(float value) {
  return static_cast<std::size_t>(std::ranges::count_if(kStarts, [=](float start) { return value >= start; }));
}

// The value of the nearest code. By steps and not by look-up, so that it vectorises.
float nearest_code_value(float value) {
  float nearest = kCodeValues.front();
  for (std::size_t i = 0; i < kStarts.size(); ++i) {
    nearest += value >= kStarts[i] ? static_cast<float>(kCodeValues[i + 1] - kCodeValues[i]) : 0.0F;
  }
  return nearest;
}

// How much of `values` the codes of this scale leave over, about. Lanes, so that it vectorises.
float squared_rest(std::span<const float> values, float scale) {
  constexpr std::size_t kLanes = 16;
  const float inverse = 1.0F / scale;
  std::array<float, kLanes> sums{};
  for (std::size_t i = 0; i + kLanes <= values.size(); i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const float rest = values[i + j] - scale * nearest_code_value(values[i + j] * inverse);
      sums[j] += rest * rest;
    }
  }
  float sum = 0.0F;
  for (std::size_t i = values.size() / kLanes * kLanes; i < values.size(); ++i) {
    const float rest = values[i] - scale * nearest_code_value(values[i] * inverse);
    sum += rest * rest;
  }
  for (const float lane : sums) {
    sum += lane;
  }
  return sum;
}

// The scale whose codes leave the least over: from "the largest value is the last code" downwards, as long as cutting
// the few largest values off pays for finer steps. 0 where no picture at all leaves less over: no code's value is zero.
float best_scale(std::span<const float> values) {
  constexpr int kMostSteps = 14;
  float largest = 0.0F;
  float square = 0.0F;
  for (const float value : values) {
    largest = std::max(largest, std::abs(value));
    square += value * value;
  }
  float best = bfloat16(largest / kHighest);
  if (best < std::numeric_limits<float>::min() * 256) {
    return 0.0F;
  }
  float least = squared_rest(values, best);
  for (int step = 0; step < kMostSteps; ++step) {
    const float scale = bfloat16(best * 0.92F);
    const float rest = squared_rest(values, scale);
    if (rest > least) {
      break;
    }
    best = scale;
    least = rest;
  }
  return least < square ? best : 0.0F;
}

void pack(std::span<const float> values, float scale, std::span<std::uint8_t> bytes, std::span<float> rest) {
  const float inverse = scale == 0.0F ? 0.0F : 1.0F / scale;
  std::ranges::fill(bytes, std::uint8_t{0});
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t code = nearest_code(values[i] * inverse);
    const auto place = code_place(i);
    bytes[place.byte] |= static_cast<std::uint8_t>(place.high ? code << 4U : code);
    rest[i] = values[i] - scale * kCodeValues[code];
  }
}

std::int8_t unpacked(std::span<const std::uint8_t> bytes, std::size_t i) {
  const auto place = code_place(i);
  return kCodeValues[place.high ? bytes[place.byte] >> 4U : bytes[place.byte] & 15U];
}

}  // namespace

RowScales quantise_row(std::span<const float> x, std::span<std::uint8_t> coarse, std::span<std::uint8_t> fine) {
  std::vector<float> rest(x.size());
  const float coarse_scale = best_scale(x);
  pack(x, coarse_scale, coarse, rest);
  const float fine_scale = best_scale(rest);
  std::vector<float> unused(x.size());
  pack(rest, fine_scale, fine, unused);

  // The distances of the stored pictures from x. Scales times codes are exact in double.
  double coarse_square = 0.0;
  double fine_square = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double left = static_cast<double>(x[i]) - static_cast<double>(coarse_scale) * unpacked(coarse, i);
    const double left_over = left - static_cast<double>(fine_scale) * unpacked(fine, i);
    coarse_square += left * left;
    fine_square += left_over * left_over;
  }
  return {.coarse = row_scale(coarse_scale, std::sqrt(coarse_square) * kSumSlack),
          .fine = row_scale(fine_scale, std::sqrt(fine_square) * kSumSlack)};
}

QuantisedQuery quantise_query(std::span<const float> query) {
  constexpr float kLargestCode = 127.0F;
  float largest = 0.0F;
  for (const float value : query) {
    largest = std::max(largest, std::abs(value));
  }
  const float scale = largest / kLargestCode;
  const float inverse = 1.0F / scale;
  const std::size_t half = code_bytes(query.size()) + 64;
  QuantisedQuery result{
      .codes = std::vector<std::int8_t>(2 * half), .offset = 0, .scale = scale, .norm = 0, .distance = 0};
  double picture_square = 0.0;
  double distance_square = 0.0;
  for (std::size_t i = 0; i < query.size(); ++i) {
    const float value = std::clamp(nearest_integer(query[i] * inverse), -kLargestCode, kLargestCode);
    const auto place = code_place(i);
    result.codes[place.byte + (place.high ? half : 0)] = static_cast<std::int8_t>(value);
    result.offset += simd::kValueShift * static_cast<std::int32_t>(value);
    const double picture = static_cast<double>(scale) * static_cast<double>(value);
    picture_square += picture * picture;
    distance_square += (static_cast<double>(query[i]) - picture) * (static_cast<double>(query[i]) - picture);
  }
  result.norm = rounded_up(std::sqrt(picture_square) * kSumSlack);
  result.distance = std::sqrt(distance_square) * kSumSlack;
  return result;
}

}  // namespace sophon::match
