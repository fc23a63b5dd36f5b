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

}  // namespace

Pieces::Pieces(std::shared_ptr<const Snapshot> snapshot, const std::optional<Subset>& allow)
    : snapshot_(std::move(snapshot)) {
  const Snapshot& version = *snapshot_;
  allowed_.reserve(allow ? version.blocks.size() : 0);
  for (std::size_t i = 0; i < version.blocks.size(); ++i) {
    const BlockBits* wanted = version.live.block(i);
    if (wanted != nullptr && allow) {
      wanted = &allowed_.emplace_back(allow->node().rows(version, i));
    }
    if (wanted != nullptr && version.blocks[i] != nullptr) {
      add_block(*version.blocks[i], *wanted);
    }
  }
}

void Pieces::add_block(const Block& block, const BlockBits& wanted) {
  constexpr std::size_t kWords = kPieceRows / 64;
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
                         .wanted = count == end - first ? nullptr : &wanted});
    } else {
      add_list(block, wanted, start, count);
    }
  }
}

void Pieces::add_list(const Block& block, const BlockBits& wanted, std::size_t first, std::size_t count) {
  std::vector<std::uint16_t>& list = lists_.emplace_back();
  list.reserve(count + kListContinues);
  for (std::size_t word = first / 64; word < (first + kPieceRows) / 64; ++word) {
    for (std::uint64_t rest = wanted[word]; rest != 0; rest &= rest - 1) {
      list.push_back(static_cast<std::uint16_t>(word * 64 + static_cast<std::size_t>(std::countr_zero(rest))));
    }
  }
  list.resize(count + kListContinues, list.back());
  pieces_.push_back({.block = &block, .rows = {.list = list.data(), .first = 0, .count = count}, .wanted = nullptr});
}

}  // namespace sophon::match
