#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "sophon/exact_index.h"
#include "vectors.h"

using sophon::ExactIndex;
using sophon::Isa;
using sophon::SearchResult;
using sophon::Subset;

namespace {

std::vector<std::int64_t> counting(std::size_t count, std::int64_t first = 0) {
  std::vector<std::int64_t> keys(count);
  std::iota(keys.begin(), keys.end(), first);
  return keys;
}

void check_against_brute_force(const SearchResult& found, std::span<const float> queries, std::size_t dim,
                               std::span<const std::int64_t> keys, std::span<const float> vectors, std::size_t k) {
  for (std::size_t q = 0; q * dim < queries.size(); ++q) {
    std::map<std::int64_t, float> scores;
    for (std::size_t row = 0; row < keys.size(); ++row) {
      const float score = sophon::tests::stated_score(queries.subspan(q * dim, dim), vectors.subspan(row * dim, dim));
      const auto [place, is_new] = scores.try_emplace(keys[row], score);
      place->second = std::max(place->second, score);
    }
    const auto expected = sophon::tests::best_of(scores, k);
    for (std::size_t rank = 0; rank < expected.size(); ++rank) {
      CHECK(found.keys[q * k + rank] == expected[rank].first);
      CHECK(found.scores[q * k + rank] == expected[rank].second);
    }
  }
}

// How long tests of searches beside changes go on; the thread sanitizer's run sets it.
std::chrono::seconds soak_time() {
  const char* const seconds = std::getenv("SOPHON_SOAK_SECONDS");
  return std::chrono::seconds(seconds == nullptr ? 0 : std::strtol(seconds, nullptr, 10));
}

}  // namespace

TEST_CASE("every instruction set finds what brute force finds, alone and in batches") {
  std::mt19937 random(1);
  for (const std::size_t dim : {8U, 100U, 128U, 512U}) {
    const std::size_t rows = dim == 512 ? 1500 : 5000;
    const auto keys = counting(rows);
    const auto vectors = sophon::tests::unit_vectors(random, rows, dim);
    const auto queries = sophon::tests::unit_vectors(random, 5, dim);
    for (const Isa isa : sophon::usable_isas()) {
      CAPTURE(std::string(name(isa)));
      CAPTURE(dim);
      ExactIndex index(dim, isa);
      index.add(keys, vectors);
      check_against_brute_force(index.search(queries, {.k = 5}), queries, dim, keys, vectors, 5);
      const auto one = std::span(queries).first(dim);
      check_against_brute_force(index.search(one, {.k = 3}), one, dim, keys, vectors, 3);
    }
  }
}

TEST_CASE("the integer passes rule nearly everything out") {
  std::mt19937 random(2);
  ExactIndex index(128);
  index.add(counting(20000), sophon::tests::unit_vectors(random, 20000, 128));
  const auto counts = index.search(sophon::tests::unit_vectors(random, 1, 128), {.k = 5}).counts.front();
  CHECK(counts.rows == 20000);
  CHECK(counts.coarse < 2000);
  CHECK(counts.fine < 200);
  CHECK(counts.scored < 200);
}

TEST_CASE("rows that no pass can tell apart are all scored, and the answer is still exact") {
  std::mt19937 random(3);
  const auto centre = sophon::tests::unit_vectors(random, 1, 64);
  std::vector<float> vectors;
  for (int row = 0; row < 2500; ++row) {
    auto vector = centre;
    vector[static_cast<std::size_t>(row) % 64] += 1e-6F * static_cast<float>(row % 7);
    vectors.insert(vectors.end(), vector.begin(), vector.end());
  }
  const auto keys = counting(2500);
  ExactIndex index(64);
  index.add(keys, vectors);
  check_against_brute_force(index.search(centre, {.k = 20}), centre, 64, keys, vectors, 20);
}

TEST_CASE("searches beside changes see whole versions only, and what is removed is never found again") {
  constexpr std::size_t kDim = 32;
  constexpr int kTurns = 400;
  std::mt19937 random(4);
  const auto base = sophon::tests::unit_vectors(random, 300, kDim);
  const auto moving = sophon::tests::unit_vectors(random, 2, kDim);
  ExactIndex index(kDim);
  index.add(counting(300), base);
  const std::int64_t moving_key = 1000;
  index.add(std::span(&moving_key, 1), std::span(moving).first(kDim));
  const Subset group = index.subset(std::span(&moving_key, 1));
  const Subset other = index.subset();
  const float expected[2] = {sophon::tests::stated_score(std::span(moving).first(kDim), std::span(moving).first(kDim)),
                             sophon::tests::stated_score(std::span(moving).first(kDim), std::span(moving).last(kDim))};

  std::atomic<bool> stop{false};
  std::atomic<int> searches{0};
  std::atomic<int> wrong{0};
  const auto search = [&] {
    while (!stop) {
      const auto found = index.search(std::span(moving).first(kDim), {.k = 2, .allow = group});
      const bool whole = found.keys[0] == moving_key && found.keys[1] == -1 &&
                         (found.scores[0] == expected[0] || found.scores[0] == expected[1]);
      wrong += whole ? 0 : 1;
      index.search(base, {.k = 1, .threshold = 0.5F});
      ++searches;
    }
  };
  std::thread first(search);
  std::thread second(search);
  const auto end = std::chrono::steady_clock::now() + soak_time();
  for (int turn = 0; turn < kTurns || searches < 4 || std::chrono::steady_clock::now() < end; ++turn) {
    index.replace(std::span(&moving_key, 1), std::span(moving).subspan(turn % 2 == 0 ? kDim : 0, kDim));
    const std::int64_t passing_key = 2000 + turn;
    index.add(std::span(&passing_key, 1), std::span(base).first(kDim));
    other.add(std::span(&passing_key, 1));
    other.remove(std::span(&passing_key, 1));
    index.remove(std::span(&passing_key, 1));
  }
  stop = true;
  first.join();
  second.join();
  CHECK(wrong == 0);
  CHECK(index.size() == 301);
}

TEST_CASE("searches with helpers run beside each other and beside changes, with the same results") {
  constexpr std::size_t kDim = 16;
  std::mt19937 random(5);
  ExactIndex index(kDim);
  index.add(counting(40000), sophon::tests::unit_vectors(random, 40000, kDim));
  const auto queries = sophon::tests::unit_vectors(random, 3, kDim);
  const auto expected = index.search(queries, {.k = 4});
  std::atomic<int> wrong{0};
  const auto search = [&] {
    for (int turn = 0; turn < 20; ++turn) {
      const auto found = index.search(queries, {.k = 4, .threads = 3});
      wrong += found.keys == expected.keys && found.scores == expected.scores ? 0 : 1;
    }
  };
  std::thread first(search);
  std::thread second(search);
  auto far = std::vector<float>(queries.begin(), queries.begin() + kDim);
  std::ranges::for_each(far, [](float& value) { value = -value; });  // never among the best of the first query
  for (std::int64_t key = 100000; key < 100050; ++key) {
    index.add(std::span(&key, 1), far);
    index.remove(std::span(&key, 1));
  }
  first.join();
  second.join();
  CHECK(wrong == 0);
}
