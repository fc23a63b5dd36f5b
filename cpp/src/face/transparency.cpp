#include "sophon/transparency.h"

#include <cstddef>
#include <stdexcept>

#include "sophon/image.h"

namespace sophon {

void lay_over_white(std::span<const std::uint8_t> bgra, std::span<std::uint8_t> bgr) {
  constexpr std::size_t kPlain = kChannels;
  constexpr std::size_t kWithAlpha = kChannels + 1;
  constexpr unsigned kWhite = 255;
  const std::size_t pixels = bgr.size() / kPlain;
  if (bgr.size() != kPlain * pixels || bgra.size() != kWithAlpha * pixels) {
    throw std::invalid_argument("a picture and its plain one must have equally many pixels");
  }
  for (std::size_t i = 0; i < pixels; ++i) {
    const auto from = bgra.subspan(kWithAlpha * i, kWithAlpha);
    const auto to = bgr.subspan(kPlain * i, kPlain);
    const unsigned alpha = from[kPlain];
    for (std::size_t c = 0; c < kPlain; ++c) {
      const unsigned value = from[c] * alpha + kWhite * (kWhite - alpha);
      to[c] = static_cast<std::uint8_t>((value + kWhite / 2) / kWhite);
    }
  }
}

}  // namespace sophon
