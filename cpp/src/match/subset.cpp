#include "sophon/subset.h"

#include <stdexcept>

#include "match/set_node.h"
#include "match/storage.h"

namespace sophon {
namespace {

using match::SetNode;

void check_leaf(const SetNode& node) {
  if (node.kind != SetNode::Kind::leaf) {
    throw std::invalid_argument("a subset made by & or | can't be changed; change the sets it was made from");
  }
}

Subset joined(SetNode::Kind kind, const std::shared_ptr<const SetNode>& left,
              const std::shared_ptr<const SetNode>& right) {
  if (left->storage != right->storage) {
    throw std::invalid_argument("the subsets belong to different indexes");
  }
  return Subset(std::make_shared<SetNode>(kind, left, right));
}

}  // namespace

void Subset::add(std::span<const std::int64_t> keys) const {
  check_leaf(*node_);
  node_->storage->insert_into_subset(node_->number, keys);
}

void Subset::remove(std::span<const std::int64_t> keys) const {
  check_leaf(*node_);
  node_->storage->erase_from_subset(node_->number, keys);
}

bool Subset::contains(std::int64_t key) const { return node_->storage->contains(*node_, key); }

std::size_t Subset::size() const { return node_->storage->key_count(*node_); }

Subset operator&(const Subset& left, const Subset& right) {
  return joined(SetNode::Kind::both, left.node_, right.node_);
}

Subset operator|(const Subset& left, const Subset& right) {
  return joined(SetNode::Kind::either, left.node_, right.node_);
}

}  // namespace sophon
