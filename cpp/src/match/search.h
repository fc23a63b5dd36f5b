// The search of one snapshot.
#pragma once

#include <cstddef>
#include <span>

#include "match/scratch.h"
#include "match/snapshot.h"
#include "simd/match_kernels.h"
#include "sophon/exact_index.h"

namespace sophon::match {

SearchResult search(const Snapshot& snapshot, const simd::MatchKernels& kernels, ScratchPool& scratch_pool,
                    std::span<const float> queries, std::size_t dim, const SearchOptions& options);

}  // namespace sophon::match
