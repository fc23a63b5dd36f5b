// Photographs as the core sees them: interleaved BGR bytes, rows possibly apart (a crop of a larger picture).
#pragma once

#include <cstddef>
#include <cstdint>

namespace sophon {

inline constexpr int kChannels = 3;

struct ImageView {
  const std::uint8_t* pixels;
  int height;
  int width;
  std::ptrdiff_t row_bytes;

  [[nodiscard]] const std::uint8_t* row(int y) const { return pixels + y * row_bytes; }
};

}  // namespace sophon
