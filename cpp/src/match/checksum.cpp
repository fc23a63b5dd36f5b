#include "match/checksum.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace sophon::match {
namespace {

constexpr std::size_t kLanes = 8;
constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15U;  // odd, so that multiplying loses nothing

std::uint64_t mixed(std::uint64_t state, std::uint64_t word) {
  state = (state ^ word) * kMultiplier;
  return state ^ (state >> 29U);
}

}  // namespace

std::uint64_t checksum(std::span<const std::byte> bytes) {
  std::array<std::uint64_t, kLanes> lanes{1, 2, 3, 4, 5, 6, 7, 8};
  std::array<std::uint64_t, kLanes> words{};
  std::size_t offset = 0;
  for (; offset + sizeof(words) <= bytes.size(); offset += sizeof(words)) {
    std::memcpy(words.data(), bytes.data() + offset, sizeof(words));
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] = mixed(lanes[lane], words[lane]);
    }
  }
  words = {};
  std::ranges::copy(bytes.subspan(offset), std::as_writable_bytes(std::span(words)).begin());
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    lanes[lane] = mixed(lanes[lane], words[lane]);
  }
  std::uint64_t result = bytes.size();
  for (const std::uint64_t lane : lanes) {
    result = mixed(result, lane);
  }
  return result;
}

}  // namespace sophon::match
