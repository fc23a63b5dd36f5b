// Photographs with transparency become plain ones.
#pragma once

#include <cstdint>
#include <span>

namespace sophon {

// Lays interleaved BGRA over white: each value becomes its share `alpha` of itself and the rest of 255, divided by 255
// and rounded to the nearest. Throws std::invalid_argument where the two don't hold equally many pixels.
void lay_over_white(std::span<const std::uint8_t> bgra, std::span<std::uint8_t> bgr);

}  // namespace sophon
