// The writing side of an index: where rows live, which rows a key has, and the versions that searches hold.
//
// A change fills rows that no search can see, then publishes a new snapshot. The rows that it takes away are wiped, and
// may be filled again, as soon as no search holds a version in which they were live.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "match/block.h"
#include "match/row_set.h"
#include "match/search.h"
#include "match/snapshot.h"
#include "simd/match_kernels.h"

namespace sophon::match {

struct SetNode;

class Storage {
 public:
  // With `floats_directory` the float32 vectors live in files there, mapped into memory.
  Storage(std::size_t dim, Isa isa, std::optional<std::filesystem::path> floats_directory)
      : dim_(dim), floats_directory_(std::move(floats_directory)), search_room_(simd::match_kernels(isa)) {}

  // Takes over filled blocks: the first row_count rows. For a storage that was just made.
  void adopt(std::vector<std::shared_ptr<Block>> blocks, std::size_t row_count);

  std::size_t dim() const { return dim_; }
  SearchRoom& search_room() { return search_room_; }
  std::shared_ptr<const Snapshot> snapshot() const;

  bool contains(std::int64_t key) const;
  // Row-major, in the order they were added; empty for an unknown key.
  std::vector<float> vectors(std::int64_t key) const;

  // Keys and vectors have been checked; `join` and `belong` are numbers of subsets.
  void add(std::span<const std::int64_t> keys, std::span<const float> vectors, std::span<const std::size_t> join);
  void replace(std::span<const std::int64_t> keys, std::span<const float> vectors,
               std::optional<std::span<const std::size_t>> belong);
  std::size_t remove(std::span<const std::int64_t> keys);

  struct Contents {
    std::shared_ptr<const Snapshot> snapshot;
    std::vector<Row> rows;  // all live ones; those of a key together, in the order they were added
  };
  Contents contents() const;

  std::size_t add_subset(std::span<const std::int64_t> keys);
  // Never waits; the number is free from the next change on.
  void release_subset(std::size_t number);
  void insert_into_subset(std::size_t number, std::span<const std::int64_t> keys);
  void erase_from_subset(std::size_t number, std::span<const std::int64_t> keys);
  bool contains(const SetNode& subset, std::int64_t key) const;
  std::size_t key_count(const SetNode& subset) const;

  // Wipes what no search sees any more, unless a change is under way, which then does it. Costs nothing when there is
  // nothing to wipe.
  void reclaim();

 private:
  class Change;

  struct Removal {
    std::shared_ptr<std::atomic<bool>> unseen;  // of the last version in which the rows were live
    std::vector<Row> rows;
  };

  void publish(std::shared_ptr<const Snapshot> next, std::vector<Row> removed);
  void wipe_unseen();
  std::shared_ptr<Block> new_block() const;
  Row take_row();
  void give_back(Row row);
  // The newest row of the key, or kNoRow; older ones follow by older_.
  Row newest_row(std::int64_t key) const;

  const std::size_t dim_;
  const std::optional<std::filesystem::path> floats_directory_;

  mutable std::mutex change_;  // one change at a time; guards all below up to rows_to_wipe_
  std::unordered_map<std::int64_t, Row> newest_;
  std::vector<Row> older_;
  std::vector<std::shared_ptr<Block>> blocks_;
  std::vector<BlockBits> taken_;  // rows that are live, being filled or waiting to be wiped
  std::vector<std::size_t> taken_count_;
  std::set<std::size_t> open_blocks_;  // where rows can be taken
  std::deque<Removal> removals_;       // oldest first
  std::atomic<bool> rows_to_wipe_{false};

  mutable std::mutex current_mutex_;  // held for the copy of a pointer
  std::shared_ptr<const Snapshot> current_ = std::make_shared<Snapshot>();

  std::mutex released_mutex_;
  std::vector<std::size_t> released_;

  SearchRoom search_room_;  // the last, so that helpers end before what they work on
};

}  // namespace sophon::match
