// One query on its way through the passes.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "match/block.h"
#include "match/quantisation.h"
#include "match/top_k.h"
#include "sophon/exact_index.h"

namespace sophon::match {

struct Query {
  Query(std::span<const float> values, std::size_t k, float threshold)
      : vector(padded_dim(values.size())), picture(quantise_query(values)), best(k, threshold) {
    std::ranges::copy(values, vector.begin());
  }

  std::vector<float> vector;  // padded_dim() values
  QuantisedQuery picture;
  TopK best;
  SearchCounts counts;
};

}  // namespace sophon::match
