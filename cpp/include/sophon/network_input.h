// Photographs into network inputs: pixels are fetched, normalised and laid out as planes in one pass.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "sophon/alignment.h"
#include "sophon/image.h"

namespace sophon {

// How a network wants its pixels: plane c holds (channel c - mean[c]) * scale[c], channels in the order BGR or RGB.
struct PixelFormat {
  bool rgb;
  std::array<float, kChannels> mean;
  std::array<float, kChannels> scale;
};

// How a crop's pixels are fetched. Point: one bilinear sample at the pixel's centre, as face networks are trained.
// Smooth: the mean of n x n of them on a regular grid inside the pixel, n being the nearest whole number (at most 4) to
// the number of picture pixels one crop pixel spans, so that what is too fine for the crop does not show as noise.
enum class Sampling : std::uint8_t { point, smooth };

// A crop of height x width pixels, taken from the picture through `image_to_crop`; outside the picture all is black.
// Values are rounded to whole bytes before they are normalised: `bytes` (interleaved BGR) and `planes` describe the
// same picture, and a crop that is kept gives the same network input again. Either may be empty. All instruction sets
// give the same bits. Throws std::invalid_argument for spans of the wrong size or a transform without an inverse.
void warp(const ImageView& image, const Affine& image_to_crop, int height, int width, Sampling sampling,
          const PixelFormat& format, std::span<float> planes, std::span<std::uint8_t> bytes);

// The whole picture resized to height x width in the top left corner of the planes (3 x planes_height x planes_width),
// zero elsewhere; values 0..255 in BGR. Shrinking takes the mean over the area of each pixel, growing interpolates
// linearly between pixel centres. All instruction sets give the same bits. Throws std::invalid_argument for sizes that
// don't fit.
void resize(const ImageView& image, int height, int width, int planes_height, int planes_width,
            std::span<float> planes);

}  // namespace sophon
