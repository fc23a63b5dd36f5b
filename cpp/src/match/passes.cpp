#include "match/passes.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "match/bounds.h"

namespace sophon::match {
namespace {

constexpr std::size_t kRoundUp = 16;
constexpr std::size_t round_up(std::size_t count) { return (count + kRoundUp - 1) / kRoundUp * kRoundUp; }

template <typename T>
T* room(std::vector<T>& memory, std::size_t count) {
  if (memory.size() < count) {
    memory.resize(count);
  }
  return memory.data();
}

std::size_t slot_of(const simd::Rows& rows, std::size_t place) {
  return rows.list == nullptr ? rows.first + place : rows.list[place];
}

bool is_wanted(const Piece& piece, std::size_t slot) {
  return piece.wanted == nullptr || ((*piece.wanted)[slot / 64] >> (slot % 64) & std::uint64_t{1}) != 0;
}

template <typename T>
void prefetch(const T* start, std::size_t count) {
  for (std::size_t i = 0; i < count; i += 64 / sizeof(T)) {
    __builtin_prefetch(start + i);
  }
}

// The `count` rows that look best after the first pass.
class Likeliest {
 public:
  struct Row {
    float score;  // about
    std::uint32_t slot;
    const Block* block;
  };

  Likeliest(std::size_t count, float floor) : count_(count), floor_(floor) {}

  float floor() const { return floor_; }
  void offer(const Row& row) {
    rows_.push_back(row);
    if (rows_.size() >= 2 * count_ + 64) {
      prune();
    }
  }
  const std::vector<Row>& pruned() {
    prune();
    return rows_;
  }

 private:
  void prune() {
    if (rows_.size() > count_) {
      const auto last = rows_.begin() + static_cast<std::ptrdiff_t>(count_ - 1);
      std::ranges::nth_element(rows_, last, std::greater<>(), &Row::score);
      rows_.resize(count_);
      floor_ = std::max(floor_, rows_.back().score);
    }
  }

  std::size_t count_;
  float floor_;
  std::vector<Row> rows_;
};

}  // namespace

void Passes::run(std::span<const Piece> pieces, std::span<Query> queries) {
  const std::size_t at_a_time = rows_at_a_time(queries.size());
  std::vector<std::size_t> offsets;
  for (std::size_t first = 0; first < pieces.size(); first += offsets.size()) {
    offsets.clear();
    std::size_t rows = 0;
    for (std::size_t i = first; i < pieces.size() && (i == first || rows + pieces[i].rows.count <= at_a_time); ++i) {
      offsets.push_back(rows);
      rows += round_up(pieces[i].rows.count);
    }
    const auto chunk = pieces.subspan(first, offsets.size());
    coarse_scores(chunk, offsets, queries, rows);
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const Chunk mine{.pieces = chunk, .offsets = offsets, .scores = scratch_.scores.data() + i * rows};
      raise_floor(mine, queries[i]);
      collect_candidates(mine, queries[i]);
      score_candidates(queries[i]);
    }
  }
}

void Passes::coarse_scores(std::span<const Piece> pieces, std::span<const std::size_t> offsets,
                           std::span<const Query> queries, std::size_t stride) {
  float* const scores = room(scratch_.scores, queries.size() * stride);
  if (queries.size() == 1) {
    const auto query = queries.front().picture.view();
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      kernels_.nibble_scores(pieces[i].block->coarse(), pieces[i].coarse_scales, pieces[i].rows, query,
                             scores + offsets[i]);
    }
    return;
  }
  std::vector<simd::NibbleQuery> views;
  for (const Query& query : queries) {
    views.push_back(query.picture.view());
  }
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    simd::NibblePlane plane = pieces[i].block->coarse();
    simd::Rows rows = pieces[i].rows;
    if (rows.list != nullptr) {
      // The batch kernel reads in order: listed rows are brought together first.
      const std::size_t count = round_up(rows.count);
      std::uint8_t* const codes = room(scratch_.gathered, count * plane.row_bytes + 64);
      for (std::size_t j = 0; j < count; ++j) {
        std::copy_n(plane.codes + rows.list[j] * plane.row_bytes, plane.row_bytes, codes + j * plane.row_bytes);
      }
      plane.codes = codes;
      rows = {.list = nullptr, .first = 0, .count = count};
    }
    kernels_.nibble_scores_batch(plane, pieces[i].coarse_scales, rows, views.data(), views.size(), scores + offsets[i],
                                 stride);
  }
}

// The scores of the rows that look best after the first pass are the floor that other rows have to reach.
void Passes::raise_floor(const Chunk& chunk, Query& query) {
  Likeliest likeliest(query.best.k(), query.best.floor());
  auto& places = scratch_.kept.front().places;
  for (std::size_t i = 0; i < chunk.pieces.size(); ++i) {
    const Piece& piece = chunk.pieces[i];
    for (std::size_t start = 0; start < piece.rows.count;) {
      // Without a floor every row is likely: little by little there is one.
      const std::size_t step = std::isinf(likeliest.floor()) ? std::size_t{128} : kPieceRows;
      const std::size_t rows = std::min(step, piece.rows.count - start);
      const float* const scores = chunk.scores + chunk.offsets[i] + start;
      const std::size_t count = kernels_.keep_scores(scores, rows, likeliest.floor(), places.data());
      for (std::size_t j = 0; j < count; ++j) {
        const std::size_t slot = slot_of(piece.rows, start + places[j]);
        if (is_wanted(piece, slot)) {
          likeliest.offer({.score = scores[places[j]], .slot = static_cast<std::uint32_t>(slot), .block = piece.block});
        }
      }
      start += rows;
    }
  }
  const auto& rows = likeliest.pruned();
  for (const auto& row : rows) {
    prefetch(row.block->vector(row.slot), query.vector.size());
  }
  for (const auto& row : rows) {
    score(*row.block, row.slot, query);
  }
  query.best.settle();
}

// The second pass of a piece follows one piece behind the first, when its rows have come from memory.
void Passes::collect_candidates(const Chunk& chunk, Query& query) {
  scratch_.candidates.clear();
  for (std::size_t i = 0; i <= chunk.pieces.size(); ++i) {
    if (i < chunk.pieces.size()) {
      keep_coarse(chunk.pieces[i], chunk.scores + chunk.offsets[i], query, scratch_.kept[i % 2]);
    }
    if (i > 0) {
      keep_fine(chunk.pieces[i - 1], chunk.scores + chunk.offsets[i - 1], query, scratch_.kept[(i - 1) % 2]);
    }
  }
}

void Passes::keep_coarse(const Piece& piece, const float* scores, const Query& query, Kept& kept) const {
  const std::size_t count = kernels_.keep_bounds(scores, piece.coarse_scales, piece.rows.count, query.picture.norm,
                                                 bound_cut(query.picture, query.best.floor()), kept.places.data());
  const simd::NibblePlane fine = piece.block->fine();
  kept.count = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t slot = slot_of(piece.rows, kept.places[i]);
    if (is_wanted(piece, slot)) {
      prefetch(fine.codes + slot * fine.row_bytes, fine.row_bytes);
      kept.places[kept.count] = kept.places[i];
      kept.list[kept.count] = static_cast<std::uint16_t>(slot);
      kept.fine_scales[kept.count] = piece.fine_scales[kept.places[i]];
      ++kept.count;
    }
  }
}

void Passes::keep_fine(const Piece& piece, const float* scores, Query& query, Kept& kept) {
  if (kept.count == 0) {
    return;
  }
  query.counts.coarse += kept.count;
  std::fill_n(kept.list.begin() + static_cast<std::ptrdiff_t>(kept.count), 32, kept.list[kept.count - 1]);
  const simd::Rows rows{.list = kept.list.data(), .first = 0, .count = kept.count};
  kernels_.nibble_scores(piece.block->fine(), kept.fine_scales.data(), rows, query.picture.view(),
                         scratch_.fine_scores.data());
  const std::size_t count = kernels_.keep_fine_bounds(scores, scratch_.fine_scores.data(), kept.fine_scales.data(),
                                                      query.picture.norm, bound_cut(query.picture, query.best.floor()),
                                                      kept.count, kept.places.data(), scratch_.bounds.data());
  query.counts.fine += count;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t slot = slot_of(piece.rows, kept.places[i]);
    prefetch(piece.block->vector(slot), query.vector.size());
    __builtin_prefetch(piece.block->keys() + slot);
    scratch_.candidates.push_back(
        {.bound = scratch_.bounds[i], .slot = static_cast<std::uint32_t>(slot), .block = piece.block});
  }
}

// The most promising first: each hit may raise the floor over the rest.
void Passes::score_candidates(Query& query) {
  std::ranges::sort(scratch_.candidates, std::greater<>(), &Candidate::bound);
  for (const Candidate& candidate : scratch_.candidates) {
    if (candidate.bound < bound_cut(query.picture, query.best.floor())) {
      break;
    }
    score(*candidate.block, candidate.slot, query);
  }
}

void Passes::score(const Block& block, std::size_t slot, Query& query) const {
  ++query.counts.scored;
  query.best.offer({.key = block.key(slot),
                    .score = kernels_.exact_score(query.vector.data(), block.vector(slot), query.vector.size())});
}

}  // namespace sophon::match
