#include "match/pieces.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <span>
#include <utility>

#include "match/set_node.h"

namespace sophon::match {
namespace {

constexpr std::size_t kGroup = 16;          // rows that kernels take at a time
constexpr std::size_t kListContinues = 32;  // entries that a list has beyond its end

std::size_t population(std::span<const std::uint64_t> words) {
  std::size_t count = 0;
  for (const std::uint64_t word : words) {
    count += static_cast<std::size_t>(std::popcount(word));
  }
  return count;
}

void append_slots(std::span<const std::uint64_t> words, std::size_t first, std::vector<std::uint16_t>& slots) {
  for (const std::uint64_t word : words) {
    for (std::uint64_t rest = word; rest != 0; rest &= rest - 1) {
      slots.push_back(static_cast<std::uint16_t>(first + static_cast<std::size_t>(std::countr_zero(rest))));
    }
    first += 64;
  }
}

}  // namespace

Pieces::Pieces(const Snapshot& snapshot, const SetNode* allow) : version_(snapshot.unseen) {
  allowed_.reserve(allow != nullptr ? snapshot.blocks.size() : 0);
  for (std::size_t i = 0; i < snapshot.blocks.size(); ++i) {
    const BlockBits* wanted = snapshot.live.block(i);
    if (wanted != nullptr && allow != nullptr) {
      wanted = &allowed_.emplace_back(allow->rows(snapshot, i));
    }
    if (wanted != nullptr && snapshot.blocks[i] != nullptr) {
      add_block(*snapshot.blocks[i], *wanted);
    }
  }
}

void Pieces::add_block(const Block& block, const BlockBits& wanted) {
  constexpr std::size_t kWords = kPieceRows / 64;
  std::vector<std::uint16_t> listed;
  for (std::size_t word = 0; word < wanted.size(); word += kWords) {
    const std::span<const std::uint64_t> words(wanted.data() + word, kWords);
    const std::size_t count = population(words);
    if (count == 0) {
      continue;
    }
    row_count_ += count;
    const auto is_set = [](std::uint64_t bits) { return bits != 0; };
    const auto first_word = std::ranges::find_if(words, is_set);
    const auto last_word = std::find_if(words.rbegin(), words.rend(), is_set);
    const std::size_t start = word * 64;
    const auto first = static_cast<std::size_t>(first_word - words.begin()) * 64 +
                       static_cast<std::size_t>(std::countr_zero(*first_word)) / kGroup * kGroup;
    const auto end = kPieceRows - static_cast<std::size_t>(last_word - words.rbegin()) * 64 -
                     static_cast<std::size_t>(std::countl_zero(*last_word)) / kGroup * kGroup;
    if (2 * count >= end - first) {
      pieces_.push_back({.block = &block,
                         .rows = {.list = nullptr, .first = start + first, .count = end - first},
                         .wanted = count == end - first ? nullptr : &wanted,
                         .coarse_scales = block.coarse_scales() + start + first,
                         .fine_scales = block.fine_scales() + start + first});
    } else {
      append_slots(words, start, listed);
    }
  }
  add_lists(block, std::move(listed));
}

// Listed rows of a whole block go together: a piece of few rows would cost more by itself than by its rows.
void Pieces::add_lists(const Block& block, std::vector<std::uint16_t> slots) {
  const std::size_t count = slots.size();
  if (count == 0) {
    return;
  }
  slots.resize(count + kListContinues, slots.back());
  const auto listed = [&](const simd::RowScale* scales) {
    std::vector<simd::RowScale> result(slots.size());
    std::ranges::transform(slots, result.begin(), [&](std::uint16_t slot) { return scales[slot]; });
    return result;
  };
  List list{.slots = {}, .coarse_scales = listed(block.coarse_scales()), .fine_scales = listed(block.fine_scales())};
  list.slots = std::move(slots);
  for (std::size_t first = 0; first < count; first += kPieceRows) {
    pieces_.push_back(
        {.block = &block,
         .rows = {.list = list.slots.data() + first, .first = 0, .count = std::min(kPieceRows, count - first)},
         .wanted = nullptr,
         .coarse_scales = list.coarse_scales.data() + first,
         .fine_scales = list.fine_scales.data() + first});
  }
  lists_.push_back(std::move(list));
}

}  // namespace sophon::match
