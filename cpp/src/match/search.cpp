#include "match/search.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "match/passes.h"
#include "match/pieces.h"
#include "match/query.h"

namespace sophon::match {
namespace {

constexpr std::size_t kQueriesTogether = 64;

}  // namespace

SearchResult search(const Snapshot& snapshot, const simd::MatchKernels& kernels, ScratchPool& scratch_pool,
                    std::span<const float> queries, std::size_t dim, const SearchOptions& options) {
  const std::size_t query_count = queries.size() / dim;
  const float threshold = options.threshold <= -1.0F ? -std::numeric_limits<float>::infinity() : options.threshold;
  SearchResult result;
  result.keys.assign(query_count * options.k, -1);
  result.scores.assign(query_count * options.k, -std::numeric_limits<float>::infinity());
  result.counts.reserve(query_count);

  const Pieces pieces(snapshot, options.allow);
  auto scratch = scratch_pool.take();
  std::vector<Query> together;
  for (std::size_t first = 0; first < query_count; first += kQueriesTogether) {
    together.clear();
    for (std::size_t q = first; q < std::min(first + kQueriesTogether, query_count); ++q) {
      together.emplace_back(queries.subspan(q * dim, dim), options.k, threshold);
    }
    Passes(kernels, *scratch).run(pieces.all(), together);
    for (std::size_t i = 0; i < together.size(); ++i) {
      const std::size_t place = (first + i) * options.k;
      for (std::size_t rank = 0; const Hit& hit : together[i].best.sorted()) {
        result.keys[place + rank] = hit.key;
        result.scores[place + rank] = hit.score;
        ++rank;
      }
      together[i].counts.rows = pieces.row_count();
      result.counts.push_back(together[i].counts);
    }
  }
  scratch_pool.give_back(std::move(scratch));
  return result;
}

}  // namespace sophon::match
