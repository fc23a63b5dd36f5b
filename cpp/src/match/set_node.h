// What a subset is: a number in the snapshot's table, or several subsets joined by & or |. It is evaluated block by
// block against the snapshot that a search holds, so that rows and sets are always of one version.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "match/pieces.h"
#include "match/row_set.h"
#include "match/snapshot.h"

namespace sophon::match {

class Storage;

struct SetNode {
  enum class Kind : std::uint8_t { leaf, both, either };

  Kind kind;
  std::shared_ptr<Storage> storage;
  std::size_t number;                                    // of a leaf
  std::vector<std::shared_ptr<const SetNode>> operands;  // of the others; at least two

  // A leaf owns its number.
  SetNode(std::shared_ptr<Storage> owner, std::size_t leaf_number);
  SetNode(Kind join, const std::shared_ptr<const SetNode>& left, const std::shared_ptr<const SetNode>& right);
  SetNode(const SetNode&) = delete;
  SetNode& operator=(const SetNode&) = delete;
  SetNode(SetNode&&) = delete;
  SetNode& operator=(SetNode&&) = delete;
  ~SetNode();

  bool contains(const Snapshot& snapshot, Row row) const;
  // The set's rows in one block.
  BlockBits rows(const Snapshot& snapshot, std::size_t block) const;
  // What a search within the set reads. Kept for the next search of the same version.
  std::shared_ptr<const Pieces> pieces(const Snapshot& snapshot) const;

 private:
  mutable std::mutex latest_mutex_;  // held for the copy of a pointer
  mutable std::shared_ptr<const Pieces> latest_;
};

}  // namespace sophon::match
