// The search of one snapshot.
#pragma once

#include <cstddef>
#include <span>

#include "match/snapshot.h"
#include "sophon/exact_index.h"

namespace sophon::match {

SearchResult search(const Snapshot& snapshot, std::span<const float> queries, std::size_t dim,
                    const SearchOptions& options);

}  // namespace sophon::match
