// The search of one snapshot.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "match/helpers.h"
#include "match/scratch.h"
#include "match/snapshot.h"
#include "simd/match_kernels.h"
#include "sophon/exact_index.h"

namespace sophon::match {

// What searches of one index share; outlives them.
struct SearchRoom {
  explicit SearchRoom(const simd::MatchKernels& chosen) : kernels(chosen) {}

  const simd::MatchKernels& kernels;
  ScratchPool scratch_pool;
  Helpers helpers;
};

SearchResult search(const std::shared_ptr<const Snapshot>& snapshot, SearchRoom& room, std::span<const float> queries,
                    std::size_t dim, const SearchOptions& options);

}  // namespace sophon::match
