#include "match/top_k.h"

#include <algorithm>

namespace sophon::match {

void TopK::settle() {
  std::ranges::sort(hits_, [](const Hit& left, const Hit& right) {
    return left.key < right.key || (left.key == right.key && left.score > right.score);
  });
  const auto same_key = [](const Hit& left, const Hit& right) { return left.key == right.key; };
  hits_.erase(std::unique(hits_.begin(), hits_.end(), same_key), hits_.end());
  if (hits_.size() >= k_) {
    const auto worst = hits_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::ranges::nth_element(hits_, worst, better);
    floor_ = std::max(floor_, worst->score);
    hits_.resize(k_);
  }
}

std::span<const Hit> TopK::sorted() {
  settle();
  std::ranges::sort(hits_, better);
  return hits_;
}

}  // namespace sophon::match
