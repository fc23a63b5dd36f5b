#include "sophon/exact_index.h"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "match/persistence.h"
#include "match/search.h"
#include "match/set_node.h"
#include "match/storage.h"

namespace sophon {
namespace {

constexpr std::size_t kMostThreads = 256;

std::size_t checked(std::size_t dim) {
  if (dim < 1 || dim > match::kMaxDim) {
    throw std::invalid_argument("dim must be from 1 to " + std::to_string(match::kMaxDim));
  }
  return dim;
}

void check_vectors(std::span<const float> vectors, std::size_t dim, const char* what) {
  for (std::size_t row = 0; row * dim < vectors.size(); ++row) {
    double square = 0.0;
    for (const float value : vectors.subspan(row * dim, dim)) {
      square += static_cast<double>(value) * static_cast<double>(value);
    }
    // Written so that NaN and infinity fail it.
    if (!(std::abs(std::sqrt(square) - 1.0) <= kNormTolerance)) {
      throw std::invalid_argument(
          std::string(what) + " " + std::to_string(row) +
          (std::isfinite(square) ? " has norm " + std::to_string(std::sqrt(square)) + ", not 1; normalise it first"
                                 : " has a value that is not finite"));
    }
  }
}

void check_batch(std::span<const std::int64_t> keys, std::span<const float> vectors, std::size_t dim) {
  if (vectors.size() != keys.size() * dim) {
    throw std::invalid_argument("there must be one vector of " + std::to_string(dim) + " values for each of the " +
                                std::to_string(keys.size()) + " keys");
  }
  for (std::size_t row = 0; row < keys.size(); ++row) {
    if (keys[row] < 0) {
      throw std::invalid_argument("key " + std::to_string(row) + " is negative; -1 marks a place without a hit");
    }
  }
  check_vectors(vectors, dim, "vector");
}

std::vector<std::size_t> numbers_of(std::span<const Subset> subsets, const match::Storage& storage) {
  std::vector<std::size_t> numbers;
  for (const Subset& subset : subsets) {
    if (subset.node().kind != match::SetNode::Kind::leaf || subset.node().storage.get() != &storage) {
      throw std::invalid_argument("keys can join only subsets that this index made");
    }
    numbers.push_back(subset.node().number);
  }
  return numbers;
}

}  // namespace

ExactIndex::ExactIndex(std::size_t dim, Isa isa)
    : ExactIndex(std::make_shared<match::Storage>(checked(dim), isa, std::nullopt)) {}

ExactIndex ExactIndex::with_vectors_in_files(std::size_t dim, const std::filesystem::path& directory, Isa isa) {
  return ExactIndex(std::make_shared<match::Storage>(checked(dim), isa, directory));
}

ExactIndex ExactIndex::load(const std::filesystem::path& path, bool map, Isa isa) {
  return ExactIndex(match::load(path, map, isa));
}

void ExactIndex::save(const std::filesystem::path& path) const { match::save(*storage_, path); }

std::size_t ExactIndex::dim() const { return storage_->dim(); }

std::size_t ExactIndex::size() const { return storage_->snapshot()->row_count; }

bool ExactIndex::contains(std::int64_t key) const { return storage_->contains(key); }

std::vector<float> ExactIndex::get(std::int64_t key) const {
  auto vectors = storage_->vectors(key);
  if (vectors.empty()) {
    throw UnknownKey("the index has no key " + std::to_string(key));
  }
  return vectors;
}

void ExactIndex::add(std::span<const std::int64_t> keys, std::span<const float> vectors, std::span<const Subset> join) {
  check_batch(keys, vectors, dim());
  storage_->add(keys, vectors, numbers_of(join, *storage_));
}

void ExactIndex::replace(std::span<const std::int64_t> keys, std::span<const float> vectors,
                         std::optional<std::span<const Subset>> belong) {
  check_batch(keys, vectors, dim());
  if (belong) {
    storage_->replace(keys, vectors, numbers_of(*belong, *storage_));
  } else {
    storage_->replace(keys, vectors, std::nullopt);
  }
}

std::size_t ExactIndex::remove(std::span<const std::int64_t> keys) { return storage_->remove(keys); }

Subset ExactIndex::subset(std::span<const std::int64_t> keys) const {
  return Subset(std::make_shared<match::SetNode>(storage_, storage_->add_subset(keys)));
}

SearchResult ExactIndex::search(std::span<const float> queries, const SearchOptions& options) const {
  if (queries.size() % dim() != 0) {
    throw std::invalid_argument("queries must have " + std::to_string(dim()) + " values each");
  }
  if (options.k == 0) {
    throw std::invalid_argument("k must be at least 1");
  }
  if (options.threads < 1 || options.threads > kMostThreads) {
    throw std::invalid_argument("threads must be from 1 to " + std::to_string(kMostThreads));
  }
  if (std::isnan(options.threshold)) {
    throw std::invalid_argument("threshold must be a number");
  }
  if (options.allow && options.allow->node().storage != storage_) {
    throw std::invalid_argument("allow is a subset of another index");
  }
  check_vectors(queries, dim(), "query");
  SearchResult result = match::search(storage_->snapshot(), storage_->search_room(), queries, dim(), options);
  storage_->reclaim();
  return result;
}

}  // namespace sophon
