#include "match/search.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <utility>
#include <vector>

#include "match/passes.h"
#include "match/pieces.h"
#include "match/query.h"
#include "match/set_node.h"

namespace sophon::match {
namespace {

constexpr std::size_t kQueriesTogether = 64;

// A share of the pieces is worth a thread's while from this many on.
constexpr std::size_t kLeastShare = 8;

struct Searched {
  std::shared_ptr<const Snapshot> snapshot;  // what the pieces point into
  std::shared_ptr<const Pieces> pieces;
};

// One search by several threads. Shares are taken one after the other by whoever is free; the caller never waits: a
// share that a helper took and has not finished when all else is done, the caller does again itself. A late helper
// finds everything it needs still here, and nobody looks at what it leaves.
class SharedSearch {
 public:
  SharedSearch(SearchRoom& room, Searched searched, std::vector<Query> queries, std::size_t threads)
      : room_(room),
        searched_(std::move(searched)),
        queries_(std::move(queries)),
        pieces_per_share_(std::max(kLeastShare, searched_.pieces->all().size() / (4 * threads))),
        shares_((searched_.pieces->all().size() + pieces_per_share_ - 1) / pieces_per_share_) {}

  std::size_t share_count() const { return shares_.size(); }

  void help() {
    for (std::size_t share = next_++; share < shares_.size(); share = next_++) {
      shares_[share].queries = run(share);
      shares_[share].done.store(true, std::memory_order_release);
    }
  }

  // All of it, with whatever help there was.
  std::vector<Query> finish() {
    help();
    std::vector<Query> result = queries_;
    for (std::size_t share = 0; share < shares_.size(); ++share) {
      if (shares_[share].done.load(std::memory_order_acquire)) {
        merge(shares_[share].queries, result);
      } else {
        auto again = run(share);
        merge(again, result);
      }
    }
    return result;
  }

 private:
  struct Share {
    std::vector<Query> queries;
    std::atomic<bool> done{false};
  };

  std::vector<Query> run(std::size_t share) const {
    std::vector<Query> queries = queries_;
    const std::span<const Piece> all(searched_.pieces->all());
    const std::size_t first = share * pieces_per_share_;
    auto scratch = room_.scratch_pool.take();
    Passes(room_.kernels, *scratch).run(all.subspan(first, std::min(pieces_per_share_, all.size() - first)), queries);
    room_.scratch_pool.give_back(std::move(scratch));
    return queries;
  }

  static void merge(std::vector<Query>& from, std::vector<Query>& into) {
    for (std::size_t i = 0; i < into.size(); ++i) {
      for (const Hit& hit : from[i].best.sorted()) {
        into[i].best.offer(hit);
      }
      into[i].counts.coarse += from[i].counts.coarse;
      into[i].counts.fine += from[i].counts.fine;
      into[i].counts.scored += from[i].counts.scored;
    }
  }

  SearchRoom& room_;
  const Searched searched_;
  const std::vector<Query> queries_;
  const std::size_t pieces_per_share_;
  std::vector<Share> shares_;
  std::atomic<std::size_t> next_{0};
};

void search_together(SearchRoom& room, const Searched& searched, std::size_t threads, std::vector<Query>& queries) {
  if (threads > 1 && searched.pieces->all().size() >= 2 * kLeastShare) {
    const auto shared = std::make_shared<SharedSearch>(room, searched, queries, threads);
    const auto work = std::make_shared<const Helpers::Work>([shared] { shared->help(); });
    room.helpers.ask(work, std::min(threads, shared->share_count()) - 1);
    queries = shared->finish();
    room.helpers.forget(work);
    return;
  }
  auto scratch = room.scratch_pool.take();
  Passes(room.kernels, *scratch).run(searched.pieces->all(), queries);
  room.scratch_pool.give_back(std::move(scratch));
}

}  // namespace

SearchResult search(const std::shared_ptr<const Snapshot>& snapshot, SearchRoom& room, std::span<const float> queries,
                    std::size_t dim, const SearchOptions& options) {
  const std::size_t query_count = queries.size() / dim;
  const float threshold = options.threshold <= -1.0F ? -std::numeric_limits<float>::infinity() : options.threshold;
  SearchResult result;
  result.keys.assign(query_count * options.k, -1);
  result.scores.assign(query_count * options.k, -std::numeric_limits<float>::infinity());
  result.counts.reserve(query_count);

  const Searched searched{
      .snapshot = snapshot,
      .pieces = options.allow ? options.allow->node().pieces(*snapshot) : std::make_shared<const Pieces>(*snapshot)};
  std::vector<Query> together;
  for (std::size_t first = 0; first < query_count; first += kQueriesTogether) {
    together.clear();
    for (std::size_t q = first; q < std::min(first + kQueriesTogether, query_count); ++q) {
      together.emplace_back(queries.subspan(q * dim, dim), options.k, threshold);
    }
    search_together(room, searched, options.threads, together);
    for (std::size_t i = 0; i < together.size(); ++i) {
      const std::size_t place = (first + i) * options.k;
      for (std::size_t rank = 0; const Hit& hit : together[i].best.sorted()) {
        result.keys[place + rank] = hit.key;
        result.scores[place + rank] = hit.score;
        ++rank;
      }
      together[i].counts.rows = searched.pieces->row_count();
      result.counts.push_back(together[i].counts);
    }
  }
  return result;
}

}  // namespace sophon::match
