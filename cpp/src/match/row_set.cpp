#include "match/row_set.h"

namespace sophon::match {

BlockBits& RowSetEditor::bits(std::size_t block) {
  if (block >= own_.size()) {
    set_.blocks_.resize(block + 1);
    own_.resize(block + 1, nullptr);
  }
  if (own_[block] == nullptr) {
    const auto& shared = set_.blocks_[block];
    auto copy = shared == nullptr ? std::make_shared<BlockBits>() : std::make_shared<BlockBits>(*shared);
    own_[block] = copy.get();
    set_.blocks_[block] = std::move(copy);
  }
  return *own_[block];
}

}  // namespace sophon::match
