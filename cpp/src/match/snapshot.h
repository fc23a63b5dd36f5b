// One version of an index, as searches see it. Immutable: a change publishes another one.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "match/block.h"
#include "match/row_set.h"

namespace sophon::match {

struct Snapshot {
  // Blocks are shared by many versions and written while they are: only at rows that are not live in any version
  // a search may hold. A block without live rows may be null.
  std::vector<std::shared_ptr<const Block>> blocks;
  RowSet live;
  std::size_t row_count = 0;
  // The subsets' rows, all of them live, by the number of the subset; null for a number that is free.
  std::vector<std::shared_ptr<const RowSet>> subsets;

  // Set by the last holder on leaving: what it read happened before whatever follows a look at this flag.
  std::shared_ptr<std::atomic<bool>> unseen = std::make_shared<std::atomic<bool>>(false);

  Snapshot() = default;
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  Snapshot(Snapshot&&) = delete;
  Snapshot& operator=(Snapshot&&) = delete;
  ~Snapshot() { unseen->store(true, std::memory_order_release); }
};

}  // namespace sophon::match
