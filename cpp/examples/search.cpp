// Three vectors, one search, a group, a file and back.
#include <sophon/exact_index.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <iostream>

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: search_cpp FILE-TO-WRITE\n";
    return 2;
  }
  const std::array<std::int64_t, 3> keys{7, 8, 9};
  const std::array<float, 12> vectors{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0.6F, 0.8F};
  sophon::ExactIndex index(4);
  index.add(keys, vectors);

  const std::array<float, 4> query{0, 0, 0, 1};
  const auto best = index.search(query, {.k = 2, .threshold = 0.5F});
  std::cout << "best: key " << best.keys[0] << ", score " << best.scores[0] << "\n";

  const sophon::Subset group = index.subset(std::array<std::int64_t, 2>{7, 8});
  std::cout << "in the group: key " << index.search(query, {.k = 1, .threshold = 0.5F, .allow = group}).keys[0] << "\n";

  const std::filesystem::path path = arguments[1];
  index.save(path);
  std::cout << "from the file: key " << sophon::ExactIndex::load(path).search(query, {}).keys[0] << "\n";
  return 0;
}
