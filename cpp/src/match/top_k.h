// The best k keys seen so far, each with the best of its scores.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sophon::match {

struct Hit {
  std::int64_t key;
  float score;
};

// The order of results: falling score, equal scores by rising key.
inline bool better(const Hit& left, const Hit& right) {
  return left.score > right.score || (left.score == right.score && left.key < right.key);
}

class TopK {
 public:
  TopK(std::size_t k, float threshold) : k_(k), floor_(threshold) {}

  std::size_t k() const { return k_; }
  // A score below it can't change the result.
  float floor() const { return floor_; }

  void offer(Hit hit) {
    if (hit.score >= floor_) {
      hits_.push_back(hit);
      if (hits_.size() >= k_ + std::max(k_, kSlack)) {
        settle();
      }
    }
  }
  // Drops what can't be in the result and raises the floor.
  void settle();
  // At most k hits in the order of results.
  std::span<const Hit> sorted();

 private:
  static constexpr std::size_t kSlack = 8;

  std::size_t k_;
  float floor_;
  std::vector<Hit> hits_;
};

}  // namespace sophon::match
