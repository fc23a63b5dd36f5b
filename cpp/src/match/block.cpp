#include "match/block.h"

#include <algorithm>

namespace sophon::match {

Block::Block(std::size_t dim)
    : stride_(padded_dim(dim)), pages_(kBlockRows * (stride_ * sizeof(float) + sizeof(std::int64_t))) {
  std::byte* const start = pages_.bytes().data();
  vectors_ = {reinterpret_cast<float*>(start), kBlockRows * stride_};
  keys_ = {reinterpret_cast<std::int64_t*>(start + kBlockRows * stride_ * sizeof(float)), kBlockRows};
}

void Block::wipe(std::size_t slot) {
  std::ranges::fill(vector(slot), 0.0F);
  keys_[slot] = 0;
}

}  // namespace sophon::match
