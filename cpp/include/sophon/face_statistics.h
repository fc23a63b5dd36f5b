// What the pixels of an aligned face say about its quality: exposure, evenness, sharpness, how much of it is there.
#pragma once

#include <cstdint>
#include <span>

#include "sophon/alignment.h"

namespace sophon {

inline constexpr int kAlignedSize = 112;

// Luma is (77 R + 150 G + 29 B) / 256, rounded: the Rec. 601 weights in whole numbers, the same on every machine. All
// but `visible` look only at those pixels of the face region that come from inside the picture. The face region is the
// ellipse that the ArcFace template's face fills: centre (56, 68), half axes 36 and 44 pixels.
struct FaceStatistics {
  // Share of the face region that lies inside the picture, 0..1.
  double visible;
  // Share of the variation between neighbouring pixels that a blur over nine pixels would take away, along rows and
  // along columns, 0..1. A sharp picture loses much, a blurred one has nothing left to lose (Crete, Dolmiere, Ladret,
  // Nicolas: The blur effect, 2007). Independent of exposure and contrast.
  double sharpness_across;
  double sharpness_down;
  // Luma below which 5 %, 50 %, 95 % of the pixels lie, 0..255.
  double dark_level;
  double median_level;
  double bright_level;
  // Share of pixels at or above luma 240: they hold no detail any more.
  double white_share;
  // Mean luma of the image's left and right half of the face.
  double left_mean;
  double right_mean;
  // Median luma of the skin just below each eye, over that of the cheek further down. Near 1 in plain view, though deep
  // sockets may halve it; dark glasses reach lower than any shadow of the brow. Right and left are the subject's.
  double right_eye_level;
  double left_eye_level;
};

// Measures an aligned crop (112 x 112 interleaved BGR) that was taken through `image_to_crop` from a picture of the
// given size. Throws std::invalid_argument for a crop of another size or a transform without an inverse.
FaceStatistics measure_face(std::span<const std::uint8_t> crop, const Affine& image_to_crop, int image_height,
                            int image_width);

}  // namespace sophon
