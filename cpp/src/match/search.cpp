#include "match/search.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <vector>

#include "match/set_node.h"
#include "match/top_k.h"
#include "simd/exact_score.h"

namespace sophon::match {
namespace {

// Rows of one block that a search may return.
BlockBits searchable(const Snapshot& snapshot, std::size_t block, const std::optional<Subset>& allow) {
  const BlockBits* const live = snapshot.live.block(block);
  if (live == nullptr) {
    return {};
  }
  if (!allow) {
    return *live;
  }
  BlockBits rows = allow->node().rows(snapshot, block);
  std::ranges::transform(rows, *live, rows.begin(), std::bit_and<>());
  return rows;
}

template <typename Visit>
void for_each_slot(const BlockBits& bits, Visit visit) {
  for (std::size_t word = 0; word < bits.size(); ++word) {
    for (std::uint64_t rest = bits[word]; rest != 0; rest &= rest - 1) {
      visit(word * 64 + static_cast<std::size_t>(std::countr_zero(rest)));
    }
  }
}

}  // namespace

SearchResult search(const Snapshot& snapshot, std::span<const float> queries, std::size_t dim,
                    const SearchOptions& options) {
  const auto score = simd::exact_score(chosen_isa());
  const std::size_t query_count = queries.size() / dim;
  const float threshold = options.threshold <= -1.0F ? -std::numeric_limits<float>::infinity() : options.threshold;
  SearchResult result;
  result.keys.assign(query_count * options.k, -1);
  result.scores.assign(query_count * options.k, -std::numeric_limits<float>::infinity());
  for (std::size_t q = 0; q < query_count; ++q) {
    std::vector<float> query(padded_dim(dim));
    std::ranges::copy(queries.subspan(q * dim, dim), query.begin());
    TopK top(options.k, threshold);
    for (std::size_t b = 0; b < snapshot.blocks.size(); ++b) {
      for_each_slot(searchable(snapshot, b, options.allow), [&](std::size_t slot) {
        const Block& block = *snapshot.blocks[b];
        top.offer({.key = block.key(slot), .score = score(query.data(), block.vector(slot).data(), query.size())});
      });
    }
    const auto hits = top.sorted();
    for (std::size_t i = 0; i < hits.size(); ++i) {
      result.keys[q * options.k + i] = hits[i].key;
      result.scores[q * options.k + i] = hits[i].score;
    }
  }
  return result;
}

}  // namespace sophon::match
