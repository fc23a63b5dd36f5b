// What happens to a face embedding after the network.
#pragma once

#include <span>

namespace sophon {

// Scales the vector to unit length; sums are taken in double. Throws std::invalid_argument where the vector holds a
// number that is not finite or has no length: such an embedding would match nobody, or everybody.
void normalize_embedding(std::span<float> embedding);

}  // namespace sophon
