// The exact matcher: for every query the k keys of the largest inner product, with the bits of the stated summation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "sophon/isa.h"
#include "sophon/subset.h"

namespace sophon {

namespace match {
class Storage;
}

// A file that can't be an index.
class BadFile : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// How many rows each pass of a query's search left over.
struct SearchCounts {
  std::size_t rows = 0;    // that could be hits
  std::size_t coarse = 0;  // after the four-bit pass
  std::size_t fine = 0;    // after the eight-bit pass
  std::size_t scored = 0;  // whose float32 score was computed, those that gave the floor included
};

// What a search returns for m queries: row-major (m, k), sorted by falling score, equal scores by rising key; places
// without a hit hold key -1 and score -infinity.
struct SearchResult {
  std::vector<std::int64_t> keys;
  std::vector<float> scores;
  std::vector<SearchCounts> counts;  // (m)
};

struct SearchOptions {
  std::size_t k = 1;
  // Scores below it are not hits. Scores of unit vectors lie in [-1, 1]; -1 or less asks for all.
  float threshold = -1.0F;
  // Only these keys; none means all.
  std::optional<Subset> allow = std::nullopt;
  // More than one asks helpers for help with a large search. The caller works too and never waits for them, so that a
  // busy processor costs nothing; the result is the same.
  std::size_t threads = 1;
};

// Unit-norm float32 vectors under 64-bit integer keys. A key may hold several vectors (a person's photographs): its
// score is the best of theirs. Searches run beside changes and each other; every search sees the index before or after
// a change, never within.
class ExactIndex {
 public:
  // Throws std::invalid_argument unless 1 <= dim <= 4096.
  explicit ExactIndex(std::size_t dim, Isa isa = chosen_isa());

  // Keeps the float32 vectors in files without a name in `directory`, mapped into memory: the system can take their
  // memory back. What always is in memory, the integer pictures, is about a quarter of the vectors. Throws
  // std::system_error.
  static ExactIndex with_vectors_in_files(std::size_t dim, const std::filesystem::path& directory,
                                          Isa isa = chosen_isa());

  // What save() wrote, on any machine. With `map` the file is mapped into memory and read when needed, so it must stay
  // as it is (save() over it is safe); changes to the index stay out of the file. Throws BadFile for a file that is
  // damaged or not such a file, std::system_error when it can't be read.
  static ExactIndex load(const std::filesystem::path& path, bool map = true, Isa isa = chosen_isa());

  // Writes all keys and vectors, in one version, beside searches and changes; the file appears under its name when it
  // is complete and on disk. Subsets are not saved. Throws std::system_error.
  void save(const std::filesystem::path& path) const;

  std::size_t dim() const;
  // The number of vectors.
  std::size_t size() const;
  bool contains(std::int64_t key) const;
  // The vectors of one key, row-major, in the order they were added. Throws UnknownKey for an unknown key.
  std::vector<float> get(std::int64_t key) const;

  // One vector per key, row-major (n, dim). All or nothing: throws std::invalid_argument naming the row when a vector
  // is not finite or its norm is not 1 within kNormTolerance, or when a key is negative. The new vectors' keys also
  // join the given sets.
  void add(std::span<const std::int64_t> keys, std::span<const float> vectors, std::span<const Subset> join = {});
  // As add, but the keys' former vectors leave in the same step; keys may be new. Without `belong` the keys stay in the
  // sets they are in; with it they are afterwards in exactly those.
  void replace(std::span<const std::int64_t> keys, std::span<const float> vectors,
               std::optional<std::span<const Subset>> belong = std::nullopt);
  // Removes all vectors of these keys and returns how many keys were there.
  std::size_t remove(std::span<const std::int64_t> keys);

  // A new set with these keys. Throws UnknownKey when the index lacks one.
  Subset subset(std::span<const std::int64_t> keys = {}) const;

  // Queries are row-major (m, dim) and checked as vectors are. Throws std::invalid_argument for a wrong query, k = 0, a
  // threshold that is not a number, or a set of another index.
  SearchResult search(std::span<const float> queries, const SearchOptions& options) const;

 private:
  explicit ExactIndex(std::shared_ptr<match::Storage> storage) : storage_(std::move(storage)) {}

  std::shared_ptr<match::Storage> storage_;
};

// How far from 1 the Euclidean norm of a vector may be.
inline constexpr double kNormTolerance = 1e-3;

}  // namespace sophon
