#include "match/block.h"

#include <algorithm>
#include <utility>

#include "match/quantisation.h"

namespace sophon::match {
namespace {

constexpr std::size_t kMayBeReadAfterAPlane = 64;

}  // namespace

std::size_t Block::codes_bytes(std::size_t dim) {
  return kBlockRows * (2 * code_bytes(dim) + 2 * sizeof(simd::RowScale) + sizeof(std::int64_t)) + kMayBeReadAfterAPlane;
}

std::size_t Block::floats_bytes(std::size_t dim) { return kBlockRows * padded_dim(dim) * sizeof(float); }

Block::Block(std::size_t dim, Pages codes, Pages floats)
    : dim_(dim), row_bytes_(code_bytes(dim)), codes_(std::move(codes)), floats_(std::move(floats)) {
  std::byte* next = codes_.bytes().data();
  const auto take = [&]<typename T>(T*& plane, std::size_t count) {
    plane = reinterpret_cast<T*>(next);
    next += count * sizeof(T);
  };
  take(coarse_, kBlockRows * row_bytes_);
  take(fine_, kBlockRows * row_bytes_);
  take(keys_, kBlockRows);
  take(coarse_scales_, kBlockRows);
  take(fine_scales_, kBlockRows);
  vectors_ = reinterpret_cast<float*>(floats_.bytes().data());
}

void Block::write(std::size_t slot, std::int64_t key, std::span<const float> vector) {
  keys_[slot] = key;
  std::ranges::copy(vector, vectors_ + slot * padded_dim(dim_));
  const RowScales scales =
      quantise_row(vector, {coarse_ + slot * row_bytes_, row_bytes_}, {fine_ + slot * row_bytes_, row_bytes_});
  coarse_scales_[slot] = scales.coarse;
  fine_scales_[slot] = scales.fine;
}

void Block::copy_row(std::size_t slot, const Block& from, std::size_t from_slot) {
  keys_[slot] = from.keys_[from_slot];
  std::copy_n(from.vector(from_slot), padded_dim(dim_), vectors_ + slot * padded_dim(dim_));
  std::copy_n(from.coarse_ + from_slot * row_bytes_, row_bytes_, coarse_ + slot * row_bytes_);
  std::copy_n(from.fine_ + from_slot * row_bytes_, row_bytes_, fine_ + slot * row_bytes_);
  coarse_scales_[slot] = from.coarse_scales_[from_slot];
  fine_scales_[slot] = from.fine_scales_[from_slot];
}

void Block::wipe(std::size_t slot) {
  keys_[slot] = 0;
  std::fill_n(vectors_ + slot * padded_dim(dim_), padded_dim(dim_), 0.0F);
  std::fill_n(coarse_ + slot * row_bytes_, row_bytes_, std::uint8_t{0});
  std::fill_n(fine_ + slot * row_bytes_, row_bytes_, std::uint8_t{0});
  coarse_scales_[slot] = 0;
  fine_scales_[slot] = 0;
}

}  // namespace sophon::match
