#include "match/set_node.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "match/storage.h"

namespace sophon::match {

SetNode::SetNode(std::shared_ptr<Storage> owner, std::size_t leaf_number)
    : kind(Kind::leaf), storage(std::move(owner)), number(leaf_number) {}

// a | b | c is one node with three operands: a long chain costs no depth.
SetNode::SetNode(Kind join, const std::shared_ptr<const SetNode>& left, const std::shared_ptr<const SetNode>& right)
    : kind(join), storage(left->storage), number(0) {
  for (const auto& side : {left, right}) {
    if (side->kind == join) {
      operands.insert(operands.end(), side->operands.begin(), side->operands.end());
    } else {
      operands.push_back(side);
    }
  }
}

SetNode::~SetNode() {
  if (kind == Kind::leaf) {
    storage->release_subset(number);
  }
}

bool SetNode::contains(const Snapshot& snapshot, Row row) const {
  const auto has_row = [&](const auto& operand) { return operand->contains(snapshot, row); };
  switch (kind) {
    case Kind::both:
      return std::ranges::all_of(operands, has_row);
    case Kind::either:
      return std::ranges::any_of(operands, has_row);
    default:
      return snapshot.subsets[number]->contains(row);
  }
}

std::shared_ptr<const Pieces> SetNode::pieces(const Snapshot& snapshot) const {
  {
    const std::scoped_lock guard(latest_mutex_);
    if (latest_ != nullptr && latest_->are_of(snapshot)) {
      return latest_;
    }
  }
  auto made = std::make_shared<const Pieces>(snapshot, this);
  const std::scoped_lock guard(latest_mutex_);
  latest_ = made;
  return made;
}

BlockBits SetNode::rows(const Snapshot& snapshot, std::size_t block) const {
  if (kind == Kind::leaf) {
    const BlockBits* const bits = snapshot.subsets[number]->block(block);
    return bits == nullptr ? BlockBits{} : *bits;
  }
  BlockBits result = operands.front()->rows(snapshot, block);
  for (std::size_t i = 1; i < operands.size(); ++i) {
    const BlockBits other = operands[i]->rows(snapshot, block);
    if (kind == Kind::both) {
      std::ranges::transform(result, other, result.begin(), std::bit_and<>());
    } else {
      std::ranges::transform(result, other, result.begin(), std::bit_or<>());
    }
  }
  return result;
}

}  // namespace sophon::match
