// A set of an index's keys, prepared for searching.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>

namespace sophon {

namespace match {
struct SetNode;
}

// A key that the index doesn't have.
class UnknownKey : public std::out_of_range {
 public:
  using std::out_of_range::out_of_range;
};

// A handle: copies name the same set. It follows the index: a further vector of a key that is in the set is in it too,
// a removed key has left it. It keeps its index's storage alive. Safe to use from several threads.
class Subset {
 public:
  explicit Subset(std::shared_ptr<const match::SetNode> node) : node_(std::move(node)) {}

  // Throws UnknownKey, and adds none, when the index lacks one of the keys; std::invalid_argument for a set made
  // by & or |.
  void add(std::span<const std::int64_t> keys) const;
  // Keys that are not in the set are passed over. Throws std::invalid_argument for a set made by & or |.
  void remove(std::span<const std::int64_t> keys) const;
  bool contains(std::int64_t key) const;
  // The number of keys.
  std::size_t size() const;

  // Views that follow both sets; nothing is copied. Throw std::invalid_argument for sets of different indexes.
  friend Subset operator&(const Subset& left, const Subset& right);
  friend Subset operator|(const Subset& left, const Subset& right);

  const match::SetNode& node() const { return *node_; }

 private:
  std::shared_ptr<const match::SetNode> node_;
};

}  // namespace sophon
