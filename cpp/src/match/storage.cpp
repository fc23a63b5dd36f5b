#include "match/storage.h"

#include <algorithm>
#include <bit>
#include <map>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <utility>

#include "match/set_node.h"
#include "sophon/subset.h"

namespace sophon::match {
namespace {

constexpr Row kNoRow = ~Row{0};
constexpr std::size_t kMaxBlocks = kNoRow / kBlockRows;

std::vector<std::int64_t> distinct(std::span<const std::int64_t> keys) {
  std::vector<std::int64_t> result;
  std::unordered_set<std::int64_t> seen;
  std::ranges::copy_if(keys, std::back_inserter(result), [&](std::int64_t key) { return seen.insert(key).second; });
  return result;
}

}  // namespace

// The next version in the making. Nothing of it is seen before commit(); without commit() it leaves no trace.
class Storage::Change {
 public:
  explicit Change(Storage& storage)
      : storage_(storage), lock_(storage.change_), previous_(storage.snapshot()), live_(previous_->live) {
    storage_.wipe_unseen();
    subsets_ = previous_->subsets;
    const std::scoped_lock guard(storage_.released_mutex_);
    for (const std::size_t number : std::exchange(storage_.released_, {})) {
      subsets_[number] = nullptr;
    }
  }

  ~Change() {
    for (const auto& [key, row] : inserted_) {
      storage_.give_back(row);
    }
  }

  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  Change(Change&&) = delete;
  Change& operator=(Change&&) = delete;

  Row insert(std::int64_t key, std::span<const float> vector) {
    const Row row = storage_.take_row();
    inserted_.emplace_back(key, row);
    storage_.blocks_[row / kBlockRows]->write(row % kBlockRows, key, vector);
    live_.insert(row);
    return row;
  }

  void remove(std::int64_t key) {
    for (Row row = storage_.newest_row(key); row != kNoRow; row = storage_.older_[row]) {
      for (const std::size_t number : subsets_with(row)) {
        subset(number).erase(row);
      }
      live_.erase(row);
      removed_.push_back(row);
    }
    removed_keys_.push_back(key);
  }

  // Numbers of the subsets that had the row before this change.
  std::vector<std::size_t> subsets_with(Row row) const {
    std::vector<std::size_t> numbers;
    for (std::size_t number = 0; number < previous_->subsets.size(); ++number) {
      if (subsets_[number] != nullptr && previous_->subsets[number]->contains(row)) {
        numbers.push_back(number);
      }
    }
    return numbers;
  }

  RowSetEditor& subset(std::size_t number) {
    const auto found = edited_subsets_.find(number);
    if (found != edited_subsets_.end()) {
      return found->second;
    }
    return edited_subsets_.try_emplace(number, *subsets_.at(number)).first->second;
  }

  std::size_t add_subset() {
    const auto free = std::ranges::find(subsets_, nullptr);
    const auto number = static_cast<std::size_t>(free - subsets_.begin());
    if (free == subsets_.end()) {
      subsets_.emplace_back();
    }
    subsets_[number] = std::make_shared<RowSet>();
    return number;
  }

  // Calls `visit` with every row that the key has before this change; throws UnknownKey when there is none.
  template <typename Visit>
  void for_rows_of(std::int64_t key, Visit visit) const {
    Row row = storage_.newest_row(key);
    if (row == kNoRow) {
      throw UnknownKey("the index has no key " + std::to_string(key));
    }
    for (; row != kNoRow; row = storage_.older_[row]) {
      visit(row);
    }
  }

  void commit() {
    auto next = std::make_shared<Snapshot>();
    next->blocks.assign(storage_.blocks_.begin(), storage_.blocks_.end());
    next->live = live_.take();
    next->row_count = previous_->row_count + inserted_.size() - removed_.size();
    for (auto& [number, editor] : edited_subsets_) {
      subsets_[number] = std::make_shared<RowSet>(editor.take());
    }
    next->subsets = std::move(subsets_);
    for (const std::int64_t key : removed_keys_) {
      storage_.newest_.erase(key);
    }
    if (storage_.floats_directory_) {
      let_full_blocks_go();
    }
    for (const auto& [key, row] : std::exchange(inserted_, {})) {
      const auto [place, is_new] = storage_.newest_.try_emplace(key, row);
      storage_.older_[row] = is_new ? kNoRow : std::exchange(place->second, row);
    }
    previous_.reset();
    storage_.publish(std::move(next), std::move(removed_));
    storage_.wipe_unseen();
  }

 private:
  // A block that is full is written no more, and a search reads few of its vectors.
  void let_full_blocks_go() const {
    std::set<std::size_t> full;
    for (const auto& [key, row] : inserted_) {
      if (storage_.taken_count_[row / kBlockRows] == kBlockRows) {
        full.insert(row / kBlockRows);
      }
    }
    for (const std::size_t block : full) {
      storage_.blocks_[block]->let_vectors_go();
    }
  }

  Storage& storage_;
  const std::scoped_lock<std::mutex> lock_;
  std::shared_ptr<const Snapshot> previous_;
  RowSetEditor live_;
  std::vector<std::shared_ptr<const RowSet>> subsets_;
  std::map<std::size_t, RowSetEditor> edited_subsets_;
  std::vector<std::pair<std::int64_t, Row>> inserted_;
  std::vector<Row> removed_;
  std::vector<std::int64_t> removed_keys_;
};

std::shared_ptr<const Snapshot> Storage::snapshot() const {
  const std::scoped_lock guard(current_mutex_);
  return current_;
}

void Storage::publish(std::shared_ptr<const Snapshot> next, std::vector<Row> removed) {
  {
    const std::scoped_lock guard(current_mutex_);
    current_.swap(next);
  }
  removals_.push_back({.unseen = next->unseen, .rows = std::move(removed)});
  rows_to_wipe_.store(true, std::memory_order_relaxed);
}

Row Storage::newest_row(std::int64_t key) const {
  const auto found = newest_.find(key);
  return found == newest_.end() ? kNoRow : found->second;
}

std::shared_ptr<Block> Storage::new_block() const {
  const std::size_t bytes = Block::floats_bytes(dim_);
  return std::make_shared<Block>(
      dim_, Pages::anonymous(Block::codes_bytes(dim_)),
      floats_directory_ ? Pages::temporary_file(*floats_directory_, bytes) : Pages::anonymous(bytes));
}

void Storage::adopt(std::vector<std::shared_ptr<Block>> blocks, std::size_t row_count) {
  const std::scoped_lock guard(change_);
  blocks_ = std::move(blocks);
  taken_.resize(blocks_.size());
  taken_count_.resize(blocks_.size());
  older_.resize(blocks_.size() * kBlockRows, kNoRow);
  newest_.reserve(row_count);
  RowSetEditor live{RowSet()};
  for (std::size_t i = 0; i < row_count; ++i) {
    const auto row = static_cast<Row>(i);
    const std::size_t block = i / kBlockRows;
    const auto [place, is_new] = newest_.try_emplace(blocks_[block]->key(i % kBlockRows), row);
    older_[row] = is_new ? kNoRow : std::exchange(place->second, row);
    taken_[block][i % kBlockRows / 64] |= std::uint64_t{1} << (i % 64);
    ++taken_count_[block];
    live.insert(row);
  }
  if (row_count % kBlockRows != 0) {
    open_blocks_.insert(blocks_.size() - 1);
  }
  auto next = std::make_shared<Snapshot>();
  next->blocks.assign(blocks_.begin(), blocks_.end());
  next->live = live.take();
  next->row_count = row_count;
  publish(std::move(next), {});
  wipe_unseen();
}

Storage::Contents Storage::contents() const {
  const std::scoped_lock guard(change_);
  Contents result{.snapshot = snapshot(), .rows = {}};
  result.rows.reserve(result.snapshot->row_count);
  std::vector<Row> newest;
  newest.reserve(newest_.size());
  for (const auto& [key, row] : newest_) {
    newest.push_back(row);
  }
  std::ranges::sort(newest);
  for (const Row last : newest) {
    const auto first = static_cast<std::ptrdiff_t>(result.rows.size());
    for (Row row = last; row != kNoRow; row = older_[row]) {
      result.rows.push_back(row);
    }
    std::reverse(result.rows.begin() + first, result.rows.end());
  }
  return result;
}

Row Storage::take_row() {
  if (open_blocks_.empty()) {
    if (blocks_.size() == kMaxBlocks) {
      throw std::length_error("the index is full");
    }
    open_blocks_.insert(blocks_.size());
    blocks_.emplace_back();
    taken_.emplace_back();
    taken_count_.push_back(0);
    older_.resize(blocks_.size() * kBlockRows, kNoRow);
  }
  const std::size_t block = *open_blocks_.begin();
  if (blocks_[block] == nullptr) {
    blocks_[block] = new_block();
  }
  const auto word = std::ranges::find_if(taken_[block], [](std::uint64_t bits) { return ~bits != 0; });
  const auto bit = static_cast<std::size_t>(std::countr_one(*word));
  *word |= std::uint64_t{1} << bit;
  if (++taken_count_[block] == kBlockRows) {
    open_blocks_.erase(block);
  }
  const auto slot = static_cast<std::size_t>(word - taken_[block].begin()) * 64 + bit;
  return static_cast<Row>(block * kBlockRows + slot);
}

void Storage::give_back(Row row) {
  const std::size_t block = row / kBlockRows;
  blocks_[block]->wipe(row % kBlockRows);
  taken_[block][row % kBlockRows / 64] &= ~(std::uint64_t{1} << (row % 64));
  --taken_count_[block];
  open_blocks_.insert(block);
}

void Storage::wipe_unseen() {
  bool emptied = false;
  while (!removals_.empty() && removals_.front().unseen->load(std::memory_order_acquire)) {
    for (const Row row : removals_.front().rows) {
      give_back(row);
      const std::size_t block = row / kBlockRows;
      if (taken_count_[block] == 0) {
        blocks_[block] = nullptr;
        emptied = true;
      }
    }
    removals_.pop_front();
  }
  if (emptied) {
    // The current version lets go of the empty blocks as well.
    auto next = std::make_shared<Snapshot>();
    {
      const auto previous = snapshot();
      next->blocks.assign(blocks_.begin(), blocks_.end());
      next->live = previous->live;
      next->row_count = previous->row_count;
      next->subsets = previous->subsets;
    }
    publish(std::move(next), {});
  }
  rows_to_wipe_.store(!removals_.empty(), std::memory_order_relaxed);
}

void Storage::reclaim() {
  if (rows_to_wipe_.load(std::memory_order_relaxed)) {
    const std::unique_lock lock(change_, std::try_to_lock);
    if (lock.owns_lock()) {
      wipe_unseen();
    }
  }
}

bool Storage::contains(std::int64_t key) const {
  const std::scoped_lock guard(change_);
  return newest_.contains(key);
}

std::vector<float> Storage::vectors(std::int64_t key) const {
  const std::scoped_lock guard(change_);
  std::vector<Row> rows;
  for (Row row = newest_row(key); row != kNoRow; row = older_[row]) {
    rows.push_back(row);
  }
  std::vector<float> result;
  result.reserve(rows.size() * dim_);
  std::ranges::reverse(rows);
  for (const Row row : rows) {
    const float* const vector = blocks_[row / kBlockRows]->vector(row % kBlockRows);
    result.insert(result.end(), vector, vector + dim_);
  }
  return result;
}

void Storage::add(std::span<const std::int64_t> keys, std::span<const float> vectors,
                  std::span<const std::size_t> join) {
  Change change(*this);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const Row row = change.insert(keys[i], vectors.subspan(i * dim_, dim_));
    for (const std::size_t number : join) {
      change.subset(number).insert(row);
    }
    if (newest_.contains(keys[i])) {
      for (const std::size_t number : change.subsets_with(newest_row(keys[i]))) {
        change.subset(number).insert(row);
      }
      for (const std::size_t number : join) {
        change.for_rows_of(keys[i], [&](Row older) { change.subset(number).insert(older); });
      }
    }
  }
  change.commit();
}

void Storage::replace(std::span<const std::int64_t> keys, std::span<const float> vectors,
                      std::optional<std::span<const std::size_t>> belong) {
  Change change(*this);
  for (const std::int64_t key : distinct(keys)) {
    change.remove(key);
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const Row row = change.insert(keys[i], vectors.subspan(i * dim_, dim_));
    const Row former = newest_row(keys[i]);
    const auto kept = belong || former == kNoRow ? std::vector<std::size_t>{} : change.subsets_with(former);
    for (const std::size_t number : belong.value_or(kept)) {
      change.subset(number).insert(row);
    }
  }
  change.commit();
}

std::size_t Storage::remove(std::span<const std::int64_t> keys) {
  Change change(*this);
  std::size_t found = 0;
  for (const std::int64_t key : distinct(keys)) {
    if (newest_.contains(key)) {
      change.remove(key);
      ++found;
    }
  }
  if (found != 0) {
    change.commit();
  }
  return found;
}

std::size_t Storage::add_subset(std::span<const std::int64_t> keys) {
  Change change(*this);
  const std::size_t number = change.add_subset();
  for (const std::int64_t key : keys) {
    change.for_rows_of(key, [&](Row row) { change.subset(number).insert(row); });
  }
  change.commit();
  return number;
}

void Storage::release_subset(std::size_t number) {
  const std::scoped_lock guard(released_mutex_);
  released_.push_back(number);
}

void Storage::insert_into_subset(std::size_t number, std::span<const std::int64_t> keys) {
  Change change(*this);
  for (const std::int64_t key : keys) {
    change.for_rows_of(key, [&](Row row) { change.subset(number).insert(row); });
  }
  change.commit();
}

void Storage::erase_from_subset(std::size_t number, std::span<const std::int64_t> keys) {
  Change change(*this);
  for (const std::int64_t key : keys) {
    for (Row row = newest_row(key); row != kNoRow; row = older_[row]) {
      change.subset(number).erase(row);
    }
  }
  change.commit();
}

bool Storage::contains(const SetNode& subset, std::int64_t key) const {
  const std::scoped_lock guard(change_);
  const Row row = newest_row(key);
  return row != kNoRow && subset.contains(*snapshot(), row);
}

std::size_t Storage::key_count(const SetNode& subset) const {
  const std::scoped_lock guard(change_);
  const auto current = snapshot();
  return static_cast<std::size_t>(
      std::ranges::count_if(newest_, [&](const auto& entry) { return subset.contains(*current, entry.second); }));
}

}  // namespace sophon::match
